"""The read model in MongoDB as the projection service reads it."""

from collections.abc import Iterable, Mapping, Sequence

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.listing import KeyRange, Listing
from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.recorded import Position
from qaservice.stores.mongodb.collection import CHECKPOINT, AnswersCollection, Row, checkpoint_of_row
from qaservice.stores.mongodb.point_reads import PointReads

_MOST_CHANGES = 2000
_PAGE_BYTES = 1 << 20


class MongoAnswers:
    """Point reads, and pages of a list."""

    def __init__(self, uri: str, database: str, timeout: float) -> None:
        """`timeout` in seconds bounds every read. Nothing is contacted before the first."""
        self._collection = AnswersCollection(uri, database, timeout)
        self._reads = PointReads(self._rows)

    async def get(self, key: str) -> Snapshot:
        """See Answers.get."""
        checkpoint, rows = await self._reads.get(key)
        if key not in rows:
            return Snapshot(None, checkpoint)
        row = rows[key]
        if checkpoint is not None and row["build"] > checkpoint.build:
            raise _begun_anew()
        return Snapshot(Document(key, row["value"], row["revision"], row["position"]), checkpoint)

    async def page(self, keys: KeyRange, limit: int) -> Listing:
        """See Answers.page."""
        before = await self.checkpoint()
        if before is None:
            return Listing((), more=False, checkpoint=None)
        found, more = await self._found(keys, before, limit)
        after = await self.checkpoint()
        if after is None or after.build != before.build:
            raise _begun_anew()
        return Listing(found, more, before)

    async def changed(self, since: Checkpoint) -> Sequence[str] | None:
        """See Answers.changed."""
        later = {"build": since.build, "position": {"$gt": since.position}, "_id": {"$type": "string"}}
        async with self._collection.operation() as answers:
            found = await answers.find(later, {"_id": 1}, limit=-(_MOST_CHANGES + 1)).to_list(None)
        return None if len(found) > _MOST_CHANGES else [row["_id"] for row in found]

    async def progress(self, keys: Iterable[str]) -> tuple[Checkpoint | None, Mapping[str, Position]]:
        """See Answers.progress. A batch's documents are stored before the checkpoint moves."""
        checkpoint, rows = await self._rows(keys, {"value": 0})
        return checkpoint, {key: row["position"] for key, row in rows.items()}

    async def checkpoint(self) -> Checkpoint | None:
        """See Answers.checkpoint."""
        return await self._collection.checkpoint()

    async def close(self) -> None:
        """Disconnect."""
        await self._collection.close()

    async def _rows(self, keys: Iterable[str], columns: Row | None = None) -> tuple[Checkpoint | None, dict[str, Row]]:
        """The checkpoint, and those of the documents that are there."""
        wanted = [CHECKPOINT, *keys]
        async with self._collection.operation() as answers:
            # One query; should it yield half-way, it has read the checkpoint first.
            found = answers.find({"_id": {"$in": wanted}}, columns, sort=[("_id", 1)], limit=len(wanted))
            rows = {row["_id"]: row for row in await found.to_list(None)}
        if CHECKPOINT not in rows:
            return None, {}
        checkpoint = checkpoint_of_row(rows.pop(CHECKPOINT))
        return checkpoint, {key: row for key, row in rows.items() if not _is_left_over(row, checkpoint)}

    async def _found(self, keys: KeyRange, checkpoint: Checkpoint, limit: int) -> tuple[list[tuple[str, str]], bool]:
        """Keys and values of a complete build, and whether there are more."""
        within = {"$gte": keys.first} if keys.beyond is None else {"$gte": keys.first, "$lt": keys.beyond}
        listed = {"_id": within, "value": {"$ne": None}, "build": {"$gte": checkpoint.build}}
        found: list[tuple[str, str]] = []
        size = 0
        async with self._collection.operation() as answers:
            rows = answers.find(listed, {"value": 1}, sort=[("_id", 1)], limit=limit + 1, hint="_id_")
            try:
                async for row in rows:
                    if len(found) == limit or size > _PAGE_BYTES:
                        return found, True
                    found.append((row["_id"], row["value"]))
                    size += len(row["value"])
            finally:
                await rows.close()
        return found, False


def _begun_anew() -> ReadModelUnavailable:
    """Between checkpoint and documents: what a new build has put in their place may be older than the checkpoint."""
    return ReadModelUnavailable("the read model was begun anew meanwhile")


def _is_left_over(row: Row, checkpoint: Checkpoint) -> bool:
    """Whether a document is of a build that was over when this one ended: its writer was overtaken, and its write
    came after the others of its build had been removed."""
    return checkpoint.target is None and row["build"] < checkpoint.build
