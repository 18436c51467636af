"""A machine for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Machine, machine


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own, whose processes end with the test."""
    with machine(tmp_path) as made:
        yield made
