"""Reads of one answer: as new as the client asks for, and waiting for a change where it wants to."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from qaservice.domain.errors import ReadModelBehind, ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.tokens import Token
from services.projection.changes import Changes
from services.projection.ports import Answers

ORDINARY_WAIT = 5
"""Seconds, where a client does not say."""


@dataclass(slots=True)
class Wish:
    """What a client wants of a read. `at_least`: nothing older than this; `known`: whether it has a revision already,
    then it waits for another one; `wait` in seconds, None: as usual; `lenient`: rather an old answer than none."""

    at_least: Token | None = None
    known: Callable[[int], bool] | None = None
    wait: int | None = None
    lenient: bool = False


NOTHING_SPECIAL = Wish()


@dataclass(slots=True)
class Found:
    """The document of an answer, None where there is no such answer, and the checkpoint of the same moment. `stale`:
    it may be older than was asked for. `appeared`: there was none before, and the client has waited for it."""

    document: Document | None
    checkpoint: Checkpoint
    stale: bool = False
    appeared: bool = False


class Reads:
    """Answers from a read model."""

    def __init__(self, answers: Answers, changes: Changes) -> None:
        self._answers = answers
        self._changes = changes

    async def read(self, key: str, wish: Wish) -> Found:
        """The answer as the client wants it, within the one time that both kinds of waiting share. Raises
        InputNotValid for a token of another store, ReadModelUnavailable, ReadModelBehind."""
        deadline = time.monotonic() + (ORDINARY_WAIT if wish.wait is None else wish.wait)
        snapshot = await self._answers.get(key)
        stale = False
        if wish.at_least is not None and not _reached(wish.at_least, snapshot):
            snapshot, stale = await self._as_new(key, wish.at_least, snapshot, deadline)
            if stale and not wish.lenient:
                raise ReadModelBehind("the time to wait for the token is over")
        found = _found(snapshot, stale)
        if wish.known is not None and wish.wait is not None:
            found = await self._changed(key, wish.known, found, deadline)
        return found

    async def _as_new(self, key: str, token: Token, snapshot: Snapshot, deadline: float) -> tuple[Snapshot, bool]:
        """The first snapshot that holds what the token names, or the last one in time, and whether it is too old."""
        while not _reached(token, snapshot):
            left = deadline - time.monotonic()
            if left <= 0 or self._changes.closed:
                return snapshot, True
            await self._changes.of_position(token.position, begun(snapshot.checkpoint), left, key)
            snapshot = await self._answers.get(key)
        return snapshot, False

    async def _changed(self, key: str, known: Callable[[int], bool], found: Found, deadline: float) -> Found:
        """What is there once it is new to the client, or when the time is over. To wait for an answer that does not
        exist is to wait until it does."""
        missing = found.document is None
        while found.document is None if missing else found.document is not None and known(found.document.revision):
            left = deadline - time.monotonic()
            if left <= 0 or self._changes.closed:
                break
            await self._changes.of_key(key, found.checkpoint, left)
            found = _found(await self._answers.get(key), found.stale)
        found.appeared = missing and found.document is not None
        return found


def _reached(token: Token, snapshot: Snapshot) -> bool:
    checkpoint, document = begun(snapshot.checkpoint), snapshot.document
    token.require_store(checkpoint.store)
    if checkpoint.target is not None:
        return False
    return checkpoint.position >= token.position or (document is not None and document.position >= token.position)


def _found(snapshot: Snapshot, stale: bool = False) -> Found:
    """What a snapshot says, where the absence of a document means something."""
    checkpoint, document = complete(snapshot.checkpoint), snapshot.document
    return Found(None if document is None or document.value is None else document, checkpoint, stale)


def begun(checkpoint: Checkpoint | None) -> Checkpoint:
    """The checkpoint, if there is one: without, nobody knows which log the read model is of, and no wait has an end
    in sight. Raises ReadModelUnavailable."""
    if checkpoint is None:
        raise ReadModelUnavailable("the read model is empty: is the projector running?")
    return checkpoint


def complete(checkpoint: Checkpoint | None) -> Checkpoint:
    """The checkpoint, if the absence of a document means something. Raises ReadModelUnavailable, ReadModelBehind."""
    checkpoint = begun(checkpoint)
    if checkpoint.target is not None:
        raise ReadModelBehind("the read model is being built")
    return checkpoint
