"""What stands in the query of a request, and the link to the next page."""

import re
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from qaservice.domain.errors import InputNotValid
from qaservice.web.replies import Header

_DIGITS = re.compile("[0-9]{1,18}")
# RFC 3339 section 5.6; a zone is a must.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def whole_number(name: str, text: str, least: int = 0, most: int = 10**18) -> int:
    """The number that a parameter gives. Raises InputNotValid."""
    if _DIGITS.fullmatch(text) and least <= (number := int(text)) <= most:
        return number
    raise InputNotValid(f"{name} is not a number from {least} to {most}")


def moment(name: str, text: str) -> datetime:
    """The time that a parameter gives (RFC 3339), in UTC. Raises InputNotValid."""
    if _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise InputNotValid(f"{name} is not a time with a zone, such as 2026-01-31T12:00:00Z (in a URL write + as %2B)")


def next_page(path: str, **parameters: str | None) -> Header:
    """The link to the page that follows (RFC 8288); a parameter that is None is left out."""
    given = {name: text for name, text in parameters.items() if text is not None}
    return (b"link", f'<{path}?{urlencode(given, quote_via=quote, safe="")}>; rel="next"'.encode())
