"""What a key and a value may be, in a body and in a path, to the byte."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stores import Together
from tests.api.conftest import Api
from tests.given import a_key

pytestmark = pytest.mark.anyio

MAX_KEY, MAX_VALUE = 1024, 512 * 1024
FACE = "😀"  # four bytes of UTF-8


def body(key: str, value: str = "john") -> bytes:
    """A request with every character as it is, no more escaped than JSON wants."""
    escaped = "".join(f"\\u{ord(c):04x}" if c < " " or c in '"\\' else c for c in value)
    return f'{{"key":"{key}","value":"{escaped}"}}'.encode()


@pytest.mark.parametrize("key", ["x" * MAX_KEY, FACE * (MAX_KEY // 4), "é" * (MAX_KEY // 2), " ", "...", "a/b", "%2F"])
async def test_a_key_may_be_any_text_up_to_its_limit(writes: Api, key: str) -> None:
    assert (await writes("POST", "/answers", body(key))).status_code == 201
    assert (await writes("GET", "/answers/" + quote(key, safe=""))).json()["key"] == key


@pytest.mark.parametrize("key", ["x" * (MAX_KEY + 1), FACE * (MAX_KEY // 4) + "x", "é" * (MAX_KEY // 2) + "x"])
async def test_a_key_of_one_byte_more_is_too_large_in_a_body_and_not_valid_in_a_path(writes: Api, key: str) -> None:
    error = {"error": "Input not valid: key is longer than 1024 bytes"}

    in_body = await writes("POST", "/answers", body(key))
    in_path = await writes("GET", "/answers/" + quote(key, safe=""))

    assert (in_body.status_code, in_body.json()) == (413, error)
    assert (in_path.status_code, in_path.json()) == (400, error)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))])
async def test_a_key_has_no_control_character(together: Together, writes: Api, character: str) -> None:
    error = {"error": "Input not valid: key has a control character"}
    end = await together.feed.end()

    in_body = await writes("POST", "/answers", body(f"a\\u{ord(character):04x}"))
    in_path = await writes("DELETE", "/answers/" + quote(f"a{character}"))

    assert (in_body.status_code, in_body.json()) == (400, error)
    assert (in_path.status_code, in_path.json()) == (400, error)
    assert await together.feed.end() == end


@pytest.mark.parametrize("key", [".", ".."])
async def test_a_key_is_no_dot_segment(writes: Api, key: str) -> None:
    error = {"error": "Input not valid: key is a dot segment of a path"}

    in_body = await writes("POST", "/answers", body(key))
    in_path = [await writes("GET", f"/answers/{spelt}") for spelt in (key, key.replace(".", "%2e"))]

    assert [(each.status_code, each.json()) for each in (in_body, *in_path)] == [(400, error)] * 3


async def test_a_key_is_not_normalised(writes: Api) -> None:
    composed, decomposed = "\u00e9", "e\u0301"

    for key in (composed, decomposed):
        assert (await writes("POST", "/answers", body(key, f"of {len(key)}"))).status_code == 201

    values = [(await writes("GET", "/answers/" + quote(key))).json()["value"] for key in (composed, decomposed)]
    assert values == ["of 1", "of 2"]


EXACTLY = {
    "plain": "x" * MAX_VALUE,
    "four bytes a character": FACE * (MAX_VALUE // 4),
    "control characters, six bytes each": "\x01" * (MAX_VALUE // 6) + "x" * (MAX_VALUE % 6),
    "quotes, two bytes each": '"' * (MAX_VALUE // 2),
    "line ends, two bytes each": "\n" * (MAX_VALUE // 2),
}


@pytest.mark.parametrize("value", EXACTLY.values(), ids=EXACTLY.keys())
async def test_a_value_may_be_as_long_as_its_limit(writes: Api, value: str) -> None:
    key = a_key()

    assert (await writes("POST", "/answers", body(key, value))).status_code == 201
    assert (await writes("GET", f"/answers/{key}")).json()["value"] == value


@pytest.mark.parametrize("value", EXACTLY.values(), ids=EXACTLY.keys())
@pytest.mark.parametrize("request_line", ["POST /answers", "PATCH /answers", "PATCH /answers/name"])
async def test_a_value_of_one_byte_more_is_too_large(writes: Api, request_line: str, value: str) -> None:
    method, path = request_line.split()

    answer = await writes(method, path, body("name", value + "x"))

    assert answer.status_code == 413
    assert answer.json() == {"error": "Input not valid: value is longer than 524288 bytes"}


LARGE = '"' + "x" * (MAX_VALUE + 1) + '"'
TOO_LARGE_BESIDES = {
    "a value, an empty key": ("", LARGE),
    "a value, a key with a control character": ("a\\u0000", LARGE),
    "a value, a key that is a dot segment": ("..", LARGE),
    "a key, a value of nothing": ("x" * (MAX_KEY + 1), '""'),
    "a key with a control character": ("\\u0000" + "x" * MAX_KEY, '"john"'),
}


@pytest.mark.parametrize(("key", "value"), TOO_LARGE_BESIDES.values(), ids=TOO_LARGE_BESIDES.keys())
@pytest.mark.parametrize("request_line", ["POST /answers", "PATCH /answers", "PATCH /answers/other"])
async def test_what_is_too_large_is_told_before_what_is_not_valid(
    writes: Api, request_line: str, key: str, value: str
) -> None:
    method, path = request_line.split()

    answer = await writes(method, path, f'{{"key":"{key}","value":{value}}}'.encode(), if_match="nonsense")

    assert answer.status_code == 413


@pytest.mark.parametrize("segment", ["..", "%00", "x" * (MAX_KEY + 1)])
async def test_a_value_too_large_is_told_before_a_segment_that_names_no_key(writes: Api, segment: str) -> None:
    assert (await writes("PATCH", f"/answers/{segment}", f'{{"value":{LARGE}}}'.encode())).status_code == 413


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


@given(key=keys, value=anything)
@settings(deadline=None, max_examples=80)
async def test_any_key_and_any_value_come_back_as_they_were(writes: Api, key: str, value: str) -> None:
    unlike_any_other = f"{a_key()} {key}"

    made = await writes("POST", "/answers", body(unlike_any_other.translate({34: '\\"', 92: "\\\\"}), value))
    back = await writes("GET", "/answers/" + quote(unlike_any_other, safe=""))
    history = await writes("GET", made.headers["location"] + "/history")

    assert back.json() == {"key": unlike_any_other, "value": value}
    assert history.json() == [{"type": "AnswerCreatedEvent", "data": back.json()}]
