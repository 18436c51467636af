"""Keys in paths. The server splits the raw path, so that an encoded slash belongs to the key."""

import re
from urllib.parse import quote, unquote_to_bytes

from qaservice.domain.errors import InputNotValid, TooLarge
from qaservice.domain.rules import Limits, check_key, check_sizes

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def key_of_segment(segment: str, limits: Limits) -> str:
    """The key that a raw path segment names. Raises InputNotValid, also for one that is too long."""
    key = _unquoted(segment)
    try:
        check_sizes(key, "", limits)
    except TooLarge as error:
        raise InputNotValid(str(error)) from None
    return check_key(key)


def path_of(key: str) -> str:
    """The answer's path, all but unreserved characters (RFC 3986 section 2.3) percent-encoded."""
    return "/answers/" + quote(key, safe="")


def _unquoted(segment: str) -> str:
    if "%" not in segment:
        return segment
    if _BAD_ESCAPE.search(segment):
        raise InputNotValid("path has a bad percent escape")
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise InputNotValid("path is not UTF-8") from None
