"""Request bodies: read no further than the limit, and parsed more strictly than JSON parsers do by themselves."""

import json
import math
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from qaservice.domain.errors import InputNotValid, TooLarge

Model = TypeVar("Model", bound=BaseModel)

_FAULTS = {
    "missing": "is missing",
    "string_type": "is not a string",
    "string_unicode": "has a lone surrogate",
}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Pairs, not a dict: a repeated member would silently win. Whole numbers become floats: none of ours is a number, and
# `int` refuses long ones.
_decoder = json.JSONDecoder(object_pairs_hook=tuple, parse_constant=_refuse, parse_int=float)


class BodyTooLarge(TooLarge):
    """The body is over its limit. `unread` bytes of it are still to come."""

    def __init__(self, limit: int, unread: float) -> None:
        super().__init__(f"body is longer than {limit} bytes")
        self.unread = unread


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, whatever its Content-Type. `limit` in bytes. Raises BodyTooLarge,
    ClientDisconnect."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise BodyTooLarge(limit, unread=int(value))
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        more = message.get("more_body", False)
        if len(body) > limit:
            raise BodyTooLarge(limit, unread=math.inf if more else 0)
        if not more:
            return bytes(body)


def parse_body(model: type[Model], body: bytes) -> Model:
    """The JSON object in `body` as a model. Unknown members are ignored. Raises InputNotValid, which never echoes the
    input."""
    try:
        return model.model_validate(_members(model, body))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InputNotValid(f"{first['loc'][0]} {_FAULTS.get(first['type'], first['msg'])}") from None


def _members(model: type[BaseModel], body: bytes) -> dict[str, Any]:
    try:
        pairs = _decoder.decode(body.decode())
    except UnicodeDecodeError:
        raise InputNotValid("body is not UTF-8") from None
    except RecursionError:
        raise InputNotValid("body is nested too deep") from None
    except ValueError as error:
        raise InputNotValid(f"body is not JSON: {error}") from None
    if not isinstance(pairs, tuple):
        raise InputNotValid("body is not a JSON object")
    members = dict(pairs)
    if len(members) < len(pairs):
        for name in model.model_fields:
            if sum(name == other for other, _ in pairs) > 1:
                raise InputNotValid(f"{name} stands twice in the body")
    return members
