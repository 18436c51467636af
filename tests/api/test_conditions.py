"""The headers that a program uses, on both services."""

import asyncio
from uuid import uuid4

import pytest

from qaservice.domain.readmodel import Document, Snapshot
from qaservice.domain.tokens import Token
from services.stores import Together
from tests.api.conftest import Api, build
from tests.given import a_key, created, deleted, history_of, updated

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        ('"1"', 200, None),
        ('"0", "1"', 200, None),
        ("*", 200, None),
        ('"0"', 412, "Revision does not match"),
        ('"2"', 412, "Revision does not match"),
        ('W/"1"', 412, "Revision does not match"),
        ('"abc"', 412, "Revision does not match"),
        ("1", 400, "Input not valid: If-Match is not a list of entity tags"),
        ("", 400, "Input not valid: If-Match is empty"),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_command_with_if_match_is_done_at_that_revision_alone(
    together: Together, writes: Api, method: str, header: str, status: int, error: str | None
) -> None:
    key = a_key()
    await created(together.log, key)
    await updated(together.log, key)
    reply = await writes(method, f"/answers/{key}", b'{"value":"x"}', if_match=header)
    assert (reply.status_code, reply.json().get("error")) == (status, error)
    assert reply.headers.get("etag") == {200: '"2"', 412: '"1"', 400: None}[status]
    assert len(await history_of(together.log, key)) == (3 if status == 200 else 2)


@pytest.mark.parametrize("header", ["*", '"0"', '"1"'])
async def test_no_revision_of_a_deleted_answer_matches(together: Together, writes: Api, header: str) -> None:
    key = a_key()
    await created(together.log, key)
    await deleted(together.log, key)
    assert (await writes("PATCH", f"/answers/{key}", b'{"value":"x"}', if_match=header)).status_code == 404
    assert (await writes("DELETE", f"/answers/{key}", if_match=header)).status_code == 404


async def test_creating_what_must_not_exist_is_a_failed_precondition(together: Together, writes: Api) -> None:
    key = a_key()
    body = f'{{"key":"{key}","value":"x"}}'.encode()
    assert (await writes("POST", "/answers", body, if_none_match="*")).status_code == 201
    reply = await writes("POST", "/answers", body, if_none_match="*")
    assert (reply.status_code, reply.json(), reply.headers["etag"]) == (412, {"error": "Key exists"}, '"0"')
    assert (await writes("POST", "/answers", body, if_none_match='"0"')).status_code == 409
    assert (await writes("POST", "/answers", body, if_none_match="0")).status_code == 400


@pytest.mark.parametrize(
    ("header", "status"), [('"0"', 304), ('W/"0"', 304), ('"7", "0"', 304), ("*", 304), ('"1"', 200), ("0", 400)]
)
async def test_a_read_tells_only_what_the_client_does_not_know(
    together: Together, writes: Api, reads: Api, header: str, status: int
) -> None:
    key = a_key()
    await created(together.log, key)
    await build(together, Document(key, "john", 0, 7))
    for service in (writes, reads):
        reply = await service("GET", f"/answers/{key}", if_none_match=header)
        assert (reply.status_code, reply.headers.get("etag")) == (status, None if status == 400 else '"0"')
        assert status != 304 or (reply.content == b"" and "content-length" not in reply.headers)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_repeated_command_gets_the_first_reply_byte_for_byte(
    together: Together, writes: Api, method: str
) -> None:
    key = a_key()
    if method != "POST":
        await created(together.log, key)
    target = "/answers" if method == "POST" else f"/answers/{key}"
    body = f'{{"key":"{key}","value":"x"}}'.encode()
    first = await writes(method, target, body, idempotency_key='"abc"', x_request_id="r")
    second = await writes(method, target, body, idempotency_key="abc", x_request_id="r")
    assert second.headers.pop("idempotency-replayed") == "true"
    assert (first.status_code, first.content, first.headers) == (second.status_code, second.content, second.headers)
    assert "consistency-token" in first.headers


@pytest.mark.parametrize("header", ["", '""', "x" * 256, " "])
async def test_an_idempotency_key_has_1_to_255_characters(writes: Api, header: str) -> None:
    body = f'{{"key":"{a_key()}","value":"x"}}'.encode()
    assert (await writes("POST", "/answers", body, idempotency_key=header)).status_code == 400
    assert (await writes("POST", "/answers", body, idempotency_key="x" * 255)).status_code == 201


async def test_an_idempotency_key_with_another_value_is_refused(writes: Api) -> None:
    key = a_key()
    await writes("POST", "/answers", f'{{"key":"{key}","value":"x"}}'.encode(), idempotency_key="abc")
    reply = await writes("POST", "/answers", f'{{"key":"{key}","value":"y"}}'.encode(), idempotency_key="abc")
    assert (reply.status_code, reply.json()) == (422, {"error": "Idempotency-Key was used with another value"})


@pytest.mark.parametrize("header", ["*", '"0"', '"7"'])
async def test_who_waits_until_an_answer_exists_gets_it(
    together: Together, reads: Api, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    get = together.answers.get

    async def observed(key: str) -> Snapshot:
        looked.set()
        return await get(key)

    await build(together)
    key = a_key()
    monkeypatch.setattr(together.answers, "get", observed)
    waiting = asyncio.create_task(reads("GET", f"/answers/{key}", if_none_match=header, prefer="wait=10"))
    async with asyncio.timeout(5):
        await looked.wait()
    await build(together, Document(key, "john", 0, 7))
    reply = await waiting
    assert (reply.status_code, reply.content) == (200, f'{{"key":"{key}","value":"john"}}'.encode())
    assert (await reads("GET", f"/answers/{key}", if_none_match="*", prefer="wait=0")).status_code == 304


async def test_every_reply_about_an_answer_has_a_token(together: Together, reads: Api) -> None:
    key = a_key()
    await build(together, Document(key, "john", 0, 7))
    token = str(Token(await together.feed.store_id(), 7))
    assert (await reads("GET", f"/answers/{key}")).headers["consistency-token"] == token
    assert (await reads("GET", f"/answers/{key}", if_none_match="*")).headers["consistency-token"] == token
    assert (await reads("GET", f"/answers/{a_key()}")).headers["consistency-token"] == token


@pytest.mark.parametrize("token", ["", "zzz", "AAAA", "é", str(Token(uuid4(), 1))])
async def test_a_token_that_is_none_or_of_another_store_is_refused_at_once(
    together: Together, reads: Api, token: str
) -> None:
    await build(together, Document("name", "john", 0, 7))
    assert (await reads("GET", "/answers/name", consistency_token=token.encode())).status_code == 400


async def test_a_read_that_cannot_be_new_enough_is_a_503_or_says_that_it_is_stale(
    together: Together, reads: Api
) -> None:
    key = a_key()
    await build(together, Document(key, "john", 0, 7))
    token = str(Token(await together.feed.store_id(), 8))
    reply = await reads("GET", f"/answers/{key}", consistency_token=token, prefer="wait=0")
    assert (reply.status_code, reply.json()) == (503, {"error": "Read model is behind"})
    lenient = await reads("GET", f"/answers/{key}?consistency_token={token}", prefer="wait=0, handling=lenient")
    assert (lenient.status_code, lenient.headers["stale"]) == (200, "true")
    missing = await reads("GET", f"/answers/{a_key()}", consistency_token=token, prefer="wait=0, handling=lenient")
    assert (missing.status_code, missing.headers["stale"]) == (404, "true")


@pytest.mark.parametrize(
    "accept",
    ["application/problem+json", "text/html, Application/Problem+JSON;q=0.5", "application/problem+json;q=0.01"],
)
async def test_who_accepts_problem_details_gets_them(writes: Api, accept: str) -> None:
    key = a_key()
    reply = await writes("GET", f"/answers/{key}", accept=accept)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.content == (
        b'{"type":"about:blank","title":"Not Found","status":404,"detail":"Key not found","error":"Key not found"}'
    )


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/*",
        "application/problem+json;q=0",
        "text/html, application/problem+json; charset=utf-8 ; Q=0.000",
    ],
)
async def test_who_does_not_want_problem_details_gets_none(writes: Api, accept: str) -> None:
    reply = await writes("GET", f"/answers/{a_key()}", accept=accept)
    assert reply.headers["content-type"] == "application/json"
    assert reply.content == b'{"error":"Key not found"}'


async def test_a_read_from_the_log_itself_only_checks_a_token(together: Together, one_port: Api) -> None:
    key = a_key()
    await created(together.log, key)
    ahead = str(Token(await together.log.store_id(), 10**6))
    assert (await one_port("GET", f"/answers/{key}", consistency_token=ahead)).status_code == 200
    foreign = str(Token(uuid4(), 0))
    assert (await one_port("GET", f"/answers/{key}", consistency_token=foreign)).status_code == 400
    assert (await one_port("GET", f"/answers/{key}?consistency_token=zzz")).status_code == 400
