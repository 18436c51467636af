"""What a key and a value may be. Pure functions; the limits are arguments."""

import unicodedata
from dataclasses import dataclass

from qaservice.domain.errors import InputNotValid, TooLarge

_JSON_SHORT_ESCAPES = frozenset('"\\\b\f\n\r\t')
_LONGEST_ESCAPE = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest key and value, in bytes of UTF-8; a value is counted as JSON without its quotes."""

    key_bytes: int = 1024
    value_bytes: int = 512 * 1024


def check_key(key: str, limits: Limits) -> str:
    """`key` if it may name an answer: not empty, no control character (Unicode Cc), no lone surrogate, not a path's
    dot segment (RFC 3986 section 3.3), not too long. It is not normalised: NFC and NFD are two keys.

    Raises InputNotValid, TooLarge.
    """
    if _utf8_size("key", key) > limits.key_bytes:
        raise TooLarge(f"key is longer than {limits.key_bytes} bytes")
    if not key.isprintable() and any(unicodedata.category(character) == "Cc" for character in key):
        raise InputNotValid("key has a control character")
    if key in (".", ".."):
        raise InputNotValid("key is a dot segment of a path")
    return key


def check_value(value: str, limits: Limits) -> str:
    """`value` if an answer may have it: any text but the empty one, without lone surrogates, not too long.

    Raises InputNotValid, TooLarge.
    """
    size = _utf8_size("value", value)
    if size * _LONGEST_ESCAPE > limits.value_bytes and size + _escapes(value) > limits.value_bytes:
        raise TooLarge(f"value is longer than {limits.value_bytes} bytes")
    return value


def _utf8_size(name: str, text: str) -> int:
    if not text:
        raise InputNotValid(f"{name} is empty")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InputNotValid(f"{name} has a lone surrogate") from None


def _escapes(text: str) -> int:
    """How many bytes JSON's escapes add to the text (RFC 8259 section 7)."""
    short = sum(text.count(c) for c in _JSON_SHORT_ESCAPES)
    long = sum(text.count(chr(c)) for c in range(0x20) if chr(c) not in _JSON_SHORT_ESCAPES)
    return short + long * (_LONGEST_ESCAPE - 1)
