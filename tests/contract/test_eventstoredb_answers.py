"""What each answer of EventStoreDB to an append comes to: it is an acknowledgement, a proof, or it says nothing.

The answers are those of EventStoreDB 24.10's source, Streams.BatchAppend and Status, and some that it does not give.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest
from esdbclient import NewEvent
from esdbclient.exceptions import EventStoreDBClientException
from esdbclient.protos.Grpc import code_pb2, shared_pb2
from esdbclient.protos.Grpc.status_pb2 import Status
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendResp
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, TooLarge
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.errors import NotStored, WrongRevision, outcome_of
from tests.standins import eventstoredb_messages as messages
from tests.standins.eventstoredb import EventStoreDB
from tests.standins.eventstoredb_node import StreamsNode

pytestmark = pytest.mark.anyio

WRONG = shared_pb2.WrongExpectedVersion(current_stream_revision=3, expected_stream_position=2)
MISSING = shared_pb2.WrongExpectedVersion(current_no_stream=empty_pb2.Empty(), expected_stream_position=2)
GARBLED = any_pb2.Any(type_url="type.googleapis.com/event_store.client.WrongExpectedVersion", value=b"\xff")
NO_DETAILS = any_pb2.Any(type_url="type.googleapis.com/google.protobuf.Empty")


@asynccontextmanager
async def a_client() -> AsyncIterator[Client]:
    async with EventStoreDB() as server:
        client = Client(server.uri)
        await client.connect()
        yield client
        await client.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with a_client() as client:
        yield client


async def append(client: Client) -> int:
    return await client.append(uuid4().hex, None, [NewEvent(type="Some", data=b"{}")], 5)


async def outcome(client: Client) -> type[Exception]:
    with pytest.raises(EventStoreDBClientException) as failed:
        await append(client)
    return type(outcome_of(failed.value))


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (code_pb2.ALREADY_EXISTS, WRONG, WrongRevision),
        (code_pb2.ALREADY_EXISTS, MISSING, WrongRevision),
        (code_pb2.NOT_FOUND, shared_pb2.StreamDeleted(), LogUnavailable),
        (code_pb2.PERMISSION_DENIED, shared_pb2.AccessDenied(), LogUnavailable),
        (code_pb2.INVALID_ARGUMENT, shared_pb2.BadRequest(message="no"), LogUnavailable),
        (code_pb2.INVALID_ARGUMENT, shared_pb2.MaximumAppendSizeExceeded(maxAppendSize=9), TooLarge),
        (code_pb2.DEADLINE_EXCEEDED, shared_pb2.Timeout(), OutcomeUnknown),
        (code_pb2.FAILED_PRECONDITION, shared_pb2.InvalidTransaction(), OutcomeUnknown),
        (code_pb2.UNKNOWN, shared_pb2.Unknown(), OutcomeUnknown),
        (code_pb2.OK, NO_DETAILS, NotStored),  # not ready, too busy, no leader known
        (code_pb2.INTERNAL, NO_DETAILS, OutcomeUnknown),
        (code_pb2.ALREADY_EXISTS, shared_pb2.WrongExpectedVersion(), OutcomeUnknown),
        (code_pb2.ALREADY_EXISTS, GARBLED, OutcomeUnknown),
        (code_pb2.ALREADY_EXISTS, shared_pb2.StreamIdentifier(stream_name=b"new"), OutcomeUnknown),
        (code_pb2.ALREADY_EXISTS, None, OutcomeUnknown),
    ],
)
async def test_an_error_proves_what_it_says_and_nothing_more(
    client: Client, monkeypatch: pytest.MonkeyPatch, code: Any, details: Any, expected: type[Exception]
) -> None:
    error = Status(code=code, message="words")
    if isinstance(details, any_pb2.Any):
        error.details.CopyFrom(details)
    elif details is not None:
        error.details.Pack(details)
    monkeypatch.setattr(messages, "answer", lambda *_: BatchAppendResp(error=error))
    assert await outcome(client) is expected


async def test_an_answer_that_says_nothing_is_no_acknowledgement(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "answer", lambda *_: BatchAppendResp())
    assert await outcome(client) is OutcomeUnknown


async def test_a_success_without_a_position_is_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    success = BatchAppendResp.Success(current_revision=0, no_position=empty_pb2.Empty())
    monkeypatch.setattr(messages, "answer", lambda *_: BatchAppendResp(success=success))
    assert await append(client) == 0


@pytest.mark.usefixtures("one_call")
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED])
async def test_a_server_that_takes_no_such_call_refuses_all_appends_for_good(
    monkeypatch: pytest.MonkeyPatch, code: grpc.StatusCode
) -> None:
    async def refused(_: StreamsNode, requests: object, context: Any) -> None:
        for _append in range(5):
            await context.read()
        await context.abort(code, "no such call")

    monkeypatch.setattr(StreamsNode, "BatchAppend", refused)
    async with a_client() as client:
        outcomes = await asyncio.gather(*(outcome(client) for _ in range(5)))
    assert outcomes == [LogUnavailable] * 5


async def test_an_answer_under_an_unreadable_id_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def garbled(_: StreamsNode, requests: object, context: Any) -> None:
        await context.read()
        await context.write(BatchAppendResp(correlation_id=shared_pb2.UUID(string="nobody")))
        await context.read()

    monkeypatch.setattr(StreamsNode, "BatchAppend", garbled)
    async with a_client() as client, asyncio.timeout(2):
        assert [await outcome(client) for _ in range(2)] == [OutcomeUnknown] * 2
