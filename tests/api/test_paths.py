"""Paths as they arrive: split raw, then unquoted; and what no route answers."""

import pytest

from services.stores import Together
from tests.api.conftest import Api
from tests.given import a_key, created

pytestmark = pytest.mark.anyio

NOT_FOUND = b'{"error":"Not found"}'
NOWHERE = [
    *["/", "/answers/", "/answers//", "/answers//history", "/answer", "/answers/a/b", "/answers/a/history/"],
    *["//answers", "/answers%2Fa", "/Answers/a", "/ping/", "/docs/", "/docs/assets", "/redoc", "/%7a", "/é"],
]
NOT_ALLOWED = b'{"error":"Method not allowed"}'


@pytest.mark.parametrize(
    ("spelt", "key"),
    [
        ("a%2Fhistory", "a/history"),
        ("%2F", "/"),
        ("%2f%2F", "//"),
        ("a%3Fb%23c", "a?b#c"),
        ("a%252Fb", "a%2Fb"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%E2%82%AC", "€"),
        ("%61%62", "ab"),
        ("a;b=c,d", "a;b=c,d"),
        ("history", "history"),
        ("...", "..."),
    ],
)
async def test_a_key_in_a_path_is_one_raw_segment(together: Together, writes: Api, spelt: str, key: str) -> None:
    await created(together.log, key)

    answer = await writes("GET", f"/answers/{spelt}")
    history = await writes("GET", f"/answers/{spelt}/history")

    assert (answer.status_code, answer.json()) == (200, {"key": key, "value": "john"})
    assert [event["data"]["key"] for event in history.json()] == [key]


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("%", "path has a bad percent escape"),
        ("a%2", "path has a bad percent escape"),
        ("%zz", "path has a bad percent escape"),
        ("%+1", "path has a bad percent escape"),
        ("%u0061", "path has a bad percent escape"),
        ("%FF", "path is not UTF-8"),
        ("%C3", "path is not UTF-8"),
        ("%C0%AF", "path is not UTF-8"),
        ("%ED%A0%80", "path is not UTF-8"),
        ("%F4%90%80%80", "path is not UTF-8"),
        ("%00", "key has a control character"),
        ("%0A", "key has a control character"),
        ("%C2%80", "key has a control character"),
        ("%2e%2E", "key is a dot segment of a path"),
        ("x" * 1025, "key is longer than 1024 bytes"),
    ],
)
async def test_a_segment_that_names_no_key_is_refused(writes: Api, reads: Api, segment: str, why: str) -> None:
    asked = [
        await writes("GET", f"/answers/{segment}"),
        await writes("DELETE", f"/answers/{segment}"),
        await writes("PATCH", f"/answers/{segment}", b'{"value":"jane"}'),
        await writes("GET", f"/answers/{segment}/history"),
        await reads("GET", f"/answers/{segment}"),
    ]

    assert {(each.status_code, each.json()["error"]) for each in asked} == {(400, f"Input not valid: {why}")}


@pytest.mark.parametrize("spelt", ["%", "%z1", "%ff", "a%C3/%A9", "\udcff"])
@pytest.mark.parametrize(
    "path", ["/{}", "/{}/answers", "/answers/a/{}", "/answers/{}/history/", "/docs/assets/{}", "/ping{}", "/answers/{}"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_a_path_that_is_no_text_is_not_valid_wherever_it_leads(
    writes: Api, method: str, path: str, spelt: str
) -> None:
    answer = await writes(method, path.format(spelt))

    assert answer.status_code == 400
    assert method == "HEAD" or answer.json()["error"].startswith("Input not valid: path ")


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_what_is_nowhere_is_not_found_and_never_a_redirect(writes: Api, method: str, path: str) -> None:
    answer = await writes(method, path)

    assert answer.status_code == 404
    assert answer.content == (b"" if method == "HEAD" else NOT_FOUND)
    assert answer.headers["content-type"] == "application/json"


async def test_a_file_that_the_documentation_lacks_is_not_found(writes: Api) -> None:
    for path in ("none.js", "", "..%2f__init__.py", "%2e%2e/__init__.py", "../__init__.py"):
        answer = await writes("GET", f"/docs/assets/{path}")

        assert (answer.status_code, answer.content) == (404, NOT_FOUND), path


@pytest.mark.parametrize("ranges", ["bytes=0-1", "bytes=a", "lines=1-2", "bytes=999999999-"])
async def test_a_file_of_the_documentation_comes_whole(writes: Api, ranges: str) -> None:
    answer = await writes("GET", "/docs/assets/swagger-ui.css", Range=ranges)

    assert (answer.status_code, len(answer.content) > 10_000) == (200, True)


ROUTES = {
    "/answers": "PATCH, POST",
    "/answers/name": "DELETE, GET, HEAD, PATCH",
    "/answers/name/history": "GET, HEAD",
    "/ping": "GET, HEAD",
    "/eventstore/ping": "GET, HEAD",
    "/health/live": "GET, HEAD",
    "/health/ready": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/openapi.json": "GET, HEAD",
    "/docs": "GET, HEAD",
    "/docs/assets/swagger-ui.css": "GET, HEAD",
}


@pytest.mark.parametrize(("path", "allowed"), ROUTES.items())
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
async def test_a_wrong_method_is_told_all_the_right_ones(writes: Api, method: str, path: str, allowed: str) -> None:
    answer = await writes(method, path)

    if method in allowed.split(", "):
        assert answer.status_code != 405
        return
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.content == (b"" if method == "HEAD" else NOT_ALLOWED)
    assert answer.headers["content-type"] == "application/json"


async def test_the_read_side_has_no_writes(reads: Api) -> None:
    targets = ("/answers", "/answers/name")
    answers = [await reads(method, target) for method in ("POST", "PATCH", "DELETE") for target in targets]

    assert {(each.status_code, each.headers["allow"]) for each in answers} == {(405, "GET, HEAD")}


async def test_one_port_has_every_route(together: Together, one_port: Api) -> None:
    key = a_key()
    await created(together.log, key)

    paths = ["/answers/{}", "/answers/{}/history", "/ping", "/eventstore/ping", "/projection/ping", "/health/live"]
    for path in [*paths, "/metrics", "/openapi.json", "/docs"]:
        assert (await one_port("GET", path.format(key))).status_code == 200, path
    assert (await one_port("PATCH", "/answers", f'{{"key":"{key}","value":"x"}}'.encode())).status_code == 200
    assert (await one_port("DELETE", f"/answers/{key}")).status_code == 200
    assert (await one_port("POST", "/answers", f'{{"key":"{key}","value":"x"}}'.encode())).status_code == 201


@pytest.mark.parametrize("path", ["/answers/{}", "/answers/{}/history", "/ping", "/health/live", "/metrics", "/docs"])
async def test_head_is_get_without_its_body(together: Together, writes: Api, path: str) -> None:
    key = a_key()
    await created(together.log, key)

    get, head = [await writes(method, path.format(key)) for method in ("GET", "HEAD")]

    changing = ("x-request-id", "content-length") if path == "/metrics" else ("x-request-id",)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in get.headers.items() if name not in changing
    }
