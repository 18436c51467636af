"""The flags of the client's commands."""

from typing import Annotated

import typer

Key = Annotated[str, typer.Argument(metavar="KEY", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar="QASERVICE_URL", help="Where the event store service is.")]
ReadUrl = Annotated[
    str,
    typer.Option(
        "--read-url",
        envvar="QASERVICE_READ_URL",
        help="Where the projection service is; by default --url with 8081 in place of 8080.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, an object on each line.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to go on trying while there is no answer.")]
IfMatch = Annotated[
    int | None, typer.Option(min=0, metavar="REVISION", help="Only if the answer is still at this revision.")
]
Prefix = Annotated[str, typer.Option(help="Only keys that begin with this.", show_default=False)]

URL = "http://localhost:8080"
TIMEOUT = 10.0


def read_url(given: str, url: str) -> str:
    """Where the projection service is."""
    if given:
        return given
    base = url.rstrip("/")
    return f"{base.removesuffix(':8080')}:8081" if base.endswith(":8080") else base
