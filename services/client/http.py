"""A service as its client sees it: requests that are repeated while that may help, and replies in words."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, repeat

import httpx

_REFUSALS = {(404, "Key not found"), (409, "Key exists"), (412, "Revision does not match")}
_AGAIN = (502, 503, 504)  # the first and the last come from proxies
_OUR_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_REPLY_SECONDS = 15.0  # a service replies within 10
_SILENCE_SECONDS = 90.0  # of a watch, which has a heartbeat every 15

Headers = Mapping[str, str]


class Refused(Exception):
    """The service understood and did nothing: there is no such answer, there is one, or it has another revision."""


class Trouble(Exception):
    """The service could not be asked, did not understand, or could not answer; the text says why."""


class Server:
    """One of the services."""

    def __init__(self, url: str, patience: float) -> None:
        """`patience` in seconds: how long a request is repeated while nobody answers, or with 503. Raises Trouble."""
        self._patience = patience
        try:
            self._client = httpx.Client(base_url=url, headers={"Accept": "application/json"})
        except httpx.InvalidURL as error:
            raise Trouble(f"{url}: {error}") from None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def read(self, path: str, parameters: Mapping[str, str | int] | None = None) -> httpx.Response:
        """The reply to a GET. Raises Refused, Trouble."""
        return self._reply("GET", path, dict(parameters or {}), {}, None)

    def write(self, method: str, path: str, body: object, headers: Headers) -> httpx.Response:
        """The reply to a command that carries an idempotency key: however often it is sent, it is done once. Raises
        Refused, Trouble."""
        return self._reply(method, path, {}, headers, body)

    @contextmanager
    def stream(
        self, path: str, parameters: Mapping[str, str], headers: Headers, patience: float | None = None
    ) -> Iterator[httpx.Response]:
        """The head of a reply whose body goes on. `patience` in seconds, where it is another. Raises Refused, Trouble,
        httpx.TransportError where it breaks off."""
        request = self._client.build_request(
            "GET", path, params=parameters, headers=headers, timeout=httpx.Timeout(5, read=_SILENCE_SECONDS)
        )
        response = self._sent(request, self._patience if patience is None else patience)
        try:
            yield response
        finally:
            response.close()

    def _reply(
        self, method: str, path: str, parameters: Mapping[str, str | int], headers: Headers, body: object
    ) -> httpx.Response:
        request = self._client.build_request(
            method,
            path,
            params=parameters or None,
            headers=headers,
            json=body,
            timeout=httpx.Timeout(_REPLY_SECONDS, connect=5),
        )
        response = self._sent(request, self._patience)
        try:
            response.read()
        except httpx.RequestError as fault:
            raise Trouble(f"{request.url}: the reply broke off: {fault}") from None
        return response

    def _sent(self, request: httpx.Request, patience: float) -> httpx.Response:
        """The head of a reply that is a success, and of the type that was asked for. Raises Refused, Trouble."""
        deadline = time.monotonic() + patience
        for pause in chain((0.1, 0.2, 0.5), repeat(1.0)):
            try:
                response = self._client.send(request, stream=True)
                if response.is_success:
                    if _type_of(response) != request.headers["accept"]:
                        raise not_ours(response)
                    return response
                response.read()
                error = _failure(response)
                if response.status_code not in _AGAIN:
                    raise error
                pause = max(pause, _retry_after(response))
            except _OUR_FAULT as fault:
                raise Trouble(f"{request.url}: {fault}") from None
            except httpx.RequestError as fault:
                error = Trouble(f"{request.url.copy_with(raw_path=b'/')} can't be reached: {fault}")
            if time.monotonic() + pause > deadline:
                raise error from None
            time.sleep(pause)
        raise AssertionError


def not_ours(response: httpx.Response) -> Trouble:
    """What to say of a reply that only another server can have given, or something between."""
    return Trouble(f"{response.url} answers {response.status_code}, and not as qaservice does")


def _type_of(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _failure(response: httpx.Response) -> Refused | Trouble:
    if response.status_code == 405:  # only the event store service takes commands, and only the other one lists
        is_list = response.request.method == "GET"
        wanted = "projection service: check --read-url" if is_list else "event store service: check --url"
        return Trouble(f"{response.url.copy_with(raw_path=b'/')} is no {wanted}")
    try:
        words = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return not_ours(response)
    return Refused(words) if (response.status_code, words) in _REFUSALS else Trouble(words)


def _retry_after(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else 0.0
