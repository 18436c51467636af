"""How far the read model is behind, as the projection service sees it."""

from datetime import datetime

from qaservice.domain.errors import ReadModelUnavailable
from services.projection.ports import Answers


class Lag:
    """`confirmed`: the last moment, of those read so far, at which the read model held everything."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.confirmed: datetime | None = None

    async def refresh(self) -> None:
        """Look again; while the read model can't be read, the last moment known stays and the lag grows."""
        try:
            checkpoint = await self._answers.checkpoint()
        except ReadModelUnavailable:
            return
        if checkpoint is not None and checkpoint.confirmed is not None:
            self.confirmed = checkpoint.confirmed
