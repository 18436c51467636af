"""The log's own id."""

from uuid import UUID

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.sqlite.reader import Reader

_STORE_ID = "SELECT id FROM store"


def store_id(reader: Reader) -> UUID:
    """What the log was called when it was made. Raises LogUnavailable."""
    row = reader.row(_STORE_ID)
    if row is None:
        raise LogUnavailable("the log has no store id")
    return UUID(row[0].decode())
