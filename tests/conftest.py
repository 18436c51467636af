"""What every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What runs the tests marked `anyio`, and their async fixtures. (In uvloop a test's time-out would not end it.)"""
    return "asyncio"
