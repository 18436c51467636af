"""The read model in MongoDB: documents and checkpoint in one collection, without transactions (a lone mongod has none).

What a transaction would give comes from guards and three orders:

- every document is guarded by its build and revision, so that writing a batch again, or late, changes nothing;
- the checkpoint moves after the documents are durable, and a build ends after the older documents are gone: whoever
  dies between two steps, or is overtaken by another projector, leaves a batch to be repeated, never one to be missed;
- a read sees the checkpoint before the document, so that the document holds at least what the checkpoint claims; one of
  a newer build may hold less, and is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.stores.checkpoint_row import row_of
from qaservice.stores.mongodb.collection import CHECKPOINT, AnswersCollection, Row

_DUPLICATE_KEY = 11000
_LARGEST_PORTION = 1000


class MongoReadModel:
    """The side that the projector writes; the other one is MongoAnswers."""

    def __init__(self, uri: str, database: str, timeout: float) -> None:
        """`timeout` in seconds bounds every operation on the server. Nothing is contacted before the first."""
        self._collection = AnswersCollection(uri, database, timeout)
        self._portion = _LARGEST_PORTION
        self._completed: int | None = None
        """The build that this one has completed. Before its batches the checkpoint is not read, which would make them
        later: whoever was overtaken learns it when the checkpoint does not move, and readers pass over what he wrote
        (`_is_left_over`)."""

    async def checkpoint(self) -> Checkpoint | None:
        """See ReadModel.checkpoint."""
        return await self._collection.checkpoint()

    async def begin(self, checkpoint: Checkpoint) -> bool:
        """See ReadModel.begin."""
        async with self._collection.operation() as answers:
            # For `_drop_older` and `changed`: without it, looking for nothing among millions of documents takes long.
            await answers.create_index(["build", "position"])
        write = _upsert(CHECKPOINT, {"build": {"$lt": checkpoint.build}}, row_of(checkpoint))
        # Twice, as in `_store`: the first refusal may be an insert that lost against a lower build.
        return not (await self._refused([write]) and await self._refused([write]))

    async def apply(self, documents: Sequence[Document], checkpoint: Checkpoint) -> bool:
        """See ReadModel.apply."""
        build = checkpoint.build
        ends_build = False
        if build != self._completed:
            stored = await self.checkpoint()
            if stored is None or stored.build != build:
                return False
            ends_build = stored.target is not None and checkpoint.target is None
        await self._store(documents, build)
        if ends_build:
            await self._drop_older(build)
        if await self._move_up(checkpoint):
            self._completed = build if checkpoint.target is None else None
            return True
        self._completed = None
        stored = await self.checkpoint()  # another projector is ahead, or has begun another build
        return stored is not None and stored.build == build

    async def close(self) -> None:
        """Disconnect."""
        await self._collection.close()

    async def _store(self, documents: Sequence[Document], build: int) -> None:
        """Make each document durable where (build, revision) of the stored one is lower.

        A guard that refuses shows as a duplicate key: nothing matches, so the server tries to insert. But an insert
        that lost a race gets the same error, even with the higher revision (mongod repeats an upsert by itself only
        where the filter is the key alone, SERVER-14322). After that the document is there for certain, so each half
        of the guard is sent once more; what both refuse is as new. In halves: beside an `$or` not every server looks
        the `_id` up.
        """
        for half in (_same_build, _older_build, _same_build):
            refused = await self._refused([_upsert(one.key, half(one, build), _row(one, build)) for one in documents])
            documents = [documents[index] for index in refused]
        self._portion = min(2 * self._portion, _LARGEST_PORTION)

    async def _refused(self, writes: Sequence[ReplaceOne[Row]]) -> Sequence[int]:
        """The indexes of the writes that met a duplicate key; the others are durable.

        In portions, halved by a failure and doubled only by a whole batch: or a server too slow to do one within the
        time limit would never get through it.
        """
        refused: list[int] = []
        size = min(self._portion, len(writes))
        for start in range(0, len(writes), size or 1):
            try:
                refused += [start + index for index in await self._sent(writes[start : start + size])]
            except ReadModelUnavailable:
                self._portion = max(1, size // 2)
                raise
        return refused

    async def _sent(self, writes: Sequence[ReplaceOne[Row]]) -> Sequence[int]:
        """As `_refused`, in one command. What the duplicates met is durable too: with w: majority mongod waits for
        that (jstests/replsets/lastop.js)."""
        async with self._collection.operation() as answers:
            try:
                await answers.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                return _duplicates(error)
        return ()

    async def _move_up(self, checkpoint: Checkpoint) -> bool:
        """Move the stored checkpoint of the same build. False: it is of another build, or further already."""
        row = row_of(checkpoint)
        not_beyond = {"_id": CHECKPOINT, "build": checkpoint.build, "position": {"$lte": checkpoint.position}}
        # `confirmed` may go back: a clock that was ahead once would otherwise make the lag 0 until it is as late again.
        confirmed = {} if row["confirmed"] is None else {"confirmed": row["confirmed"]}
        moves = {
            "$set": {name: row[name] for name in ("position", "event_position", "event_id")} | confirmed,
            # Another projector may have completed the build. Null is less than any value.
            "$min": {"target": row["target"]},
        }
        async with self._collection.operation() as answers:
            moved = await answers.update_one(not_beyond, moves)
        return moved.matched_count == 1

    async def _drop_older(self, build: int) -> None:
        """Remove what older builds left, in portions, each well within the time limit."""
        older = {"build": {"$lt": build}, "_id": {"$type": "string"}}
        while True:
            async with self._collection.operation() as answers:
                found = await answers.find(older, {"_id": 1}, limit=-_LARGEST_PORTION).to_list(None)
            if not found:
                return
            async with self._collection.operation() as answers:
                await answers.delete_many({"_id": {"$in": [row["_id"] for row in found]}, "build": {"$lt": build}})


def _same_build(document: Document, build: int) -> Row:
    return {"build": build, "revision": {"$lt": document.revision}}


def _older_build(document: Document, build: int) -> Row:
    return {"build": {"$lt": build}}


def _upsert(id: str | int, guard: Row, row: Row) -> ReplaceOne[Row]:
    # The hint spares the server from weighing the index on build.
    return ReplaceOne({"_id": id, **guard}, row, upsert=True, hint="_id_")


def _row(document: Document, build: int) -> Row:
    return {"revision": document.revision, "position": document.position, "build": build, "value": document.value}


def _duplicates(error: BulkWriteError) -> list[int]:
    """The indexes of the writes that met a duplicate key. Raises ReadModelUnavailable for any other error."""
    errors: Sequence[Mapping[str, Any]] = error.details["writeErrors"]
    others = [one for one in errors if one["code"] != _DUPLICATE_KEY] + error.details["writeConcernErrors"]
    if others:
        raise ReadModelUnavailable(f"MongoDB: error {others[0]['code']}: {others[0]['errmsg']}") from error
    return [one["index"] for one in errors]
