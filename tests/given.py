"""What tests start from and wait for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from qaservice.domain.answers import Event, create, delete, update
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Recorded
from services.eventstore.ports import AnswerLog


def a_key() -> str:
    """A key that no other test has."""
    return f"key-{uuid4()}"


async def created(log: AnswerLog, key: str, value: str = "john") -> Recorded:
    """Append the creation of an answer."""
    return await appended(log, key, lambda recent: create(recent.answer, key, value))


async def updated(log: AnswerLog, key: str, value: str = "jane") -> Recorded:
    """Append the update of an answer."""
    return await appended(log, key, lambda recent: update(recent.answer, key, value))


async def deleted(log: AnswerLog, key: str) -> Recorded:
    """Append the deletion of an answer."""
    return await appended(log, key, lambda recent: delete(recent.answer, key))


async def appended(log: AnswerLog, key: str, decide: Callable[[Recent], Event], /, **metadata: object) -> Recorded:
    """Append what `decide` decides, with an id of its own."""
    return (await log.append(key, decide, id=uuid4(), metadata=metadata)).recorded


async def history_of(log: AnswerLog, key: str) -> list[Recorded]:
    """All events of an answer."""
    return [recorded async for page in log.history(key, await every_revision(log, key)) for recorded in page]


async def every_revision(log: AnswerLog, key: str) -> range:
    """Of an answer, oldest first."""
    last = await log.last(key)
    return range(0 if last is None else last.revision + 1)


def remove(database: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()


async def eventually(condition: Callable[[], bool | Awaitable[bool]], within: float = 10) -> None:
    """Return once the condition holds; fail where it has not after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        holds = condition()
        if await holds if isinstance(holds, Awaitable) else holds:
            return
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.002)
