"""Keys in paths. The raw path is split, so that an encoded slash belongs to the key."""

import re
from urllib.parse import quote, unquote_to_bytes

from qaservice.domain.errors import InputNotValid, TooLarge
from qaservice.domain.rules import Limits, check_key, check_sizes

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def checked_path(raw_path: bytes) -> str:
    """The path as it came, still encoded; every segment of it can be unquoted. Raises InputNotValid."""
    try:
        path = raw_path.decode()
        if "%" in path:
            if _BAD_ESCAPE.search(path):
                raise InputNotValid("path has a bad percent escape")
            unquote_to_bytes(path).decode()  # all at once: a slash is never a part of another character
    except UnicodeDecodeError:
        raise InputNotValid("path is not UTF-8") from None
    return path


def key_of_segment(segment: str, limits: Limits) -> str:
    """The key that a segment of a checked path names. Raises InputNotValid, also for one that is too long."""
    key = unquote_to_bytes(segment).decode() if "%" in segment else segment
    try:
        check_sizes(key, "", limits)
    except TooLarge as error:
        raise InputNotValid(str(error)) from None
    return check_key(key)


def path_of(key: str) -> str:
    """The answer's path, all but unreserved characters (RFC 3986 section 2.3) percent-encoded."""
    return "/answers/" + quote(key, safe="")
