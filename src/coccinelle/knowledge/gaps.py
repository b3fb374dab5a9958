"""What the team does with a question that found no answer: answer it, or leave it."""

from __future__ import annotations

from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge import answers, gap_store
from coccinelle.knowledge.model import Gap, GapNotFound, Order, Question, Settled


async def listed(
    tx: TenantTx, *, limit: int, after: UUID | None = None, order: Order = "latest"
) -> tuple[list[Gap], UUID | None]:
    """Questions without an answer, and what to give as `after` for the next ones."""
    found = await gap_store.gaps(tx, limit=limit + 1, after=after, order=order)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def get(tx: TenantTx, gap_id: UUID) -> Gap:
    """A question, open or settled. Raises `GapNotFound`."""
    found = await gap_store.gap(tx, gap_id)
    if found is None:
        raise GapNotFound
    return found


async def answer(tx: TenantTx, gap_id: UUID, text: str, *, locale: Locale = "fr") -> Gap:
    """Let the assistant answer a question by `text`, once a worker has read it.

    Asked again and without an answer still, the question is open again.

    Raises:
        GapNotFound: the business has no such question.
        Invalid: `text` is empty, too long, or cannot be stored.
        TooManyAnswers: as many answers as are kept are given already.
    """
    said = answers.checked(text, "text")
    await answers.one_at_a_time(tx)
    found = await get(tx, gap_id)
    await answers.give(tx, Question(found.question, said), locale=locale)
    return await _settle(tx, gap_id, "answered")


async def dismiss(tx: TenantTx, gap_id: UUID) -> Gap:
    """Take a question off the list for good: it needs no answer. Raises `GapNotFound`."""
    return await _settle(tx, gap_id, "dismissed")


async def reopen(tx: TenantTx, gap_id: UUID) -> Gap:
    """Put a question back on the list; an answer that it had stays. Raises `GapNotFound`."""
    return await _settle(tx, gap_id, None)


async def _settle(tx: TenantTx, gap_id: UUID, settled_as: Settled | None) -> Gap:
    found = await gap_store.settle(tx, gap_id, settled_as)
    if found is None:
        raise GapNotFound
    return found
