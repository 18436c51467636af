"""The client's exceptions become ours: for appends in `outcome_of`, for everything else LogUnavailable.

An append that failed came to one of four things: it is not stored and never will be, it is not stored now, it can't be
stored at all, or nobody knows. A wrong guess here is a lost or a doubled event, so what is not listed is unknown.
"""

import grpc
from esdbclient.exceptions import (
    AccessDeniedError,
    BadRequestError,
    DiscoveryFailed,
    EventStoreDBClientException,
    MaximumAppendSizeExceededError,
    NodeIsNotLeader,
    ServiceUnavailable,
    SSLError,
    StreamIsDeleted,
    WrongCurrentVersion,
)
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, TooLarge

# gRPC's words for a call that never left this process, or that the server refused before it did anything (RFC 9113
# section 8.7, REFUSED_STREAM).
_NOTHING_DONE = (
    "failed to connect to all addresses",
    "DNS resolution failed",
    "Channel is closed",
    "RST_STREAM with error code 7",
)
# Of the call as a whole. UNIMPLEMENTED: the server has no such call, as those before 21.6 have no BatchAppend.
_REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)


class WrongRevision(Exception):
    """The stream's last event has another number than expected. The append is not stored and never will be."""


class NotStored(LogUnavailable):
    """The append is not stored, by a passing trouble: the same call may succeed."""


class NotSent(EventStoreDBClientException):
    """The append never left this process."""


class StreamBroke(ServiceUnavailable):
    """The server went away, or leads no more, with several appends under way on one stream: each of them may be stored,
    whatever the words say of one."""

    def __init__(self, words: str, leader_grpc_target: str | None = None) -> None:
        super().__init__(words)
        self.leader_grpc_target = leader_grpc_target


def outcome_of(error: EventStoreDBClientException) -> Exception:
    """What a failed append came to."""
    words = in_words(error)
    if isinstance(error, WrongCurrentVersion):
        return WrongRevision(words)
    if isinstance(error, MaximumAppendSizeExceededError):
        return TooLarge(f"value is larger than the event store takes: {words}")
    if isinstance(error, StreamIsDeleted | BadRequestError) or is_refused(error):
        return LogUnavailable(words)
    if isinstance(error, NodeIsNotLeader | DiscoveryFailed | SSLError | NotSent) or _is_not_ready(error):
        return NotStored(words)
    # What gRPC says of a call that several appends shared is not said of each.
    has_own_words = isinstance(error, ServiceUnavailable) and not isinstance(error, StreamBroke)
    if has_own_words and any(text in words for text in _NOTHING_DONE):
        return NotStored(words)
    return OutcomeUnknown(words)


def is_refused(error: EventStoreDBClientException) -> bool:
    """Whether the server refuses the call for good, to this user or to everybody: in its own words, or by gRPC's
    status."""
    cause = error.args[0] if error.args else None
    is_status = isinstance(cause, grpc.aio.AioRpcError) and cause.code() in _REFUSALS
    return is_status or isinstance(error, AccessDeniedError)


def _is_not_ready(error: EventStoreDBClientException) -> bool:
    """Whether the server refused an append since it starts, is busy, or knows no leader: its answer has no details."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, any_pb2.Any) and cause.Is(empty_pb2.Empty.DESCRIPTOR)


def is_invalid_position(error: EventStoreDBClientException) -> bool:
    """Whether no event begins where a read or a subscription was to begin: EventStoreDB 24.10 source, RpcExceptions,
    with a status of its own for subscriptions, as an unexpected result for reads."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, grpc.aio.AioRpcError):
        return False
    return cause.code() is grpc.StatusCode.INVALID_ARGUMENT or "InvalidPosition" in (cause.details() or "")


def in_words(error: EventStoreDBClientException) -> str:
    """One line for a person."""
    cause = error.args[0] if error.args else ""
    if isinstance(cause, grpc.aio.AioRpcError):
        return f"EventStoreDB: {type(error).__name__}: {cause.code().name} {cause.details()}"
    return f"EventStoreDB: {type(error).__name__}: {cause}".removesuffix(": ").replace("\n", " ")
