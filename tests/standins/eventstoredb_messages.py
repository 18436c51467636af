"""The answers of the stand-in to writes and gossip, as the client's messages."""

from collections.abc import Sequence
from typing import Any

from esdbclient.protos.Grpc import code_pb2, shared_pb2, status_pb2
from esdbclient.protos.Grpc.gossip_pb2 import ClusterInfo, EndPoint, MemberInfo
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendReq, BatchAppendResp, DeleteReq, TombstoneReq

from tests.standins.eventstoredb_log import Proposed
from tests.standins.eventstoredb_writes import ANY, EXISTS, NO_STREAM, Outcome, StreamDeleted, Written, WrongVersion

_EXPECTED = {"no_stream": NO_STREAM, "any": ANY, "stream_exists": EXISTS}


class BadRequest(Exception):
    """The client sent something that can't be an event."""


def expected_of(options: BatchAppendReq.Options) -> int:
    """The expected version of an append. Raises BadRequest."""
    given = options.WhichOneof("expected_stream_position")
    if given is None:
        raise BadRequest("no expected stream position")
    return options.stream_position if given == "stream_position" else _EXPECTED[given]


def expected_by_delete(options: DeleteReq.Options | TombstoneReq.Options) -> int:
    """The expected version of a delete."""
    given = options.WhichOneof("expected_stream_revision")
    return options.revision if given == "revision" else _EXPECTED[given or "any"]


def proposed_of(message: BatchAppendReq.ProposedMessage) -> Proposed:
    """EventStoreDB v24.10 source: Streams.BatchAppend, FromProposedMessage; Event. Raises BadRequest."""
    id = message.id.string.lower() if message.id.WhichOneof("value") == "string" else _from_halves(message.id)
    metadata = message.metadata
    if not id.strip("0-") or not metadata["type"] or "content-type" not in metadata:
        raise BadRequest("an event needs an id, a type and a content type")
    is_json = metadata["content-type"] == "application/json"
    return Proposed(id, metadata["type"], is_json, message.data, message.custom_metadata)


def answer(outcome: Outcome, stream: bytes, expected: int) -> BatchAppendResp:
    """EventStoreDB v24.10 source: Streams.BatchAppend, ConvertMessage; Status; BatchAppendResp."""
    if isinstance(outcome, Written):
        success = BatchAppendResp.Success()
        if outcome.number >= 0:
            success.current_revision = outcome.number
        else:
            success.no_stream.SetInParent()
        if outcome.position is None:
            success.no_position.SetInParent()
        else:
            success.position.commit_position = success.position.prepare_position = outcome.position
        return BatchAppendResp(success=success)
    if isinstance(outcome, StreamDeleted):
        details = shared_pb2.StreamDeleted(stream_identifier=shared_pb2.StreamIdentifier(stream_name=stream))
        return refusal("StreamDeleted", code_pb2.NOT_FOUND, details)
    return refusal("WrongExpectedVersion", code_pb2.ALREADY_EXISTS, _wrong_version(outcome, expected))


def refusal(text: str, code: "code_pb2.Code.ValueType", details: Any) -> BatchAppendResp:
    """An append that was not done, or not known to be done."""
    status = status_pb2.Status(code=code, message=text)
    status.details.Pack(details)
    return BatchAppendResp(error=status)


def timed_out() -> BatchAppendResp:
    """The server's own time limit for a write has passed."""
    return refusal("Timeout", code_pb2.DEADLINE_EXCEEDED, shared_pb2.Timeout())


def not_ready() -> BatchAppendResp:
    """The server has just started, or knows no leader: the code is 0 and the detail says nothing."""
    answer = BatchAppendResp()
    answer.error.message = "Server Is Not Ready"
    answer.error.details.type_url = "type.googleapis.com/google.protobuf.Empty"
    return answer


def bad_request(text: str) -> BatchAppendResp:
    """The client's fault."""
    return refusal("BadRequest", code_pb2.INVALID_ARGUMENT, shared_pb2.BadRequest(message=text))


def too_large(limit: int) -> BatchAppendResp:
    """The append is larger than `limit` bytes."""
    details = shared_pb2.MaximumAppendSizeExceeded(maxAppendSize=limit)
    return refusal("MaximumAppendSizeExceeded", code_pb2.INVALID_ARGUMENT, details)


def cluster(ports: Sequence[int], leader: int) -> ClusterInfo:
    """The nodes, the leader first. EventStoreDB v24.10 source: Gossip.Read."""
    states = MemberInfo.VNodeState
    members = [
        MemberInfo(
            state=states.Leader if node == leader else states.Follower,
            is_alive=True,
            http_end_point=EndPoint(address="127.0.0.1", port=port),
        )
        for node, port in enumerate(ports)
    ]
    return ClusterInfo(members=sorted(members, key=lambda member: member.state != states.Leader))


def _wrong_version(outcome: WrongVersion, expected: int) -> shared_pb2.WrongExpectedVersion:
    details = shared_pb2.WrongExpectedVersion()
    if outcome.current >= 0:
        details.current_stream_revision = outcome.current
    else:
        details.current_no_stream.SetInParent()
    if expected >= 0:
        details.expected_stream_position = expected
    elif expected == ANY:
        details.expected_any.SetInParent()
    elif expected == EXISTS:
        details.expected_stream_exists.SetInParent()
    else:
        details.expected_no_stream.SetInParent()
    return details


def _from_halves(id: shared_pb2.UUID) -> str:
    halves = id.structured
    mask = 2**64 - 1
    digits = f"{halves.most_significant_bits & mask:016x}{halves.least_significant_bits & mask:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
