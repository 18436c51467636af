"""A stand-in for an EventStoreDB server: the client's own gRPC services over its documented rules, faults on demand.

In a test:

    async with EventStoreDB() as server:
        client = AsyncEventStoreDBClient(server.uri)

As a process, which prints its ports on the first line and then obeys eventstoredb_control's commands on its input:

    python -m tests.standins.eventstoredb --port 0 --log FILE
"""

import argparse
import asyncio
import signal
from collections import Counter
from pathlib import Path

import grpc.aio
from esdbclient.protos.Grpc.gossip_pb2_grpc import add_GossipServicer_to_server
from esdbclient.protos.Grpc.streams_pb2_grpc import add_StreamsServicer_to_server

from tests.standins.eventstoredb_appends import Database
from tests.standins.eventstoredb_control import listen, say
from tests.standins.eventstoredb_faults import Fault, Faults
from tests.standins.eventstoredb_log import Log, Record
from tests.standins.eventstoredb_node import GossipNode, StreamsNode
from tests.standins.eventstoredb_writes import Writes

_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # Kestrel's default: more calls of one connection wait in the client.
    ("grpc.max_concurrent_streams", 100),
    # EventStoreDB documentation, "Networking: gRPC keep-alive": the server pings every 10 s; Kestrel takes any ping.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 1),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)


class EventStoreDB:
    """A server, or several nodes of one over the same log.

    `log` None: in memory, kept over restarts. `append_latency`: seconds from storing to answering.
    """

    def __init__(self, log: Path | None = None, *, port: int = 0, nodes: int = 1, append_latency: float = 0.0) -> None:
        self._database = Database(Log(log), append_latency, ports=[port] + [0] * (nodes - 1))
        self._servers: dict[int, tuple[grpc.aio.Server, StreamsNode]] = {}

    async def __aenter__(self) -> "EventStoreDB":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._database.log.close()

    @property
    def uri(self) -> str:
        """For the client; with several nodes it makes the client ask who leads."""
        return f"esdb://{','.join(f'127.0.0.1:{port}' for port in self.ports)}?Tls=False"

    @property
    def ports(self) -> list[int]:
        """Where the nodes listen; known from the first start on."""
        return self._database.ports

    @property
    def faults(self) -> Faults:
        """What goes wrong next."""
        return self._database.faults

    @property
    def calls(self) -> Counter[str]:
        """How many came so far: "append", "read", "subscribe", "delete", "gossip"."""
        return self._database.calls

    @property
    def records(self) -> list[Record]:
        """What the log holds, in the order of positions."""
        return self._database.log.records

    @property
    def writes(self) -> Writes:
        """What a client's writes come to, for a test that has to write where nothing can be awaited."""
        return self._database.writes

    @property
    def append_latency(self) -> float:
        """Seconds from storing an append to answering it."""
        return self._database.append_latency

    @append_latency.setter
    def append_latency(self, seconds: float) -> None:
        self._database.append_latency = seconds

    async def start(self, *nodes: int) -> None:
        """Start listening, on the same ports as before; all nodes, or those that are named by number."""
        for node in nodes or range(len(self.ports)):
            server, streams = grpc.aio.server(options=_OPTIONS), StreamsNode(self._database, node)
            add_StreamsServicer_to_server(streams, server)  # type: ignore[no-untyped-call]
            add_GossipServicer_to_server(GossipNode(self._database), server)  # type: ignore[no-untyped-call]
            self.ports[node] = server.add_insecure_port(f"127.0.0.1:{self.ports[node]}")
            await server.start()
            self._servers[node] = server, streams

    async def stop(self, *nodes: int) -> None:
        """Stop listening and cut all connections; all nodes, or those that are named by number."""
        for node in nodes or tuple(self._servers):
            server, streams = self._servers.pop(node)
            await server.stop(None)
            await streams.end()

    async def restart(self, *, down: float = 0.0, wiped: bool = False) -> None:
        """Stop, stay away for `down` seconds, start again with what the log's file holds, or with an empty log."""
        await self.stop()
        await asyncio.sleep(down)
        log = self._database.log
        log.wipe() if wiped else log.load()
        self._database.writes = Writes(log)
        await self.start()

    def lead(self, node: int) -> None:
        """Make another node the leader."""
        self._database.leader = node

    def disturb(self, fault: Fault | str) -> int:
        """Let all running subscriptions drop ("cut", "error"), end ("end") or freeze ("hang") now. Says how many."""
        count = self.faults.disturb(fault)
        self._database.log.ring()
        return count


async def _serve(arguments: argparse.Namespace) -> None:
    server = EventStoreDB(
        arguments.log, port=arguments.port, nodes=arguments.nodes, append_latency=arguments.append_latency
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        say(" ".join(map(str, server.ports)))
        listen(server, stopped.set)
        await stopped.wait()


def main() -> None:
    """Run as a process until SIGTERM, or until the pipe that is its input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins.eventstoredb", description=__doc__)
    parser.add_argument("--port", type=int, default=2113, help="of the first node; 0: a free one")
    parser.add_argument("--log", type=Path, help="the file that keeps the events; without one, memory")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--append-latency", type=float, default=0.0, help="seconds")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
