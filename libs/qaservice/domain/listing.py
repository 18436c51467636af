"""A page of a list of answers, in the order of their keys: that of code points, which is that of bytes in UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass

from qaservice.domain.readmodel import Checkpoint

_LAST_CHARACTER = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys from `first` on, and less than `beyond`; None: to the last."""

    first: str
    beyond: str | None

    @classmethod
    def of(cls, prefix: str, after: str | None) -> "KeyRange":
        """The keys that begin with `prefix` and come after `after`."""
        # No key has a control character, so nothing stands between a text and the same with a zero behind it.
        return cls(max(prefix, "" if after is None else after + "\0"), _beyond(prefix))


@dataclass(slots=True)
class Listing:
    """Keys with their values, and the checkpoint (None: no build was ever begun) of the same moment. `more`: there are
    others in the range."""

    answers: Sequence[tuple[str, str]]
    more: bool
    checkpoint: Checkpoint | None


def _beyond(prefix: str) -> str | None:
    """The least text that is greater than all that begin with `prefix`; None: there is none."""
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
