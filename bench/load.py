"""Load on a server: wrk, with the scripts in `lua/`."""

import json
import subprocess
from pathlib import Path

from bench.rows import Sample
from bench.run import NotMeasured
from bench.servers import Server

_SCRIPTS = Path(__file__).with_name("lua")


def drive(server: Server, script: str, *arguments: object, connections: int = 64, seconds: int) -> Sample:
    """Requests of `script` from every connection as fast as replies come. Raises NotMeasured, also where one of
    them did not get a 2xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", f"{script}.lua", server.url]
    before = server.cpu_seconds()
    try:
        done = subprocess.run([*command, "--", *map(str, arguments)], cwd=_SCRIPTS, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotMeasured("wrk is missing: apt-get install wrk") from None
    spent = server.cpu_seconds() - before
    try:
        report = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise NotMeasured(f"wrk: {done.stdout}{done.stderr}") from None
    requests = report["requests"]
    failed = {kind: count for kind, count in report["failed"].items() if count}
    if failed or not requests:
        raise NotMeasured(f"{script}: of {requests} requests failed {failed}")
    return Sample(per_second=requests / report["microseconds"] * 1e6, cpu_us=spent / requests * 1e6)
