"""What the two files of a data folder hold, read beside the services."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def rows(file: Path, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """The result of a question, of one moment."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql, parameters).fetchall()


def fill(data: Path, count: int, columns: str) -> None:
    """Append events past the services. `columns`: key, revision, type and value of that with the number `i`, from 0."""
    with closing(sqlite3.connect(data / "events.sqlite", timeout=10)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
            "INSERT INTO events(key, revision, type, value, id, time) "
            f"SELECT {columns}, randomblob(16), 1700000000000000 + i FROM n",
            (count,),
        )


def events(data: Path) -> list[Row]:
    """(key, revision, type, value) of every event, in the log's order."""
    return rows(data / "events.sqlite", "SELECT key, revision, type, value FROM events ORDER BY position")


def folded(data: Path) -> dict[str, Row]:
    """What the read model must be: (revision, value) of each key, value None where it was deleted."""
    model: dict[str, Row] = {}
    for key, revision, type_, value in events(data):
        model[key] = (revision, None if type_ == "AnswerDeletedEvent" else value)
    return model


def documents(data: Path) -> dict[str, Row]:
    """What the read model is."""
    found = rows(data / "answers.sqlite", "SELECT key, revision, value FROM answers")
    return {key: (revision, value) for key, revision, value in found}


def caught_up(data: Path) -> bool:
    """Whether the read model has reached the end of the log."""
    (end,) = rows(data / "events.sqlite", "SELECT coalesce(max(position), -1) FROM events")
    checkpoint = rows(data / "answers.sqlite", "SELECT position FROM checkpoint WHERE target IS NULL")
    return checkpoint == [end]
