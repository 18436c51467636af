"""What other processes do to a log in a file: `python -m tests.contract.sqlite_child write|follow FILE`."""

import asyncio
import sys
import time
from pathlib import Path

from qaservice.domain.answers import create, update
from qaservice.domain.recorded import START
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from tests.given import a_key, appended, created

SECONDS = 1.5
SHARED = "shared"


async def write(path: Path) -> tuple[int, float]:
    """Append as fast as it goes, new keys and one that others write too. How many, and the longest wait of one."""
    log = SqliteLog(path, timeout=5)
    waits: list[float] = []
    until = time.monotonic() + SECONDS

    async def client(number: int) -> None:
        while (began := time.monotonic()) < until:
            if number % 4:
                await created(log, a_key())
            else:
                await appended(
                    log,
                    SHARED,
                    lambda recent: (update if recent.answer else create)(recent.answer, SHARED, str(number)),
                )
            waits.append(time.monotonic() - began)

    await asyncio.gather(*(client(number) for number in range(32)))
    await log.close()
    return len(waits), max(waits)


async def follow(path: Path) -> None:
    """Print the moment at which each event arrives."""
    feed = SqliteFeed.of_file(path)
    async for batch in feed.follow(START):
        for _ in batch.events:
            print(time.monotonic(), flush=True)  # noqa: T201  for the test that started this one


if __name__ == "__main__":
    _, task, file = sys.argv
    if task == "write":
        print(*asyncio.run(write(Path(file))))  # noqa: T201  for the test that started this one
    else:
        asyncio.run(follow(Path(file)))
