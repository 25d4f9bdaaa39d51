"""The clock of a real process."""

from datetime import UTC, datetime


class SystemClock:
    """The system's time."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)
