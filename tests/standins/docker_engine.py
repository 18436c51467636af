"""Servers in containers, where a Docker engine answers that has their images or can get them."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TypeVar

from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

Container = TypeVar("Container", bound=DockerContainer)


class NotToBeHad(Exception):
    """No such server here; the text says why."""


@contextmanager
def started(make: Callable[[], Container]) -> Iterator[Container]:
    """A container that runs as long as the block. Raises NotToBeHad."""
    if reason := _refusal():
        raise NotToBeHad(f"Docker: {reason}")
    with ExitStack() as running:
        try:
            container = running.enter_context(make())
        except DockerException as error:
            raise NotToBeHad(f"Docker: {error}") from error
        yield container


@cache
def _refusal() -> str | None:
    """Why there is no engine; None: there is one."""
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
