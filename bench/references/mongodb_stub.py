"""A MongoDB that knows one answer for every key, and keeps nothing but the checkpoint: MongoDB's wire protocol without
a database behind it, so that what is measured is the client."""

import asyncio
import struct
import sys
from typing import Any

import uvloop
from bson import decode, encode

_HEAD = struct.Struct("<iiii")
_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_COLLECTION = "qaservice.answers"
_HELLO = {"ismaster": True, "helloOk": True, "maxWireVersion": 21, "minWireVersion": 0, "readOnly": False}
_HELLO |= {"maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000}
_CHECKPOINT = 0

checkpoint: dict[str, Any] = {}


class Connection(asyncio.Protocol):
    """Answers each message when it is there as a whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= _HEAD.size:
            length, id, _, operation = _HEAD.unpack_from(self._data)
            if len(self._data) < length:
                return
            message, self._data = self._data[_HEAD.size : length], self._data[length:]
            self._transport.write(_query(id) if operation == _OP_QUERY else _message(id, message))


def _query(id: int) -> bytes:
    """The first message of a connection is of an older form."""
    body = struct.pack("<iqii", 8, 0, 0, 1) + encode(_HELLO | {"ok": 1})
    return _HEAD.pack(_HEAD.size + len(body), 0, id, _OP_REPLY) + body


def _message(id: int, message: bytes) -> bytes:
    command, documents = _sections(message)
    body = b"\0\0\0\0\0" + encode(_reply(command, documents) | {"ok": 1})
    return _HEAD.pack(_HEAD.size + len(body), 0, id, _OP_MSG) + body


def _sections(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The command, and the documents that stand beside it."""
    command: dict[str, Any] = {}
    documents: list[bytes] = []
    at = 4
    while at < len(message):
        kind, size = message[at], int.from_bytes(message[at + 1 : at + 5], "little")
        section = message[at + 1 : at + 1 + size]
        at += 1 + size
        if kind == 0:
            command = decode(section)
            continue
        inner = section.index(b"\0", 4) + 1
        while inner < len(section):
            length = int.from_bytes(section[inner : inner + 4], "little")
            documents.append(section[inner : inner + length])
            inner += length
    return command, documents


def _reply(command: dict[str, Any], documents: list[bytes]) -> dict[str, Any]:
    match next(iter(command)):
        case "hello" | "ismaster":
            return _HELLO
        case "find":
            return {"cursor": {"id": 0, "ns": _COLLECTION, "firstBatch": _found(command["filter"].get("_id"))}}
        case "update":
            writes = documents or [encode(one) for one in command["updates"]]
            _remember(decode(writes[0]))
            return {"n": len(writes), "nModified": len(writes)}
        case _:
            return {}


def _found(id: Any) -> list[dict[str, Any]]:
    wanted = id.get("$in", ()) if isinstance(id, dict) else [id]
    known = [checkpoint] if _CHECKPOINT in wanted and checkpoint else []
    answers = [key for key in wanted if key != _CHECKPOINT]
    of = {
        "revision": 0,
        "position": 0,
        "build": checkpoint.get("build", 1),
        "value": "a value of some forty characters",
    }
    return known + [{"_id": key, **of} for key in answers]


def _remember(write: dict[str, Any]) -> None:
    if write["q"]["_id"] != _CHECKPOINT:
        return
    change = write["u"]
    if "$set" in change:
        checkpoint.update(change["$set"] | change.get("$max", {}) | change.get("$min", {}))
    else:
        checkpoint.clear()
        checkpoint.update({"_id": _CHECKPOINT} | change)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
