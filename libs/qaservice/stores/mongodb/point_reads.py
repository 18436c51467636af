"""Reads of single documents. Those that begin in the same turn of the event loop share a query, since the driver gives
each query to a thread, which costs more than all the rest of a read (the idea is that of GraphQL's DataLoader)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

_MOST_KEYS = 16

T = TypeVar("T")


class PointReads(Generic[T]):
    """Gathers keys, and gives what a query for all of them found to each who asked."""

    def __init__(self, query: Callable[[Iterable[str]], Awaitable[T]]) -> None:
        self._query = query
        self._keys: set[str] = set()
        self._gathering: asyncio.Task[T] | None = None

    async def get(self, key: str) -> T:
        """What a query that begins after this call found for `key`, and for others. Raises as the query does."""
        if self._gathering is None or len(self._keys) == _MOST_KEYS:
            self._keys = set()
            self._gathering = asyncio.create_task(self._found(self._keys))
        self._keys.add(key)
        return await asyncio.shield(self._gathering)  # one that is cancelled does not cancel it for the others

    async def _found(self, keys: set[str]) -> T:
        """Begins behind all that this turn of the event loop still runs."""
        self._gathering = None
        return await self._query(keys)
