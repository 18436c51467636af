"""The documentation tells the truth: requests made from it get replies of the kinds that it names."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from qaservice.domain.readmodel import Document
from qaservice.runtime.settings import Settings
from services import stores
from tests.api.conftest import build, monolith_on_one_port

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
]


WITH_A_BODY = [("/answers", "POST"), ("/answers", "PATCH"), ("/answers/{key}", "PATCH")]
WITH_PARAMETERS = [("/answers", "GET"), ("/answers/{key}/history", "GET")]
WITHOUT = [("/answers/{key}", "GET"), ("/answers/{key}", "DELETE")]
AS_DOCUMENTED, OTHERWISE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def documented() -> Any:
    together = stores.in_memory(Settings.model_construct())
    asyncio.run(build(together, *(Document(f"key {number}", "value", 0, number) for number in range(200))))
    return schemathesis.openapi.from_asgi("/openapi.json", monolith_on_one_port(together).app)


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        *[(*operation, AS_DOCUMENTED) for operation in [*WITH_A_BODY, *WITH_PARAMETERS, *WITHOUT]],
        *[
            (*operation, OTHERWISE) for operation in [*WITH_A_BODY, *WITH_PARAMETERS]
        ],  # no text is wrong where any text may stand
    ],
)
def test_every_reply_is_one_that_is_documented(documented: Any, path: str, method: str, mode: GenerationMode) -> None:
    operation = documented[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, database=None)
    def each(case: Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    each()
