"""The `Prefer` header (RFC 7240): `wait=N` and `handling=lenient`."""

import re
from dataclasses import dataclass

_LONGEST_WAIT = 60
_MEMBER = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^,])+')  # of the list: a comma in a quoted string divides nothing
_PREFERENCE = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*+(?:=\s*+("(?:[^"\\]|\\.)*+"|[^\s,;"]*+))?\s*+(?:;.*)?'
)  # possessive: else spaces take the square of their number


@dataclass(frozen=True, slots=True)
class Preferences:
    """`wait` in seconds, None where it was not given; `lenient` says that a stale reply is better than none."""

    wait: int | None = None
    lenient: bool = False


NONE = Preferences()


def parse_prefer(text: str | None) -> Preferences:
    """What a client prefers. What can't be understood is ignored, as the RFC wants it; the first of two counts."""
    if not text:
        return NONE
    given: dict[str, str] = {}
    for member in _MEMBER.findall(text):
        if preference := _PREFERENCE.fullmatch(member):
            given.setdefault(preference[1].lower(), (preference[2] or "").strip('"'))
    wait = given.get("wait", "")
    seconds = min(int(wait.lstrip("0")[:3] or 0), _LONGEST_WAIT) if wait.isascii() and wait.isdigit() else None
    return Preferences(seconds, given.get("handling", "").lower() == "lenient")
