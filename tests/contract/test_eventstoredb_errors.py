"""Every exception of the EventStoreDB client has an outcome; what is not known for sure is unknown."""

import grpc
import pytest
from esdbclient import exceptions
from esdbclient.exceptions import EventStoreDBClientException, GrpcError, ServiceUnavailable
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, TooLarge
from qaservice.stores.eventstoredb.errors import NotStored, StreamBroke, WrongRevision, outcome_of

SURE: dict[str, type[Exception]] = {
    "WrongCurrentVersion": WrongRevision,
    "StreamIsDeleted": LogUnavailable,
    "BadRequestError": LogUnavailable,
    "AccessDeniedError": LogUnavailable,
    "MaximumAppendSizeExceededError": TooLarge,
    "NodeIsNotLeader": NotStored,
    "SSLError": NotStored,
    "DiscoveryFailed": NotStored,
    "LeaderNotFound": NotStored,
    "FollowerNotFound": NotStored,
    "ReadOnlyReplicaNotFound": NotStored,
}
CLASSES = [
    thing
    for thing in vars(exceptions).values()
    if isinstance(thing, type) and issubclass(thing, EventStoreDBClientException)
]


def status(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="details")


@pytest.mark.parametrize("exception", CLASSES)
def test_what_is_not_known_for_sure_is_unknown(exception: type[EventStoreDBClientException]) -> None:
    assert type(outcome_of(exception("text"))) is SURE.get(exception.__name__, OutcomeUnknown)


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_a_status_says_nothing_but_that_the_server_does_no_such_thing(code: grpc.StatusCode) -> None:
    refusals = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)
    assert type(outcome_of(GrpcError(status(code)))) is (LogUnavailable if code in refusals else OutcomeUnknown)


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ("failed to connect to all addresses; last error: UNKNOWN: Connection refused", NotStored),
        ("DNS resolution failed for eventstore:2113", NotStored),
        ("Received RST_STREAM with error code 7", NotStored),
        ("Received RST_STREAM with error code 2", OutcomeUnknown),
        ("Socket closed", OutcomeUnknown),
        ("keepalive watchdog timeout", OutcomeUnknown),
    ],
)
def test_a_connection_that_was_lost_may_have_carried_the_append(details: str, outcome: type[Exception]) -> None:
    assert type(outcome_of(ServiceUnavailable(details))) is outcome
    assert type(outcome_of(StreamBroke(details))) is OutcomeUnknown  # it carried others too


def test_an_answer_without_details_is_a_server_that_is_not_ready() -> None:
    nothing, something = any_pb2.Any(), any_pb2.Any()
    nothing.Pack(empty_pb2.Empty())
    something.Pack(any_pb2.Any())
    assert type(outcome_of(EventStoreDBClientException(nothing))) is NotStored
    assert type(outcome_of(EventStoreDBClientException(something))) is OutcomeUnknown
