"""Learns, from what a base itself answers, the score below which nothing is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge.chunking import QUESTION_WEIGHT, Chunk, answers
from coccinelle.knowledge.parsing.model import Kind
from coccinelle.knowledge.search import Passage, search
from coccinelle.providers.embeddings.model import Embedder

DEFAULT_THRESHOLD = 0.30
LOWEST_THRESHOLD = 0.25
HIGHEST_THRESHOLD = 0.45
FEWEST_QUESTIONS = 30
MOST_QUESTIONS = 200
REFUSED_SHARE = 0.03
BATCH_QUESTIONS = 16
PASSAGES = 10


@dataclass(frozen=True)
class OwnQuestion:
    """A question that the base itself answers, and where."""

    text: str
    chunk_id: UUID
    document_id: UUID
    is_title: bool


def threshold(scores: Sequence[float]) -> float:
    """The answer score that 3 % of the base's own questions do not reach.

    `scores` are those of the questions whose own entry was left out: with it they would find
    themselves, word for word, as no customer asks. What is there to answer with scores higher, so
    that fewer than 3 % of answerable questions are refused; questions off the subject score less
    (medians .13-.17, and .20-.27 at 90 %, on the two demo bases, where this gives .36 and .40).
    Within .25 and .45, and .30 until there are 30 scores.
    """
    if len(scores) < FEWEST_QUESTIONS:
        return DEFAULT_THRESHOLD
    found = float(np.quantile(np.asarray(scores), REFUSED_SHARE))
    return round(min(max(found, LOWEST_THRESHOLD), HIGHEST_THRESHOLD), 4)


async def calibrate(
    db: Database, tenant_id: TenantId, embedder: Embedder, *, most: int = MOST_QUESTIONS
) -> float:
    """Learn the tenant's threshold, keep it in `knowledge_bases`, and return it.

    At most `most` questions are asked, the same ones of an unchanged base. No transaction is open
    while they are embedded. A tenant that knows nothing keeps nothing.

    Raises:
        EmbeddingUnavailable: the embedder is down; the threshold stays as it was.
    """
    async with db.tenant(tenant_id) as tx:
        questions = await _own_questions(tx, most)
    scores: list[float] = []
    if len(questions) >= FEWEST_QUESTIONS:
        for start in range(0, len(questions), BATCH_QUESTIONS):
            batch = questions[start : start + BATCH_QUESTIONS]
            vectors = await embedder.embed_queries([question.text for question in batch])
            async with db.tenant(tenant_id) as tx:
                scores += [
                    await _score(tx, question, vector)
                    for question, vector in zip(batch, vectors, strict=True)
                ]
    found = threshold(scores)
    async with db.tenant(tenant_id) as tx:
        await tx.run(
            "UPDATE knowledge_bases SET answer_threshold = %s, calibrated_from = %s"
            " WHERE tenant_id = %s",
            [found, len(scores), tx.tenant_id],
        )
    return found


async def _score(tx: TenantTx, question: OwnQuestion, vector: NDArray[np.float32]) -> float:
    passages = await search(
        tx, question=question.text, vector=vector, agent_id=None, limit=PASSAGES
    )
    return left_out(question, passages)


def left_out(question: OwnQuestion, passages: Sequence[Passage]) -> float:
    """The best answer score of passages that are not the question's own entry."""
    return max((p.answer_score for p in passages if not _is_own(question, p)), default=0.0)


def _is_own(question: OwnQuestion, passage: Passage) -> bool:
    if question.is_title:
        return passage.document_id == question.document_id
    return passage.chunk_id == question.chunk_id or question.text in (
        passage.question,
        passage.heading.split(" > ")[-1],
    )


@dataclass(frozen=True)
class _Row:
    id: UUID
    document_id: UUID
    position: int
    title: str
    heading: str
    text: str
    question: str | None
    kind: Kind


async def _own_questions(tx: TenantTx, most: int) -> list[OwnQuestion]:
    """Drawn from all chunks that answer a question, in an order that depends on the text alone."""
    rows = await tx.all(
        _Row,
        "SELECT c.id, c.document_id, c.position, d.title, c.heading, c.text, c.question, c.kind"
        " FROM chunks c JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id"
        " WHERE c.tenant_id = %(tenant)s AND EXISTS (SELECT 1 FROM chunk_vectors v"
        "  WHERE v.tenant_id = %(tenant)s AND v.chunk_id = c.id AND v.slot > 0"
        "  AND v.weight >= %(weight)s)"
        " ORDER BY md5(c.text), c.id LIMIT %(most)s",
        {"tenant": tx.tenant_id, "weight": QUESTION_WEIGHT, "most": most},
    )
    found = [question for row in rows if (question := _own_question(row)) is not None]
    return list({question.text: question for question in found}.values())


def _own_question(row: _Row) -> OwnQuestion | None:
    chunk = Chunk(row.position, row.title, row.heading, row.text, row.question, row.kind)
    answered = answers(chunk)
    if answered is None or answered[1] < QUESTION_WEIGHT:
        return None
    is_title = answered[0] == row.title and answered[0] != row.question
    return OwnQuestion(answered[0], row.id, row.document_id, is_title)
