"""What is checked and done with the address of EventStoreDB, its user and password, and the prefix of the streams."""

import base64
from typing import Any

import grpc
import pytest

from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog

PREFIX = "qa-test."


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("http://user:s3cret@host", "scheme"),
        ("esdb://user:s3cret@host?Colour=blue", "COLOUR"),
        ("esdb://user:s3cret@host?Tls=maybe", "maybe"),
        ("esdb://user:s3cret@", "targets"),
        ("esdb://user:s3cret@[host", "Invalid"),
        ("esdb://:s3cret@host", "Username"),
        ("esdb://user:s3cret@host?NodePreference=follower", "leader"),
    ],
)
def test_a_bad_address_is_refused_and_not_repeated(uri: str, problem: str) -> None:
    for adapter in (EventStoreDbLog, EventStoreDbFeed):
        with pytest.raises(ValueError, match=problem) as refused:
            adapter(uri, PREFIX, 1.0)
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "$answer-", "qaservice.", "qaservice.store-", "qaservice.store-x"])
def test_a_prefix_that_would_mix_our_streams_with_others_is_refused(prefix: str) -> None:
    for adapter in (EventStoreDbLog, EventStoreDbFeed):
        with pytest.raises(ValueError, match="begin with"):
            adapter("esdb://host?Tls=False", prefix, 1.0)


def test_user_and_password_are_sent_without_their_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(
        grpc, "metadata_call_credentials", lambda plugin: plugin(None, lambda *given: sent.append(given))
    )
    Client("esdb://us%40er:p%3Ass%2Fw%C3%B6rd@host")
    ((((_, value),), _),) = sent
    assert base64.b64decode(value.removeprefix(b"Basic ")).decode() == "us@er:p:ss/wörd"
