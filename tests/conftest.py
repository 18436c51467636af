"""What every test may use."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Tests marked `anyio`, and their async fixtures, run on the event loop that the services run on."""
    return "asyncio", {"use_uvloop": True}
