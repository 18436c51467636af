"""Whether the service of this container is well: `healthcheck.py live` or `healthcheck.py ready`, exit code 0 or 1."""

import http.client
import os
import sys

PORTS = {"eventstore": 8080, "projector": 8082, "projection": 8081, "monolith": 8080}


def address() -> tuple[str, int]:
    """Where the service listens, as a client of the same container reaches it."""
    host, _, port = os.environ.get("IP_PORT", "").rpartition(":")
    host = host.strip("[]")
    return "localhost" if host in ("", "0.0.0.0", "::") else host, int(port or PORTS[os.environ["SERVICE"]])


def main(state: str) -> int:
    """0 if the service says it is in `state`; else 1, and why on standard output, where `docker inspect` shows it."""
    connection = http.client.HTTPConnection(*address(), timeout=10)
    try:
        connection.request("GET", f"/health/{state}")
        reply = connection.getresponse()
        print(reply.status, reply.read().decode())  # noqa: T201  the container engine shows it
    except OSError as error:
        print(error)  # noqa: T201  the container engine shows it
        return 1
    return 0 if reply.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
