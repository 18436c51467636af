"""All that the headers promise, against a model: a dictionary of histories and the first replies of commands."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from qaservice.domain.codec import CREATED, DELETED, UPDATED
from tests.e2e.pairs import PAIRS, Trio, started
from tests.e2e.processes import THREE, Machine, http

TYPES = {"POST": CREATED, "PATCH": UPDATED, "DELETE": DELETED}
FIRST_REPLY = ("etag", "consistency-token", "location")
FEW = settings(
    max_examples=14,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

names = st.sampled_from(["a", "b/ü"])
values = st.sampled_from(["x", "y"])
conditions = st.sampled_from(["none", "none", "right", "wrong", "any", "list"])
retries = st.sampled_from([None, None, "1", "2"])


@dataclass
class History:
    """What happened to one key: type and value of each event, and the first replies of commands with a retry key."""

    events: list[tuple[str, str]] = field(default_factory=list)
    first: dict[tuple[str, str], tuple[str, httpx.Response]] = field(default_factory=dict)

    @property
    def revision(self) -> int:
        return len(self.events) - 1

    @property
    def exists(self) -> bool:
        return bool(self.events) and self.events[-1][0] != DELETED

    def condition(self, condition: str) -> tuple[str, bool]:
        """`If-Match` for a kind of condition, and whether an answer that exists matches it."""
        return {
            "right": (f'"{self.revision}"', True),
            "wrong": (f'"{self.revision + 1}", W/"{self.revision}"', False),
            "any": ("*", True),
            "list": (f'"77", "{self.revision}"', True),
        }[condition]

    def refusal(self, method: str, condition: str) -> tuple[int, str] | None:
        """Why a command that was not recorded before is refused."""
        if method == "POST":
            return ((409 if condition == "none" else 412), "Key exists") if self.exists else None
        if not self.exists:
            return 404, "Key not found"
        if condition != "none" and not self.condition(condition)[1]:
            return 412, "Revision does not match"
        return None


class Promises(RuleBasedStateMachine):
    """Commands, reads and restarts in any order; every reply is what the model says. `services` are set by a subclass,
    since hypothesis makes the instances."""

    services: Trio

    def __init__(self) -> None:
        super().__init__()
        self.run = uuid4()
        self.histories: dict[str, History] = {}
        self.token = ""
        self.restarted: set[str] = set()

    def of(self, name: str) -> tuple[str, History]:
        """The path of an answer of this run, and what happened to it."""
        path = f"/answers/{self.run}{quote(name, safe='')}"
        return path, self.histories.setdefault(name, History())

    @initialize(value=values)
    def begin(self, value: str) -> None:
        self.command("POST", "a", value, "none", "1")

    @rule(name=names, value=values, condition=st.sampled_from(["none", "any"]), retry=retries)
    def create(self, name: str, value: str, condition: str, retry: str | None) -> None:
        self.command("POST", name, value, condition, retry)

    @rule(name=names, value=values, condition=conditions, retry=retries)
    def update(self, name: str, value: str, condition: str, retry: str | None) -> None:
        self.command("PATCH", name, value, condition, retry)

    @rule(name=names, condition=conditions, retry=retries)
    def delete(self, name: str, condition: str, retry: str | None) -> None:
        self.command("DELETE", name, "", condition, retry)

    @rule(which=st.integers(0, 9), value=values, condition=conditions)
    def repeat(self, which: int, value: str, condition: str) -> None:
        done = [(name, *one) for name, history in self.histories.items() for one in history.first]
        name, method, retry = done[which % len(done)]
        self.command(method, name, "" if method == "DELETE" else value, condition, retry)

    def command(self, method: str, name: str, value: str, condition: str, retry: str | None) -> None:
        """Send a command and compare the reply."""
        _, history = self.of(name)
        headers = {} if retry is None else {"Idempotency-Key": retry}
        if condition != "none":
            headers |= {"If-None-Match": "*"} if method == "POST" else {"If-Match": history.condition(condition)[0]}
        reply = self.send(method, name, value, headers)
        remembered = history.first.get((method, retry or ""))
        if remembered is not None:
            self.replayed(reply, value, *remembered)
        elif (refusal := history.refusal(method, condition)) is not None:
            self.refused(reply, history, *refusal)
        else:
            self.done(reply, method, value, history)
            if retry is not None:
                history.first[method, retry] = (value, reply)

    @rule(name=names, known=st.booleans())
    def read_what_is_current(self, name: str, known: bool) -> None:
        path, history = self.of(name)
        self.answered(self.get(self.services.writes + path, history, known), name, history, known)

    @rule(name=names, known=st.booleans())
    def read_own_writes_on_the_other_service(self, name: str, known: bool) -> None:
        path, history = self.of(name)
        self.answered(self.get(self.services.reads + path, history, known, token=self.token), name, history, known)

    @rule(name=names)
    def read_history(self, name: str) -> None:
        path, history = self.of(name)
        reply = http.get(f"{self.services.writes}{path}/history")
        if not history.events:
            assert (reply.status_code, reply.json()) == (404, {"error": "Key not found"})
        else:
            told = [(event["type"], event["data"]["value"]) for event in reply.json()]
            assert told == history.events

    @rule(name=names, value=values)
    def write_while_the_projector_stands_still(self, name: str, value: str) -> None:
        path, history = self.of(name)
        before = History([*history.events])
        url, projector = self.services.reads + path, self.services.running["projector"].popen
        self.get(url, history, known=False, token=self.token).read()  # until here it has come
        projector.send_signal(signal.SIGSTOP)
        try:
            method = "PATCH" if history.exists else "POST"
            self.done(self.send(method, name, value, {}), method, value, history)
            strict = self.get(url, history, known=False, token=self.token, prefer="wait=0")
            lenient = self.get(url, history, known=False, token=self.token, prefer="wait=0, handling=lenient")
        finally:
            projector.send_signal(signal.SIGCONT)
        assert (strict.status_code, strict.json()) == (503, {"error": "Read model is behind"})
        assert lenient.headers["stale"] == "true"
        self.answered(lenient, name, before)
        self.answered(self.get(url, history, known=False, token=self.token), name, history)

    @precondition(lambda self: len(self.restarted) < 2)
    @rule(process=st.sampled_from(THREE))
    def restart(self, process: str) -> None:
        if process not in self.restarted:
            self.restarted.add(process)
            self.services.restart(process)

    def send(self, method: str, name: str, value: str, headers: dict[str, str]) -> httpx.Response:
        """The reply to a command."""
        path, _ = self.of(name)
        if method == "DELETE":
            return http.delete(self.services.writes + path, headers=headers)
        body = {"key": f"{self.run}{name}", "value": value}
        return http.request(method, f"{self.services.writes}/answers", json=body, headers=headers)

    def get(self, url: str, history: History, known: bool, token: str = "", prefer: str = "") -> httpx.Response:
        """The reply to a read, of a client that has the present revision already or no revision at all."""
        etag = f'W/"{history.revision}"' if known else ""
        headers = {"If-None-Match": etag, "Consistency-Token": token, "Prefer": prefer}
        return http.get(url, headers={name: value for name, value in headers.items() if value})

    def done(self, reply: httpx.Response, method: str, value: str, history: History) -> None:
        """It was recorded."""
        history.events.append((TYPES[method], value))
        self.token = reply.headers["consistency-token"]
        assert (reply.status_code, reply.json()) == (201 if method == "POST" else 200, {"ok": TYPES[method]})
        assert reply.headers["etag"] == f'"{history.revision}"'
        assert "idempotency-replayed" not in reply.headers
        assert ("location" in reply.headers) == (method == "POST")

    def replayed(self, reply: httpx.Response, value: str, first_value: str, first: httpx.Response) -> None:
        """It was recorded before, so whatever happened since, the first reply comes again; unless the value differs."""
        if value != first_value:
            assert reply.status_code == 422
            assert reply.json() == {"error": "Idempotency-Key was used with another value"}
            return
        assert (reply.status_code, reply.content) == (first.status_code, first.content)
        assert [reply.headers.get(each) for each in FIRST_REPLY] == [first.headers.get(each) for each in FIRST_REPLY]
        assert reply.headers["idempotency-replayed"] == "true"

    def refused(self, reply: httpx.Response, history: History, status: int, error: str) -> None:
        """It was not recorded, and says at which revision an answer that is in its way is."""
        assert (reply.status_code, reply.json()) == (status, {"error": error})
        assert reply.headers.get("etag") == (None if status == 404 else f'"{history.revision}"')

    def answered(self, reply: httpx.Response, name: str, history: History, known: bool = False) -> None:
        """A read shows the last event."""
        if not history.exists:
            assert (reply.status_code, reply.json()) == (404, {"error": "Key not found"})
            return
        assert reply.headers["etag"] == f'"{history.revision}"'
        if known:
            assert (reply.status_code, reply.content) == (304, b"")
        else:
            assert reply.status_code == 200
            assert reply.json() == {"key": f"{self.run}{name}", "value": history.events[-1][1]}


@pytest.fixture(params=PAIRS)
def services(request: pytest.FixtureRequest, here: Machine) -> Iterator[Trio]:
    """The three processes, ready."""
    yield from started(request.param, here, request)


def test_every_reply_in_any_order_of_commands_and_restarts_is_the_model_s(services: Trio) -> None:
    class Here(Promises):
        pass

    Here.services = services

    run_state_machine_as_test(Here, settings=FEW)
