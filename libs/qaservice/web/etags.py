"""Entity tags (RFC 9110 section 8.8.3) and the headers that compare them (section 13.1)."""

import re
from dataclasses import dataclass

from qaservice.domain.errors import InputNotValid

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_BETWEEN = re.compile(r"[ \t]*(?:,[ \t]*)+|[ \t]*$")
_REVISION = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class EntityTags:
    """What `If-Match` or `If-None-Match` names: strong and weak tags without their quotes, or any (`*`)."""

    any: bool
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    def weakly_match(self, tag: str) -> bool:
        """Whether a tag is one of these, weak or strong."""
        return self.any or tag in self.strong or tag in self.weak

    def revisions(self) -> frozenset[int] | None:
        """The revisions that a strong comparison may match; None for any."""
        if self.any:
            return None
        return frozenset(int(tag) for tag in self.strong if _REVISION.fullmatch(tag))


def parse_entity_tags(name: str, text: str) -> EntityTags:
    """The value of the header `name`: `*` or a list of tags. Raises InputNotValid: bad syntax is never no condition."""
    text = text.strip(" \t")
    if text == "*":
        return EntityTags(any=True)
    strong: set[str] = set()
    weak: set[str] = set()
    at = _after_separator(text, 0) or 0
    while at < len(text):
        tag = _TAG.match(text, at)
        end = None if tag is None else _after_separator(text, tag.end())
        if tag is None or end is None:
            raise InputNotValid(f"{name} is not a list of entity tags")
        (weak if tag[1] else strong).add(tag[2])
        at = end
    if not strong and not weak:
        raise InputNotValid(f"{name} is empty")
    return EntityTags(False, frozenset(strong), frozenset(weak))


def _after_separator(text: str, at: int) -> int | None:
    """Where the next tag begins; None where neither a comma nor the end stands. Empty list members are allowed
    (RFC 9110 section 5.6.1.2)."""
    between = _BETWEEN.match(text, at)
    return None if between is None else between.end()
