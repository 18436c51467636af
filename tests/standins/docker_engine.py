"""Whether a Docker engine answers here."""

import gc
import warnings
from functools import cache


@cache
def refusal() -> str | None:
    """Why there is none; None: there is one."""
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # without an engine a socket is left to the garbage collector
        try:
            DockerClient().client.ping()
        except DockerException as error:
            reason = str(error)
        else:
            return None
        gc.collect()
    return reason
