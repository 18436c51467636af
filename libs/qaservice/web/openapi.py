"""What every reply has, in the documentation: no route needs to say it."""

from collections.abc import Iterator
from typing import Any

from qaservice.web.errors import PROBLEM, ProblemBody, problem

_REQUEST_ID = {
    "description": "The request's own, or one that was made; it stands in the log line",
    "schema": {"type": "string"},
    "example": "5f1d7a84bc9e2d03",
}
_JSON, _PROBLEM = "application/json", PROBLEM[1].decode()


def with_what_all_have(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the request's id at every reply, and the form of RFC 9457 at every error."""
    components = document["components"]
    components["headers"] = {"X-Request-ID": _REQUEST_ID}
    components["schemas"][ProblemBody.__name__] = ProblemBody.model_json_schema()
    for status, reply in _replies(document):
        reply.setdefault("headers", {})["X-Request-ID"] = {"$ref": "#/components/headers/X-Request-ID"}
        if status >= "400":  # also "default", which stands for what nobody expects
            text = reply["content"][_JSON]["example"]["error"]
            reply["content"][_PROBLEM] = {
                "schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"},
                "example": problem(int(status) if status.isdigit() else 500, text),
            }
    return document


def _replies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"] = dict(sorted(operation["responses"].items()))  # "default" goes to the end
            yield from operation["responses"].items()
