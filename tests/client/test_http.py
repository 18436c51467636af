"""What the client makes of a server's replies, and of none."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.client.answers import member, pages, path_of, revision, update
from services.client.http import Refused, Server, Trouble
from services.client.watch import changes

Reply = tuple[int, dict[str, str], object] | None
OK: Reply = (200, {"ETag": '"0"'}, {"ok": "AnswerUpdatedEvent"})
LATER: Reply = (503, {"Retry-After": "0"}, {"error": "Event store unavailable"})


class Asked:
    """What the server under the client was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[str] = []


@contextmanager
def answering(*replies: Reply) -> Iterator[Asked]:
    """A server that gives these replies, one after the other; None: it drops the connection. What is no text goes out
    as JSON, and says so unless its headers say otherwise."""
    coming = iter(replies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.keys.append(self.headers["Idempotency-Key"])
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            reply = next(coming)
            if reply is None:
                self.close_connection = True
                return
            status, headers, body = reply
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            known = {"Content-Type": "application/json", "Content-Length": str(len(content))}
            for name, value in (known | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        asked = Asked(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def written(asked: Asked, patience: float = 5) -> int:
    """The status of the reply to a command."""
    with Server(asked.url, patience) as server:
        return update(server, "name", "john", 0).status_code


def test_a_command_is_repeated_with_the_same_idempotency_key() -> None:
    with answering(LATER, None, LATER, OK) as asked:
        assert written(asked) == 200
    assert len(asked.keys) == 4
    assert len(set(asked.keys)) == 1


def test_two_commands_have_two_idempotency_keys() -> None:
    with answering(OK, OK) as asked:
        written(asked)
        written(asked)
    assert len(set(asked.keys)) == 2


def test_what_is_not_answered_in_time_is_given_up() -> None:
    with answering(*[LATER] * 6) as asked, pytest.raises(Trouble, match="Event store unavailable"):
        written(asked, patience=0.25)
    assert 1 < len(asked.keys) < 6


def test_a_server_that_says_when_is_not_asked_before() -> None:
    reply: Reply = (503, {"Retry-After": "60"}, {"error": "Event store unavailable"})
    with answering(reply, OK) as asked, pytest.raises(Trouble):
        written(asked)
    assert len(asked.keys) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error": "Key not found"}, Refused),
        (409, {"error": "Key exists"}, Refused),
        (412, {"error": "Revision does not match"}, Refused),
        (404, {"error": "Not found"}, Trouble),
        (404, ["another", "server"], Trouble),
        (400, {"error": "Input not valid: value is empty"}, Trouble),
        (413, {"error": "Input not valid: value is longer than 3 bytes"}, Trouble),
        (422, {"error": "Idempotency-Key was used with another value"}, Trouble),
        (500, {"error": "Internal server error"}, Trouble),
        (301, "", Trouble),
        (404, "<html>", Trouble),
    ],
)
def test_a_refusal_is_no_trouble(status: int, body: object, kind: type[Exception]) -> None:
    with answering((status, {}, body)) as asked, pytest.raises(kind):
        written(asked)
    assert len(asked.keys) == 1


def test_a_reply_that_breaks_off_is_trouble() -> None:
    cut: Reply = (200, {"Content-Length": "99"}, '{"ok":')
    with answering(cut) as asked, pytest.raises(Trouble, match=r"/answers/name: the reply broke off: "):
        written(asked)


def test_a_success_of_another_type_is_another_server() -> None:
    page: Reply = (200, {"Content-Type": "text/html"}, "<html>")
    told = r"/answers/name answers 200, and not as qaservice does$"
    with answering(page, page) as asked:
        with pytest.raises(Trouble, match=told):
            written(asked)
        with pytest.raises(Trouble, match=told), Server(asked.url, 5) as server:
            next(changes(server, path_of("name"), {}))
    assert len(asked.keys) == 2


def test_what_only_the_other_service_does_is_told_so() -> None:
    refusal: Reply = (405, {}, {"error": "Method not allowed"})
    with answering(refusal, refusal) as asked:
        with pytest.raises(Trouble) as told:
            written(asked)
        assert str(told.value) == f"{asked.url}/ is no event store service: check --url"
        with pytest.raises(Trouble) as told, Server(asked.url, 5) as server:
            next(pages(server, "/answers", {}))
        assert str(told.value) == f"{asked.url}/ is no projection service: check --read-url"


@pytest.mark.parametrize("body", ['{"ok', [], {}, "1"])
def test_json_of_another_server_is_trouble(body: object) -> None:
    reply: Reply = (200, {}, body)
    with answering(reply) as asked, Server(asked.url, 5) as server:
        given = update(server, "name", "john", 0)
    for read in (lambda: member(given, "ok"), lambda: revision(given)):
        with pytest.raises(Trouble, match="not as qaservice does"):
            read()


def test_a_page_that_is_no_list_is_trouble() -> None:
    other: Reply = (200, {}, {"a": 1})
    refused = pytest.raises(Trouble, match="not as qaservice does")
    with answering(other) as asked, Server(asked.url, 5) as server, refused:
        next(pages(server, "/answers", {}))


def test_a_tag_that_a_proxy_made_weak_is_the_same_revision() -> None:
    for tag in ('"3"', 'W/"3"'):
        with answering((200, {"ETag": tag}, {})) as asked, Server(asked.url, 5) as server:
            assert revision(update(server, "name", "john", 2)) == 3


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://localhost", "http://127.0.0.1:1", "http://a:b", ""])
def test_an_address_that_leads_nowhere_is_trouble(url: str) -> None:
    with pytest.raises(Trouble), Server(url, 0) as server:
        server.read("/answers")


@pytest.mark.parametrize(("key", "path"), [("name", "/answers/name"), ("a/b?ä", "/answers/a%2Fb%3F%C3%A4")])
def test_a_key_is_one_segment_of_a_path(key: str, path: str) -> None:
    assert path_of(key) == path
