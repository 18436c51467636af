"""POST /answers as FastAPI's manual writes it, over the embedded log: no metrics, no log lines."""

from fastapi import FastAPI
from pydantic import BaseModel

from bench.references.serving import folder, serve
from qaservice.domain.answers import create
from qaservice.runtime.ids import id_maker
from qaservice.stores.sqlite.log import SqliteLog

log = SqliteLog(folder() / "events.sqlite", timeout=5)
new_id = id_maker()
app = FastAPI()


class NewAnswer(BaseModel):
    key: str
    value: str


class Created(BaseModel):
    ok: str


@app.post("/answers", status_code=201)
async def post(answer: NewAnswer) -> Created:
    key, value = answer.key, answer.value
    await log.append(key, lambda recent: create(recent.answer, key, value), id=new_id(), metadata={})
    return Created(ok="AnswerCreatedEvent")


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"message": "pong"}


serve(app)
