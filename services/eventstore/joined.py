"""A question that many ask at once, asked once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Joined(Generic[T]):
    """Calls `ask` for all who wait for it, one call at a time: each caller gets the answer of a call that began after
    its own, or what that raised."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None
        self._following: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The answer, no older than this call."""
        if self._following is None:
            self._following = asyncio.create_task(self._after(self._asking))
            self._following.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait
        following = self._following
        await asyncio.wait({following})  # not cancelled with the caller that began it
        return following.result()

    async def _after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait({before})
        self._asking, self._following = self._following, None
        return await self._ask()
