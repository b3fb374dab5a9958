"""What the pages of knowledge show: sources in plain words, and whether a question is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coccinelle.engine.orchestrator import COVERAGE_WITHOUT_VECTORS
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.i18n import Locale, sentence
from coccinelle.knowledge import document_store
from coccinelle.knowledge.model import Document, Source
from coccinelle.knowledge.search import Passage
from coccinelle.knowledge.tester import Tested


@dataclass(frozen=True)
class Known:
    """A source in plain words: what was read of it, or why nothing could be."""

    source: Source
    documents: int
    failed: int
    passages: int
    why: str | None

    @property
    def percent(self) -> int:
        """How far it is understood, once all of it was read."""
        total = self.source.chunks_total
        return round(100 * self.source.chunks_done / total) if total else 0


@dataclass(frozen=True)
class Found:
    """A passage that the tester found.

    `sure` is between 0 and 1; `is_kept`: an answer would be made from it.
    """

    passage: Passage
    words: Sequence[str]
    sure: float
    is_kept: bool


@dataclass(frozen=True)
class Verdict:
    """Whether the assistant would answer, and from what; `best` and `threshold` are 0-1."""

    would_answer: bool
    by_words_only: bool
    best: float
    threshold: float
    passages: Sequence[Found]


async def known(tx: TenantTx, sources: Sequence[Source], lang: Locale) -> list[Known]:
    """The sources, in the order given."""
    counts = await document_store.counts(tx, [source.id for source in sources])
    read = {one.source_id: one for one in counts}
    return [_known(source, read.get(source.id), lang) for source in sources]


def told(document: Document, lang: Locale) -> str | None:
    """Why a document could not be read, if it could not."""
    return _why(document.failure_code, document.failure_values, lang)


def verdict(found: Tested, *, passages: int) -> Verdict:
    """What the assistant would do with what was found; `passages`: how many an answer takes."""
    best = max((one.answer_score for one in found.passages), default=0.0)
    would_answer = best >= found.threshold
    if found.by_words_only:
        would_answer = any(one.coverage >= COVERAGE_WITHOUT_VECTORS for one in found.passages)
    shown = [
        Found(
            one,
            found.words[one.chunk_id],
            _share(one.answer_score),
            is_kept=would_answer and place < passages,
        )
        for place, one in enumerate(found.passages)
    ]
    return Verdict(
        would_answer=would_answer,
        by_words_only=found.by_words_only,
        best=_share(best),
        threshold=found.threshold,
        passages=shown,
    )


def _known(source: Source, read: document_store.Counts | None, lang: Locale) -> Known:
    why = _why(source.failure_code, source.failure_values, lang)
    if read is None:
        return Known(source, 0, 0, 0, why)
    return Known(source, read.documents, read.failed, read.passages, why)


def _why(code: str | None, values: Mapping[str, Any] | None, lang: Locale) -> str | None:
    return None if code is None else sentence(code, lang, **(values or {}))


def _share(score: float) -> float:
    return min(1.0, max(0.0, score))
