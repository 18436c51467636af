"""What each request answers and what it stores: the contract as a table."""

from collections.abc import Sequence

import pytest

from qaservice.domain.codec import type_of, value_of
from qaservice.domain.readmodel import Document
from services.stores import Together
from tests.api.conftest import Api, build
from tests.given import a_key, created, deleted, history_of, updated

pytestmark = pytest.mark.anyio

CREATED, UPDATED, DELETED = "AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"
CREATED_ANEW = [CREATED, DELETED, CREATED]
NAME_JOHN, NAME_JANE, JANE = b'{"key":"name","value":"john"}', b'{"key":"name","value":"jane"}', b'{"value":"jane"}'
EXISTS, NOT_FOUND = b'{"error":"Key exists"}', b'{"error":"Key not found"}'

MAKE = {"create": created, "update": updated, "delete": deleted}

# What happened before; the request; status, body and headers of the reply; the events that are stored afterwards.
COMMANDS = [
    ([], "POST /answers", NAME_JOHN, 201, b'{"ok":"AnswerCreatedEvent"}', '"0"', [CREATED]),
    (["create"], "POST /answers", NAME_JOHN, 409, EXISTS, '"0"', [CREATED]),
    (["create", "update"], "POST /answers", NAME_JOHN, 409, EXISTS, '"1"', [CREATED, UPDATED]),
    (
        ["create", "delete"],
        "POST /answers",
        NAME_JOHN,
        201,
        b'{"ok":"AnswerCreatedEvent"}',
        '"2"',
        [CREATED, DELETED, CREATED],
    ),
    ([], "PATCH /answers", NAME_JANE, 404, NOT_FOUND, None, []),
    (["create"], "PATCH /answers", NAME_JANE, 200, b'{"ok":"AnswerUpdatedEvent"}', '"1"', [CREATED, UPDATED]),
    (["create"], "PATCH /answers", NAME_JOHN, 200, b'{"ok":"AnswerUpdatedEvent"}', '"1"', [CREATED, UPDATED]),
    (["create", "delete"], "PATCH /answers", NAME_JANE, 404, NOT_FOUND, None, [CREATED, DELETED]),
    ([], "PATCH /answers/name", JANE, 404, NOT_FOUND, None, []),
    (["create"], "PATCH /answers/name", JANE, 200, b'{"ok":"AnswerUpdatedEvent"}', '"1"', [CREATED, UPDATED]),
    (["create"], "PATCH /answers/name", NAME_JANE, 200, b'{"ok":"AnswerUpdatedEvent"}', '"1"', [CREATED, UPDATED]),
    ([], "DELETE /answers/name", b"", 404, NOT_FOUND, None, []),
    (["create"], "DELETE /answers/name", b"", 200, b'{"ok":"AnswerDeletedEvent"}', '"1"', [CREATED, DELETED]),
    (["create"], "DELETE /answers/name", b"[[[\xff", 200, b'{"ok":"AnswerDeletedEvent"}', '"1"', [CREATED, DELETED]),
    (["create", "delete"], "DELETE /answers/name", b"", 404, NOT_FOUND, None, [CREATED, DELETED]),
]


@pytest.mark.parametrize(("before", "request_line", "body", "status", "reply", "tag", "stored"), COMMANDS)
async def test_a_command_is_stored_or_refused_as_the_contract_says(
    together: Together,
    writes: Api,
    before: Sequence[str],
    request_line: str,
    body: bytes,
    status: int,
    reply: bytes,
    tag: str | None,
    stored: Sequence[str],
) -> None:
    key = a_key()
    for step in before:
        await MAKE[step](together.log, key)

    method, path = request_line.replace("name", key).split()

    answer = await writes(method, path, body.replace(b"name", key.encode()))

    assert (answer.status_code, answer.content, answer.headers.get("etag")) == (status, reply, tag)
    assert answer.headers["content-type"] == "application/json"
    assert [type_of(each.event) for each in await history_of(together.log, key)] == stored


async def test_a_new_answer_names_its_place(writes: Api) -> None:
    answer = await writes("POST", "/answers", '{"key":"a/b ü~","value":"x"}'.encode())

    assert answer.headers["location"] == "/answers/a%2Fb%20%C3%BC~"
    assert (await writes("GET", answer.headers["location"])).json() == {"key": "a/b ü~", "value": "x"}


async def test_the_value_that_was_sent_is_the_one_that_is_stored(together: Together, writes: Api) -> None:
    await writes("POST", "/answers", b'{"value":"jo\\u0068n \\ud83d\\ude00","key":"escap\\u0065d","other":[1]}')

    (event,) = await history_of(together.log, "escaped")

    assert value_of(event.event) == "john 😀"


@pytest.mark.parametrize(
    ("before", "status", "reply", "tag"),
    [
        ([], 404, NOT_FOUND, None),
        (["create"], 200, NAME_JOHN, '"0"'),
        (["create", "update"], 200, NAME_JANE, '"1"'),
        (["create", "delete"], 404, NOT_FOUND, None),
        (["create", "delete", "create"], 200, NAME_JOHN, '"2"'),
    ],
)
async def test_the_log_answers_with_the_present_value(
    together: Together, writes: Api, before: Sequence[str], status: int, reply: bytes, tag: str | None
) -> None:
    key = a_key()
    for step in before:
        await MAKE[step](together.log, key)

    answer = await writes("GET", f"/answers/{key}")

    assert (answer.status_code, answer.content.replace(key.encode(), b"name"), answer.headers.get("etag")) == (
        status,
        reply,
        tag,
    )


async def test_history_is_every_event_in_order_and_outlives_the_answer(together: Together, writes: Api) -> None:
    for step in (created, updated, deleted, created):
        await step(together.log, "told")

    answer = await writes("GET", "/answers/told/history")

    assert answer.content == (
        b'[{"type":"AnswerCreatedEvent","data":{"key":"told","value":"john"}}'
        b',{"type":"AnswerUpdatedEvent","data":{"key":"told","value":"jane"}}'
        b',{"type":"AnswerDeletedEvent","data":{"key":"told","value":""}}'
        b',{"type":"AnswerCreatedEvent","data":{"key":"told","value":"john"}}]'
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_a_long_history_is_complete(together: Together, writes: Api) -> None:
    await created(together.log, "long", "0")
    for number in range(1, 1500):
        await updated(together.log, "long", str(number))

    events = (await writes("GET", "/answers/long/history")).json()

    assert [event["data"]["value"] for event in events] == [str(number) for number in range(1500)]


@pytest.mark.parametrize(
    ("document", "status", "reply", "tag"),
    [
        (Document("other", "x", 0, 1), 404, NOT_FOUND, None),
        (Document("name", "john", 0, 1), 200, NAME_JOHN, '"0"'),
        (Document("name", None, 7, 1), 404, NOT_FOUND, None),
        (Document("name", "jane", 8, 1), 200, NAME_JANE, '"8"'),
    ],
)
async def test_the_read_model_answers_with_its_document(
    together: Together, reads: Api, document: Document, status: int, reply: bytes, tag: str | None
) -> None:
    await build(together, document)

    answer = await reads("GET", "/answers/name")

    assert (answer.status_code, answer.content, answer.headers.get("etag")) == (status, reply, tag)
    assert answer.headers["content-type"] == "application/json"


async def test_on_one_port_an_answer_comes_from_the_log(together: Together, one_port: Api) -> None:
    await created(together.log, "current", "now")
    await build(together, Document("current", "before", 0, 1))

    answer = await one_port("GET", "/answers/current")

    assert answer.json()["value"] == "now"
