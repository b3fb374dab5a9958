"""A database whose every statement is seen, and may be the process's last."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from psycopg import AsyncCursor

from coccinelle.foundation.database import Database


class WatchedDatabase(Database):
    """Calls `seen` with the SQL before and after each statement that goes to the server."""

    def __init__(self, dsn: str, seen: Callable[[str], None]):
        super().__init__(dsn, max_connections=4)

        class Cursor(AsyncCursor[Any]):
            async def execute(self, query: Any, *rest: Any, **more: Any) -> Any:
                text = query.decode() if isinstance(query, bytes) else str(query)
                seen(f"before {text}")
                try:
                    return await super().execute(query, *rest, **more)
                finally:
                    seen(f"after {text}")

        assert isinstance(self._pool.kwargs, dict)
        self._pool.kwargs["cursor_factory"] = Cursor


class Recorder:
    """Keeps every statement, in order."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, moment: str) -> None:
        when, _, text = moment.partition(" ")
        if when == "before":
            self.statements.append(text)


class Reaper:
    """Ends the process by SIGKILL at the nth moment: before or after a statement."""

    def __init__(self, dies_at: int) -> None:
        self.left = dies_at
        self.is_armed = False

    def __call__(self, moment: str) -> None:
        if not self.is_armed:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
