"""GET /answers/{key} as FastAPI's manual writes it, with one read of SQLite on the event loop."""

import sqlite3

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from bench.references.serving import folder, serve

connection = sqlite3.connect(f"{(folder() / 'answers.sqlite').as_uri()}?mode=ro", uri=True, isolation_level=None)
app = FastAPI()


class Answer(BaseModel):
    key: str
    value: str


@app.get("/answers/{key}")
async def get(key: str) -> Answer:
    row = connection.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise HTTPException(404, "Key not found")
    return Answer(key=key, value=row[0])


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"message": "pong"}


serve(app)
