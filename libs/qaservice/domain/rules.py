"""What a key and a value may be. Pure functions; the limits are arguments."""

import unicodedata
from dataclasses import dataclass

from qaservice.domain.errors import InputNotValid, TooLarge

_JSON_SHORT_ESCAPES = frozenset('"\\\b\f\n\r\t')
_LONGEST_ESCAPE, _LONGEST_CHARACTER = 6, 4  # bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest key and value, in bytes of UTF-8; a value is counted as JSON without its quotes."""

    key_bytes: int = 1024
    value_bytes: int = 512 * 1024


def check_sizes(key: str, value: str, limits: Limits) -> None:
    """To be called before the other rules: what is too large is refused as too large, whatever else is wrong with it.

    Raises TooLarge.
    """
    if len(key) * _LONGEST_CHARACTER > limits.key_bytes and _utf8_size(key) > limits.key_bytes:
        raise TooLarge(f"key is longer than {limits.key_bytes} bytes")
    if len(value) * _LONGEST_ESCAPE > limits.value_bytes and _utf8_size(value) + _escapes(value) > limits.value_bytes:
        raise TooLarge(f"value is longer than {limits.value_bytes} bytes")


def check_key(key: str) -> str:
    """`key` if it may name an answer: not empty, no control character (Unicode Cc), no lone surrogate, not a path's
    dot segment (RFC 3986 section 3.3). It is not normalised: NFC and NFD are two keys. Its size is for `check_sizes`.

    Raises InputNotValid.
    """
    _check_text("key", key)
    if not key.isprintable() and any(unicodedata.category(character) == "Cc" for character in key):
        raise InputNotValid("key has a control character")
    if key in (".", ".."):
        raise InputNotValid("key is a dot segment of a path")
    return key


def check_value(value: str) -> str:
    """`value` if an answer may have it: any text but the empty one, without lone surrogates. Its size is for
    `check_sizes`.

    Raises InputNotValid.
    """
    _check_text("value", value)
    return value


def _check_text(name: str, text: str) -> None:
    if not text:
        raise InputNotValid(f"{name} is empty")
    if text.isascii():  # which Python knows without looking: ordinary texts are not encoded for this
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputNotValid(f"{name} has a lone surrogate") from None


def _utf8_size(text: str) -> int:
    """Lone surrogates count as the three bytes that they would be: whether they may be there is another rule."""
    return len(text.encode(errors="surrogatepass"))


def _escapes(text: str) -> int:
    """How many bytes JSON's escapes add to the text (RFC 8259 section 7)."""
    short = sum(text.count(c) for c in _JSON_SHORT_ESCAPES)
    long = sum(text.count(chr(c)) for c in range(0x20) if chr(c) not in _JSON_SHORT_ESCAPES)
    return short + long * (_LONGEST_ESCAPE - 1)
