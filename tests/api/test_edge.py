"""What happens to every request: its id, its line in the log, and what becomes of an error nobody expected."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import Message

from qaservice.domain.answers import AnswerUpdated
from qaservice.domain.tokens import Token
from services.stores import Together
from tests.api.conftest import Api, build, event_store_service, in_memory, monolith_on_one_port, projection_service
from tests.given import a_key, appended, created, updated

pytestmark = pytest.mark.anyio

JOHN = b'{"key":"name","value":"john"}'
LOG_UNAVAILABLE, MODEL_UNAVAILABLE = {"error": "Event store unavailable"}, {"error": "Read model unavailable"}


@pytest.mark.parametrize("id", ["7", "a-b_c.d:e/f=", "x" * 128, "!\"#$%&'()*+,~"])
async def test_a_request_id_is_echoed_and_stands_in_the_log_line(writes: Api, id: str) -> None:
    answer = await writes("GET", "/answers/nothing", x_request_id=id)

    assert answer.headers.get_list("x-request-id") == [id]
    assert writes.lines[-1]["request_id"] == id


@pytest.mark.parametrize("id", ["", "x" * 129, "a b", "tab\there", "line\nend", b"\xff", "é", "\x7f", "\x00"])
async def test_a_request_id_that_is_not_printable_or_too_long_is_made_anew(writes: Api, id: str | bytes) -> None:
    answer = await writes("GET", "/answers/nothing", x_request_id=id)

    (made,) = answer.headers.get_list("x-request-id")
    assert len(made) == 16
    assert made.isascii()
    assert made.isalnum()
    assert writes.lines[-1]["request_id"] == made


async def test_every_reply_has_an_id_of_its_own(writes: Api) -> None:
    asked = [("GET", "/ping"), ("GET", "/none"), ("PUT", "/answers"), ("POST", "/answers"), ("GET", "/answers/%zz")]

    ids = {(await writes(*each)).headers["x-request-id"] for each in asked}

    assert len(ids) == len(asked)


async def test_a_request_is_one_line(together: Together, writes: Api) -> None:
    key = a_key()
    await created(together.log, key)
    before = len(writes.lines)

    await writes("HEAD", f"/answers/{key}/history")
    await writes("POST", "/answers", b"{}")

    history, post = writes.lines[before:]
    assert {name: history[name] for name in ("method", "route", "status")} == {
        "method": "HEAD",
        "route": "/answers/{key}/history",
        "status": 200,
    }
    assert history["ms"] >= 0
    assert (post["status"], post["error"]) == (400, "InputNotValid: key is missing")


async def test_what_nobody_expected_is_told_in_the_log_alone(together: Together, monkeypatch: Any) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    writes = event_store_service(together)
    monkeypatch.setattr(together.log, "last", broken)

    answer = await writes("GET", "/answers/name", x_request_id="the-one")

    (line,) = writes.lines
    assert (answer.status_code, answer.content) == (500, b'{"error":"Internal server error"}')
    assert (answer.headers["content-type"], answer.headers["x-request-id"]) == ("application/json", "the-one")
    assert (line["request_id"], line["status"], line["error"]) == ("the-one", 500, "RuntimeError('a secret of ours')")
    assert line["traceback"].startswith("Traceback")
    json.dumps(line)


async def test_an_answer_that_can_not_be_read_is_neither_not_found_nor_overwritten(
    writes: Api, together: Together
) -> None:
    key = a_key()
    await created(together.log, key)
    await appended(together.log, key, lambda _: AnswerUpdated(key, ""))  # nothing that this program would store

    answers = [
        await writes("GET", f"/answers/{key}"),
        await writes("PATCH", f"/answers/{key}", b'{"value":"jane"}'),
        await writes("DELETE", f"/answers/{key}"),
    ]

    assert {(each.status_code, each.content) for each in answers} == {(500, b'{"error":"Internal server error"}')}
    assert "UndecodableEvent" in writes.lines[-1]["error"]
    assert "traceback" not in writes.lines[-1]


ASKED_OF_THE_LOG = [
    ("POST", "/answers", JOHN),
    ("PATCH", "/answers", JOHN),
    ("PATCH", "/answers/name", JOHN),
    ("DELETE", "/answers/name", b""),
    ("GET", "/answers/name", b""),
    ("GET", "/answers/name/history", b""),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED_OF_THE_LOG)
async def test_a_log_that_can_not_be_read_is_never_not_found(method: str, path: str, body: bytes) -> None:
    async with in_memory() as together:
        writes = event_store_service(together)
    # closed: every call of it fails

    answer = await writes(method, path, body)

    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, LOG_UNAVAILABLE, "1")
    assert writes.lines[0]["error"].startswith("LogUnavailable: ")


async def test_a_read_model_that_can_not_be_read_is_never_not_found() -> None:
    async with in_memory() as together:
        reads = projection_service(together)

    answer = await reads("GET", "/answers/name")

    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, MODEL_UNAVAILABLE, "1")


@pytest.mark.parametrize("path", ["/answers/name", "/answers"])
@pytest.mark.parametrize("prefer", ["", "wait=60", "handling=lenient"])
@pytest.mark.parametrize("carries_a_token", [False, True])
async def test_before_the_first_build_the_read_model_is_unavailable(
    path: str, prefer: str, carries_a_token: bool
) -> None:
    async with in_memory() as together:
        token = {"consistency_token": str(Token(await together.log.store_id(), 1))} if carries_a_token else {}
        answer = await projection_service(together)("GET", path, prefer=prefer, **token)

    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, MODEL_UNAVAILABLE, "1")


async def test_while_it_is_built_the_read_model_is_behind() -> None:
    async with in_memory() as together:
        await build(together, complete=False)

        answer = await projection_service(together)("GET", "/answers/name")

    assert (answer.status_code, answer.json()) == (503, {"error": "Read model is behind"})
    assert answer.headers["retry-after"] == "1"


async def test_input_that_is_not_valid_is_told_before_the_store_is_asked() -> None:
    async with in_memory() as together:
        one_port = monolith_on_one_port(together)

    asked = [("POST", "/answers", b"{}"), ("GET", "/answers/%zz", b""), ("GET", "/nowhere", b"")]

    assert [(await one_port(*each)).status_code for each in asked] == [400, 400, 404]


async def test_a_history_that_fails_half_way_breaks_off() -> None:
    sent: list[Message] = []
    async with in_memory() as together:
        writes = event_store_service(together)
        await created(together.log, "name")
        for _ in range(1000):
            await updated(together.log, "name")

        async def send(message: Message) -> None:
            sent.append(message)
            if message.get("body"):
                await together.log.close()

        await writes.app(scope_of("/answers/name/history"), never, send)

    assert [message.get("more_body") for message in sent] == [None, True]
    assert writes.lines[-1]["error"].startswith("LogUnavailable: ")


async def test_a_client_that_leaves_ends_its_history(together: Together, writes: Api) -> None:
    key = a_key()
    await created(together.log, key)
    for _ in range(2000):
        await updated(together.log, key)
    left = asyncio.Event()
    pages: list[Message] = []

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pages.append(message)
        left.set()

    before = asyncio.all_tasks()
    await writes.app(scope_of(f"/answers/{key}/history"), receive, send)

    assert len(pages) < 6
    assert asyncio.all_tasks() == before


async def test_a_client_that_leaves_while_it_sends_has_stored_nothing(together: Together, writes: Api) -> None:
    end = await together.feed.end()
    messages: list[Message] = [
        {"type": "http.request", "body": JOHN, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(f"nobody is there to hear {message}")

    await writes.app(scope_of("/answers", "POST"), receive, send)

    assert await together.feed.end() == end
    assert writes.lines[-1]["status"] == 499


def scope_of(path: str, method: str = "GET") -> MutableMapping[str, Any]:
    """A request as the server hands it over."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "headers": [(b"x-request-id", uuid4().hex.encode())],
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
    }


async def never() -> Message:
    """A client that stays and sends nothing more."""
    await asyncio.Event().wait()
    raise AssertionError
