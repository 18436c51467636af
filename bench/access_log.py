"""What the access log costs."""

from collections.abc import Sequence
from functools import partial

from bench.load import drive
from bench.rows import Row, compared
from bench.run import Run
from bench.servers import ours, reference


def cost(run: Run) -> Sequence[Row]:
    """POST of new keys with the access log, against the same service without."""
    with (
        ours("eventstore", run.folder / "log-on") as on,
        reference("without_access_log", run.folder / "log-off") as off,
    ):
        samples = run.interleaved({"on": partial(drive, on, "create"), "off": partial(drive, off, "create")})
    return compared("POST with the access log, to without", samples["on"], samples["off"], 0.5)
