"""What stands in the path and the headers of a request: typed for handlers, described for OpenAPI."""

import re
from typing import Annotated

from fastapi import Header, Path, Query

from qaservice.domain.errors import InputNotValid
from qaservice.domain.idempotency import Idempotency
from qaservice.domain.tokens import Token, parse_token
from qaservice.web.etags import parse_entity_tags

_LONGEST_KEY = 255
_ONE_REVISION = re.compile('"(0|[1-9][0-9]{0,17})"')

Key = Annotated[str, Path(description="The key of an answer, percent-encoded: `a/b` is `a%2Fb`", examples=["name"])]
IfMatch = Annotated[
    str | None, Header(description='Only if the answer is at one of these revisions: `"3"`, a list, or `*`')
]
IfNoneMatch = Annotated[
    str | None, Header(description='304 if the answer is at one of these revisions: `"3"`, a list, or `*`')
]
MustNotExist = Annotated[str | None, Header(description="`*`: an answer that exists is a 412, not a 409")]
IdempotencyKey = Annotated[
    str | None,
    Header(description="1 to 255 characters of your choice: the same request again gives the first reply again"),
]
ConsistencyToken = Annotated[
    str | None, Header(description="The token of a write's reply: the answer is at least as new as that write")
]
TokenParameter = Annotated[
    str | None, Query(alias="consistency_token", description="Consistency-Token, for clients that can't set headers")
]
Prefer = Annotated[
    str | None, Header(description="`wait=N`: seconds to wait, 60 at most; `handling=lenient`: rather stale than 503")
]


def revisions_of(if_match: str | None) -> frozenset[int] | None:
    """The revisions that `If-Match` allows; None: any. Raises InputNotValid."""
    if if_match is None:
        return None
    if one := _ONE_REVISION.fullmatch(if_match):  # the ordinary case, at a quarter of the price
        return frozenset((int(one[1]),))
    return parse_entity_tags("If-Match", if_match).revisions()


def token_of(header: str | None, parameter: str | None) -> Token | None:
    """The token that a request carries; the header counts before the parameter. Raises InputNotValid."""
    text = parameter if header is None else header
    return None if text is None else parse_token(text)


def retry_of(header: str | None, value: str) -> Idempotency | None:
    """What is to be remembered of a command with this value, where `Idempotency-Key` asks for it. A quoted key (a
    structured field's string) and a bare one are the same. Raises InputNotValid."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise InputNotValid(f"Idempotency-Key is empty or longer than {_LONGEST_KEY} characters")
    return Idempotency.of(key, value)
