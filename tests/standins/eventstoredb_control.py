"""Commands to a stand-in that runs as a process: one a line on its input, each answered by one line on its output.

queue append lost 3 answer-     the next three appends to streams whose name begins with answer- (times, stream
                                may be left out); calls: append, read, subscribe, gossip
queue subscribe cut@5           the next subscription, after five events
disturb hang                    all running subscriptions, now
storm 0.1 7                     a share of all appends and reads from now on, with a seed
calm                            no more faults
latency 0.002                   seconds from storing an append to answering it
lead 1                          another node is the leader
restart 0.5                     cut all connections, stay away for half a second
wipe                            the same with an empty log
calls                           how many came so far, as JSON
"""

import asyncio
import json
import os
import stat
import sys
from collections.abc import Awaitable, Callable
from threading import Thread
from typing import TYPE_CHECKING, cast, get_args

from tests.standins.eventstoredb_faults import FAULTS, Call, Fault

if TYPE_CHECKING:
    from tests.standins.eventstoredb import EventStoreDB


async def obey(server: "EventStoreDB", line: str) -> str:
    """Do what the line says; the answer begins with "ok" or "error"."""
    try:
        name, *words = line.split()
        return f"ok {await _COMMANDS[name](server, *words)}".rstrip()
    except (KeyError, ValueError, TypeError) as error:
        return f"error {error!r}"


def listen(server: "EventStoreDB", abandoned: Callable[[], None]) -> None:
    """Obey the lines of the standard input; where it is a pipe and ends, whoever started this process is gone."""
    loop = asyncio.get_running_loop()
    is_pipe = stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)

    def run() -> None:
        with os.fdopen(os.dup(sys.stdin.fileno())) as lines:
            for line in lines:
                answer = asyncio.run_coroutine_threadsafe(obey(server, line), loop).result()
                say(answer)
        if is_pipe:
            loop.call_soon_threadsafe(abandoned)

    Thread(target=run, daemon=True).start()


def say(text: str) -> None:
    """One line on the output, at once."""
    os.write(sys.stdout.fileno(), f"{text}\n".encode())


async def _queue(server: "EventStoreDB", call: str, fault: str, times: str = "1", stream: str = "") -> str:
    if call not in get_args(Call):
        raise ValueError(f"{call} is none of {get_args(Call)}")
    server.faults.queue(cast(Call, call), _fault(fault), times=int(times), stream=stream)
    return ""


async def _disturb(server: "EventStoreDB", fault: str) -> str:
    return str(server.disturb(_fault(fault)))


async def _storm(server: "EventStoreDB", share: str, seed: str) -> str:
    server.faults.storm(float(share), seed=int(seed))
    return ""


async def _calm(server: "EventStoreDB") -> str:
    server.faults.calm()
    return ""


async def _latency(server: "EventStoreDB", seconds: str) -> str:
    server.append_latency = float(seconds)
    return ""


async def _lead(server: "EventStoreDB", node: str) -> str:
    server.lead(int(node))
    return ""


async def _restart(server: "EventStoreDB", down: str = "0") -> str:
    await server.restart(down=float(down))
    return ""


async def _wipe(server: "EventStoreDB") -> str:
    await server.restart(wiped=True)
    return ""


async def _calls(server: "EventStoreDB") -> str:
    return json.dumps(server.calls)


def _fault(text: str) -> Fault:
    name, _, after = text.partition("@")
    return FAULTS[name]._replace(after=int(after or 0))


_COMMANDS: dict[str, Callable[..., Awaitable[str]]] = {
    "queue": _queue,
    "disturb": _disturb,
    "storm": _storm,
    "calm": _calm,
    "latency": _latency,
    "lead": _lead,
    "restart": _restart,
    "wipe": _wipe,
    "calls": _calls,
}
