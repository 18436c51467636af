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
        ("http://user:s3cret@host", "neither esdb:// nor .* for example esdb://localhost:2113"),
        ("localhost:2113", "neither esdb:// nor .* for example esdb://localhost:2113"),
        ("esdb://user:s3cret@host?Colour=blue", "COLOUR"),
        ("esdb://user:s3cret@host?Tls=maybe", "maybe"),
        ("esdb://user:s3cret@", "no host; for example esdb://localhost:2113"),
        ("esdb://user:s3cret@[host", "no URI"),
        ("esdb://:s3cret@host", "needs user and password; for a server without TLS add .tls=false"),
        ("esdb://host:2113", "needs user and password; for a server without TLS add .tls=false"),
        ("esdb://host:s3cret?tls=false", "not host:port; for example esdb://localhost:2113"),
        ("esdb://host:65536?tls=false", "not host:port"),
        ("esdb://[::1]?tls=false", "not host:port"),
        ("esdb://user:p@s3cret@host", "percent-encode"),
        ("esdb://user:p@s3/cret#word@host:2113", "percent-encode"),
        ("esdb://user:1/s3cret@host", "percent-encode"),
        ("esdb://user:1?s3cret@host", "percent-encode"),
        ("esdb://user:1?s3cret=s3cret@host", "percent-encode"),
        ("esdb+discover://user:s3cret@a,b", "More than one target"),
        ("esdb://user:s3cret@host?NodePreference=follower", "leader"),
    ],
)
def test_a_bad_address_is_refused_and_not_repeated(uri: str, problem: str) -> None:
    for adapter in (EventStoreDbLog, EventStoreDbFeed):
        with pytest.raises(ValueError, match=problem) as refused:
            adapter(uri, PREFIX, 1.0)
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "esdb://host?tls=false",
        "ESDB://[::1]:2113/?tls=false",
        "esdb://user:pass:word@a,b:1?ConnectionName=a@b",
        "esdb+discover://us%40er:p%2F@host",
    ],
)
def test_a_good_address_is_taken(uri: str) -> None:
    for adapter in (EventStoreDbLog, EventStoreDbFeed):
        adapter(uri, PREFIX, 1.0)


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
