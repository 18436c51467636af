"""Event ids."""

import random
from collections.abc import Callable
from uuid import UUID


def id_maker() -> Callable[[], UUID]:
    """Makes random UUIDs (RFC 9562 version 4) from a generator of this process, seeded by the system: asking the system
    for each one would hand the interpreter to another thread in the middle of a request."""
    generator = random.Random(random.SystemRandom().getrandbits(256))
    return lambda: UUID(int=generator.getrandbits(128), version=4)
