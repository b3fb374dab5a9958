"""How often a thing may be tried: counted in the database, over all processes, before any work."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from coccinelle.foundation.database import Database, UserTx
from coccinelle.foundation.errors import TooMany
from coccinelle.tenants.accounts import store


class TooManyAttempts(TooMany):
    """Tried too often; it may be tried again later."""

    default_code = "too_many_attempts"


@dataclass(frozen=True)
class Bound:
    """At most so many times in a sliding window, for one subject."""

    kind: str
    subject: str
    most: int
    window_seconds: int

    @property
    def key(self) -> str:
        """Under which it is counted: neither address nor e-mail is kept."""
        return hashlib.sha256(f"{self.kind}:{self.subject}".encode()).hexdigest()


async def count(db: Database, bounds: Sequence[Bound]) -> None:
    """Count one attempt, unless it is one too many: then nothing is counted.

    Raises:
        TooManyAttempts: says when the next one may be made.
        Unavailable: the database does not answer, and nobody comes in uncounted.
    """
    async with db.user(None) as tx:
        await count_in(tx, bounds)


async def count_in(tx: UserTx, bounds: Sequence[Bound]) -> None:
    """Count one attempt, if `tx` commits. Raises `TooManyAttempts`."""
    by_key = {bound.key: bound for bound in bounds}
    counted = await store.count_attempts(
        tx,
        subjects=list(by_key),
        windows_seconds=[bound.window_seconds for bound in by_key.values()],
    )
    if longest := max(_wait_seconds(row, by_key[row.subject]) for row in counted):
        raise TooManyAttempts(retry_after_seconds=longest, seconds=longest)


def _wait_seconds(row: store.CountRow, bound: Bound) -> int:
    """How long until one fewer is in the window; 0 when there is room."""
    if row.hits <= bound.most:
        return 0
    since = (row.now - row.oldest).total_seconds()
    return max(1, math.ceil(bound.window_seconds - since))
