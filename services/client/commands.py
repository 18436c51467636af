"""`qaservice get`, `put`, `delete`, `history`, `list` and `watch`: the services' client."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.client.flags import TIMEOUT, URL, IfMatch, Json, Key, Prefix, ReadUrl, Timeout, Url, read_url
from services.exits import TROUBLE, one_line_for, said

if TYPE_CHECKING:
    import httpx

    from services.client.http import Server

app = typer.Typer()
PANEL = "Client"
_PAGE = 1000


@app.command(rich_help_panel=PANEL)
def get(
    key: Key,
    as_of: Annotated[
        str | None, typer.Option(metavar="WHEN", help="As it was: at a revision, or a time as 2026-01-31T12:00:00Z.")
    ] = None,
    current: Annotated[
        bool, typer.Option("--current", help="Read from the log itself, which always has the newest write.")
    ] = False,
    json: Json = False,
    url: Url = URL,
    read: ReadUrl = "",
    timeout: Timeout = TIMEOUT,
) -> None:
    """Print the value of an answer."""
    from services.client import show
    from services.client.answers import member, path_of, revision

    if current and as_of is not None:
        sys.exit(said("--as-of and --current exclude each other", TROUBLE))
    from_log = current or as_of is not None
    with _at(url if from_log else read_url(read, url), timeout) as server:
        when = {} if as_of is None else {"revision" if as_of.isdecimal() else "at": as_of}
        reply = server.read(path_of(key), when)
        value = member(reply, "value")
        if json:
            show.json_line(reply.json() | {"revision": revision(reply)})
        else:
            show.value(value)


@app.command(rich_help_panel=PANEL)
def put(
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="- is standard input, without its last newline.")],
    if_match: IfMatch = None,
    json: Json = False,
    url: Url = URL,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Create an answer, or update it."""
    from services.client import answers

    with _at(url, timeout) as server:
        text = sys.stdin.buffer.read().decode().removesuffix("\n") if value == "-" else value
        if if_match is None:
            _show_done(answers.put(server, key, text), key, json)
        else:
            _show_done(answers.update(server, key, text, if_match), key, json)


@app.command(rich_help_panel=PANEL)
def delete(key: Key, if_match: IfMatch = None, json: Json = False, url: Url = URL, timeout: Timeout = TIMEOUT) -> None:
    """Delete an answer; its history stays."""
    from services.client import answers

    with _at(url, timeout) as server:
        _show_done(answers.delete(server, key, if_match), key, json)


@app.command(rich_help_panel=PANEL)
def history(key: Key, json: Json = False, url: Url = URL, timeout: Timeout = TIMEOUT) -> None:
    """Show every event of an answer, oldest first."""
    from services.client import show
    from services.client.answers import pages, path_of

    rows = show.Rows(revision=8, time=27, event=7, value=None)
    with _at(url, timeout) as server:
        for page in pages(server, f"{path_of(key)}/history", {"limit": _PAGE, "include": "meta"}):
            if json:
                for event in page:
                    show.json_line(event)
            else:
                rows.print([_history_row(event) for event in page])


@app.command("list", rich_help_panel=PANEL)
def list_(
    prefix: Prefix = "", json: Json = False, url: Url = URL, read: ReadUrl = "", timeout: Timeout = TIMEOUT
) -> None:
    """List the answers that exist, in the order of their keys."""
    from services.client import show
    from services.client.answers import pages

    rows = show.Rows(key=None, value=None)
    with _at(read_url(read, url), timeout) as server:
        for page in pages(server, "/answers", {"limit": _PAGE, "prefix": prefix}):
            if json:
                for answer in page:
                    show.json_line(answer)
            else:
                rows.print([(answer["key"], answer["value"]) for answer in page])


@app.command(rich_help_panel=PANEL)
def watch(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", show_default=False)] = None,
    prefix: Annotated[str | None, typer.Option(help="All answers whose keys begin with this.")] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="WHERE", help="now (the default), start, or an id that --json showed."),
    ] = None,
    json: Json = False,
    url: Url = URL,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Follow the changes of an answer, or of all with a prefix."""
    from services.client import show
    from services.client.answers import path_of
    from services.client.watch import changes

    if (key is None) == (prefix is None):
        raise typer.BadParameter("give a KEY or --prefix")
    path, wanted = ("/watch", {"prefix": prefix or ""}) if key is None else (f"{path_of(key)}/watch", {})
    rows = show.Rows(event=7, key=None, value=None)
    with _at(url, timeout) as server:
        for change in changes(server, path, wanted | ({} if from_ is None else {"from": from_})):
            answer = _parsed(change.data)
            if json:
                show.json_line({"id": change.cursor, "type": change.type, **answer})
            else:
                rows.print([(show.event_name(change.type), answer["key"], answer["value"])])


@contextmanager
def _at(url: str, timeout: float) -> "Iterator[Server]":
    """A service to ask. Exit code 1: it refused; 2: trouble."""
    from services.client.http import Refused, Server, Trouble

    with one_line_for(Trouble, UnicodeError):
        try:
            with Server(url, timeout) as server:
                yield server
        except Refused as refusal:
            sys.exit(said(refusal, 1))
        except KeyboardInterrupt:
            sys.exit(130)


def _history_row(event: dict[str, Any]) -> tuple[str, ...]:
    from services.client.show import event_name

    meta = event["meta"]
    return str(meta["revision"]), meta["time"], event_name(event["type"]), event["data"]["value"]


def _show_done(reply: "httpx.Response", key: str, json: bool) -> None:
    from services.client import answers, show

    done, revision = answers.member(reply, "ok"), answers.revision(reply)
    if json:
        token = reply.headers["consistency-token"]
        show.json_line({"ok": done, "key": key, "revision": revision, "consistency_token": token})
    else:
        show.line(f"{show.event_name(done)}, revision {revision}")


def _parsed(data: str) -> Any:
    from json import loads

    return loads(data)
