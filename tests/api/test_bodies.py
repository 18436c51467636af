"""Bodies as they should not be: each is refused with one error of one shape, and nothing is stored."""

from collections.abc import AsyncIterator

import pytest

from services.stores import Together
from tests.api.conftest import MAX_BODY, Api
from tests.given import a_key, created, history_of

pytestmark = pytest.mark.anyio

FORM = "application/x-www-form-urlencoded"

NOT_VALID = {
    "nothing": (b"", "body is not JSON"),
    "white space": (b" \n", "body is not JSON"),
    "a form": (b"key=name&value=john", "body is not JSON"),
    "half an object": (b'{"key":"name","value":"jo', "body is not JSON"),
    "single quotes": (b"{'key':'name','value':'john'}", "body is not JSON"),
    "a trailing comma": (b'{"key":"name","value":"john",}', "body is not JSON"),
    "a comment": (b'{"key":"name",/**/"value":"john"}', "body is not JSON"),
    "trailing data": (b'{"key":"name","value":"john"}x', "body is not JSON"),
    "two objects": (b'{"key":"name","value":"john"}\n{"key":"name","value":"john"}', "body is not JSON"),
    "a byte order mark": (b'\xef\xbb\xbf{"key":"name","value":"john"}', "body is not JSON"),
    "UTF-16": ('{"key":"name","value":"john"}'.encode("utf-16"), "body is not UTF-8"),
    "Latin-1": (b'{"key":"name","value":"j\xf6hn"}', "body is not UTF-8"),
    "an encoded surrogate": (b'{"key":"name","value":"\xed\xa0\x80"}', "body is not UTF-8"),
    "a raw control character": (b'{"key":"name","value":"a\nb"}', "body is not JSON"),
    "NaN": (b'{"key":"name","value":"john","other":NaN}', "body is not JSON: NaN is not JSON"),
    "infinity": (b'{"key":"name","value":"john","other":-Infinity}', "body is not JSON: -Infinity is not JSON"),
    "an array": (b'["name","john"]', "body is not a JSON object"),
    "a text": (b'"name"', "body is not a JSON object"),
    "a number": (b"7", "body is not a JSON object"),
    "null": (b"null", "body is not a JSON object"),
    "an array of an object": (b'[{"key":"name","value":"john"}]', "body is not a JSON object"),
    "100,000 brackets": (b"[" * 100_000, "body is nested too deep"),
    "100,000 objects": (b'{"key":' * 100_000, "body is nested too deep"),
    "deep below another name": (b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body is nested too deep"),
    "an empty object": (b"{}", "key is missing"),
    "no key": (b'{"value":"john"}', "key is missing"),
    "no value": (b'{"key":"name"}', "value is missing"),
    "names in another case": (b'{"Key":"name","Value":"john"}', "key is missing"),
    "the key twice": (b'{"key":"name","key":"name","value":"john"}', "key stands twice in the body"),
    "the key twice, once escaped": (b'{"key":"name","k\\u0065y":"x","value":"john"}', "key stands twice in the body"),
    "the value twice": (b'{"key":"name","value":"john","value":null}', "value stands twice in the body"),
    "a number as key": (b'{"key":7,"value":"john"}', "key is not a string"),
    "null as key": (b'{"key":null,"value":"john"}', "key is not a string"),
    "a number as value": (b'{"key":"name","value":7.5}', "value is not a string"),
    "a boolean as value": (b'{"key":"name","value":true}', "value is not a string"),
    "null as value": (b'{"key":"name","value":null}', "value is not a string"),
    "an array as value": (b'{"key":"name","value":["john"]}', "value is not a string"),
    "an object as value": (b'{"key":"name","value":{}}', "value is not a string"),
    "an empty key": (b'{"key":"","value":"john"}', "key is empty"),
    "an empty value": (b'{"key":"name","value":""}', "value is empty"),
    "a lone surrogate in the key": (b'{"key":"\\ud800","value":"john"}', "key has a lone surrogate"),
    "a lone surrogate in the value": (b'{"key":"name","value":"x\\udfff"}', "value has a lone surrogate"),
    "surrogates in the wrong order": (b'{"key":"name","value":"\\ude00\\ud83d"}', "value has a lone surrogate"),
}


@pytest.mark.parametrize(("body", "why"), NOT_VALID.values(), ids=NOT_VALID.keys())
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_body_that_breaks_a_rule_is_refused(
    together: Together, writes: Api, method: str, body: bytes, why: str
) -> None:
    end = await together.feed.end()

    answer = await writes(method, "/answers", body, content_type=FORM)

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(f"Input not valid: {why}")
    assert await together.feed.end() == end


WELL_FORMED = {
    "white space around": b' \r\n\t{ "key" : "name" , "value" : "john" }\n',
    "unknown members, even twice": b'{"key":"name","value":"john","x":1,"x":{"key":"no","key":2},"Key":null}',
    "a long number, ignored": b'{"key":"name","value":"john","n":' + b"9" * 5000 + b"}",
    "a lone surrogate, ignored": b'{"key":"name","value":"john","\\ud800":"\\ud800"}',
}


@pytest.mark.parametrize("body", WELL_FORMED.values(), ids=WELL_FORMED.keys())
@pytest.mark.parametrize("content_type", [FORM, "text/plain; charset=latin-1", "application/json", "multipart/x", ""])
async def test_a_body_is_read_whatever_its_type(writes: Api, body: bytes, content_type: str) -> None:
    answer = await writes("POST", "/answers", body.replace(b"name", a_key().encode()), content_type=content_type)

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"key":"other","value":"jane"}', "key differs from the one in the path"),
        (b'{"key":"Name","value":"jane"}', "key differs from the one in the path"),
        (b'{"key":"","value":"jane"}', "key differs from the one in the path"),
        (b'{"key":null,"value":"jane"}', "key is not a string"),
        (b'{"key":7,"value":"jane"}', "key is not a string"),
        (b'{"key":"name","key":"name","value":"jane"}', "key stands twice in the body"),
        (b'{"key":"name"}', "value is missing"),
        (b'"jane"', "body is not a JSON object"),
    ],
)
async def test_a_body_at_a_path_must_agree_with_it(together: Together, writes: Api, body: bytes, why: str) -> None:
    key = a_key()
    await created(together.log, key)

    answer = await writes("PATCH", f"/answers/{key}", body.replace(b'"name"', f'"{key}"'.encode()))

    assert (answer.status_code, answer.json()) == (400, {"error": f"Input not valid: {why}"})
    assert len(await history_of(together.log, key)) == 1


def filled(size: int) -> bytes:
    """A request of exactly `size` bytes."""
    head, tail = f'{{"key":"{a_key()}","value":"john","other":"'.encode(), b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


async def chunks(body: bytes, sent: list[int]) -> AsyncIterator[bytes]:
    """`body` in pieces; `sent` gets the size of each one that was asked for."""
    for start in range(0, len(body), 1 << 16):
        sent.append(len(body[start : start + (1 << 16)]))
        yield body[start : start + (1 << 16)]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_be_as_long_as_the_limit(writes: Api, chunked: bool) -> None:
    body = filled(MAX_BODY)

    answer = await writes("POST", "/answers", chunks(body, []) if chunked else body)

    assert answer.status_code == 201


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_one_byte_more_is_too_large(writes: Api, chunked: bool) -> None:
    body = filled(MAX_BODY + 1)

    answer = await writes("POST", "/answers", chunks(body, []) if chunked else body)

    assert answer.status_code == 413
    assert answer.json() == {"error": "Input not valid: body is longer than 4194304 bytes"}


async def test_a_body_is_read_no_further_than_the_limit(writes: Api) -> None:
    sent: list[int] = []

    answer = await writes("POST", "/answers", chunks(filled(3 * MAX_BODY), sent))

    assert answer.status_code == 413
    assert sum(sent) <= MAX_BODY + (1 << 16)
    assert answer.headers["connection"] == "close"


async def test_a_body_announced_too_large_is_not_read(writes: Api) -> None:
    sent: list[int] = []

    answer = await writes("POST", "/answers", chunks(b"x" * MAX_BODY, sent), content_length=str(MAX_BODY + 1))

    assert (answer.status_code, sent) == (413, [])
    assert answer.headers["connection"] == "close"
