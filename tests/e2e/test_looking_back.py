"""Histories, answers as they were, and lists, through the three processes over both pairs of stores."""

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from qaservice.domain.codec import CREATED, DELETED, UPDATED
from tests.e2e.pairs import PAIRS, Trio, started
from tests.e2e.processes import Machine, http

NAMES = ["a", "b/ü", "b🙂", "\U0010ffff", "日本"]
VALUES = ["x", "y", "z"]

Told = dict[str, list[tuple[str, str]]]


@pytest.fixture(params=PAIRS)
def services(request: pytest.FixtureRequest, here: Machine) -> Iterator[Trio]:
    """The three processes, ready."""
    yield from started(request.param, here, request)


def lived(url: str, stem: str, steps: int) -> tuple[Told, str]:
    """What happened to the answers whose keys begin with `stem`, and the token of the last write."""
    told: Told = {stem + name: [] for name in NAMES}
    token = ""
    for _ in range(steps):
        key, value = random.choice(list(told)), random.choice(VALUES)
        if not told[key] or told[key][-1][0] == DELETED:
            type_, reply = CREATED, http.post(f"{url}/answers", json={"key": key, "value": value})
        elif random.random() < 0.3:
            type_, value, reply = DELETED, "", http.delete(f"{url}/answers/{quote(key, safe='')}")
        else:
            type_, reply = UPDATED, http.patch(f"{url}/answers", json={"key": key, "value": value})
        assert reply.json() == {"ok": type_}
        told[key].append((type_, value))
        token = reply.headers["consistency-token"]
    return told, token


def followed(url: str, target: str, **headers: str) -> Iterator[Any]:
    """Every item of every page, as the links lead."""
    while target:
        reply = http.get(url + target, headers=headers)
        assert reply.status_code == 200, reply.text
        yield from reply.json()
        target = reply.links.get("next", {}).get("url", "")


def test_the_past_is_what_happened_and_the_list_what_came_of_it(services: Trio) -> None:
    stem = f"{uuid4()}-"
    told, token = lived(services.writes, stem, 120)

    for key, events in told.items():
        path = f"/answers/{quote(key, safe='')}"
        history = list(followed(services.writes, f"{path}/history?limit=3&include=meta")) if events else []
        assert [(one["type"], one["data"]["value"]) for one in history] == events
        backwards = followed(services.writes, f"{path}/history?limit=4&order=desc&include=meta") if events else []
        assert list(backwards) == history[::-1]
        for revision, (type_, value) in enumerate(events):
            as_it_was = (404, None) if type_ == DELETED else (200, value)
            reply = http.get(f"{services.writes}{path}?revision={revision}")
            assert (reply.status_code, reply.json().get("value")) == as_it_was
            time = history[revision]["meta"]["time"]
            if all(later["meta"]["time"] > time for later in history[revision + 1 :]):
                reply = http.get(f"{services.writes}{path}?at={time}")
                assert (reply.status_code, reply.json().get("value")) == as_it_was
    present = {key: events[-1][1] for key, events in told.items() if events and events[-1][0] != DELETED}
    listed = followed(services.reads, f"/answers?prefix={stem}&limit=2", **{"Consistency-Token": token})
    assert [(one["key"], one["value"]) for one in listed] == sorted(present.items(), key=lambda one: one[0].encode())
