"""What a key and a value may be."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qaservice.domain.errors import InputNotValid, TooLarge
from qaservice.domain.rules import Limits, check_key, check_sizes, check_value

LIMITS = Limits()


@pytest.mark.parametrize(
    "key", ["name", "a b", "é", "日本", "a/b", "%2F", "...", ".a", "\u00a0", "\u200b", "\u2028", "🙂"]
)
def test_a_key_is_any_text(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("number", [*range(0x20), *range(0x7F, 0xA0)])
def test_a_key_has_no_control_character(number: int) -> None:
    with pytest.raises(InputNotValid, match="key has a control character"):
        check_key(f"a{chr(number)}b")


@given(st.characters(exclude_categories=["Cs"]))
@example("\x7f")
def test_control_characters_of_keys_are_unicodes(character: str) -> None:
    try:
        check_key(f"a{character}")
        refused = False
    except InputNotValid:
        refused = True
    assert refused == (unicodedata.category(character) == "Cc")


@pytest.mark.parametrize("key", [".", ".."])
def test_a_key_is_not_a_dot_segment(key: str) -> None:
    with pytest.raises(InputNotValid, match="dot segment"):
        check_key(key)


@pytest.mark.parametrize("check", [check_key, check_value])
def test_nothing_is_empty(check: type) -> None:
    with pytest.raises(InputNotValid, match="is empty"):
        check("")


@pytest.mark.parametrize("check", [check_key, check_value])
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800"])
def test_nothing_has_a_lone_surrogate(check: type, text: str) -> None:
    with pytest.raises(InputNotValid, match="lone surrogate"):
        check(text)


def test_composed_and_decomposed_keys_are_two() -> None:
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert check_key(composed) != check_key(decomposed)


@pytest.mark.parametrize("character", ["a", "é", "日", "🙂"])
def test_a_keys_limit_counts_bytes_of_utf_8(character: str) -> None:
    longest = 12 // len(character.encode()) * character
    check_sizes(longest, "", Limits(key_bytes=12))
    with pytest.raises(TooLarge, match="key is longer than 12 bytes"):
        check_sizes(longest + "a", "", Limits(key_bytes=12))


@pytest.mark.parametrize("character", ["a", "é", "🙂", '"', "\\", "/", "\n", "\0", "\x1f", "\x7f", "\u2028"])
def test_a_values_limit_counts_bytes_of_json(character: str) -> None:
    size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    longest = 24 // size * character
    check_sizes("", longest, Limits(value_bytes=24))
    with pytest.raises(TooLarge, match="value is longer than 24 bytes"):
        check_sizes("", longest + "a", Limits(value_bytes=24))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 60))
def test_a_value_is_too_large_exactly_where_its_json_is(value: str, limit: int) -> None:
    size = len(json.dumps(value, ensure_ascii=False).encode()) - 2
    try:
        check_sizes("", value, Limits(value_bytes=limit))
        assert size <= limit
    except TooLarge:
        assert size > limit


@pytest.mark.parametrize("text", ["\ud800", "\udfff" * 3])
def test_what_may_not_be_at_all_has_a_size_nevertheless(text: str) -> None:
    with pytest.raises(TooLarge):
        check_sizes(text, "", Limits(key_bytes=len(text) * 3 - 1))
    with pytest.raises(TooLarge):
        check_sizes("", text, Limits(value_bytes=len(text) * 3 - 1))


def test_the_limits_are_those_of_the_documentation() -> None:
    check_sizes("k" * 1024, "v" * 524_288, LIMITS)
    with pytest.raises(TooLarge):
        check_sizes("k" * 1025, "", LIMITS)
    with pytest.raises(TooLarge):
        check_sizes("", "v" * 524_289, LIMITS)
