"""What stands in the query of a request, and the link to the next page."""

import re
from datetime import datetime
from urllib.parse import quote

from qaservice.domain.errors import InputNotValid
from qaservice.domain.times import parse_time
from qaservice.web.replies import Header

_DIGITS = re.compile("[0-9]{1,18}")


def whole_number(name: str, text: str, least: int = 0, most: int = 10**18 - 1) -> int:
    """The number that a parameter gives. Raises InputNotValid."""
    if _DIGITS.fullmatch(text) and least <= (number := int(text)) <= most:
        return number
    raise InputNotValid(f"{name} is not a number from {least} to {most}")


def one_of(name: str, text: str, *choices: str) -> str:
    """What a parameter chooses. Raises InputNotValid."""
    if text in choices:
        return text
    raise InputNotValid(f"{name} is not {' or '.join(choices)}")


def moment(name: str, text: str) -> datetime:
    """The time that a parameter gives (RFC 3339), in UTC. Raises InputNotValid."""
    try:
        return parse_time(text)
    except ValueError:
        hint = "such as 2026-01-31T12:00:00Z (in a URL write + as %2B)"
        raise InputNotValid(f"{name} is not a time with a zone, {hint}") from None


def next_page(path: str, **parameters: str | None) -> Header:
    """The link to the page that follows (RFC 8288); a parameter that is None is left out."""
    given = [f"{name}={quote(text, safe='')}" for name, text in parameters.items() if text is not None]
    return (b"link", f'<{path}?{"&".join(given)}>; rel="next"'.encode())
