"""Finds the passages that answer a question: words and vectors, fused, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId, ChunkId, DocumentId, SourceId
from coccinelle.knowledge.indexing import EXACT_LIMIT_CHUNKS, LONGEST_LEXEME, vector_literal
from coccinelle.knowledge.lexical import asked
from coccinelle.providers.rerank.model import Reranker, RerankUnavailable

CANDIDATES = 50
RERANKED = 20
LONGEST_QUESTION_LEXEMES = 32
COVERAGE_WEIGHT = 0.15

_K1 = 1.2
_B = 0.75
_SIMILAR = 0.4
_SHORTEST_REPAIRED = 4
_LAST_CHARACTER = "chr(1114111)"
_EF_SEARCH = 100
_MAX_SCAN_TUPLES = 4_000


@dataclass(frozen=True)
class Weights:
    """How much each list counts. What a chunk answers counts with the weight of its own vector,
    times `question`."""

    dense: float = 0.7
    bm25: float = 0.3
    question: float = 1.0


FUSED = Weights()
BM25_ONLY = Weights(dense=0.0, bm25=1.0, question=0.0)
DENSE_ONLY = Weights(dense=1.0, bm25=0.0, question=0.0)
WITHOUT_QUESTIONS = Weights(question=0.0)


@dataclass(frozen=True)
class Passage:
    """A chunk that may answer, and why.

    Args:
        score: fused, 0-1, comparable within one search only.
        dense: cosine of question and text, centred; None when either has no vector.
        question_dense: cosine of the question and the nearest of what the chunk answers.
        bm25: raw.
        coverage: share of the question's lexemes that the chunk has, weighted by their rarity.
    """

    chunk_id: ChunkId
    source_id: SourceId
    document_id: DocumentId
    title: str
    heading: str
    url: str | None
    text: str
    question: str | None
    kind: str
    agent_ids: tuple[AgentId, ...]
    score: float
    dense: float | None
    question_dense: float | None
    bm25: float
    coverage: float

    @property
    def answer_score(self) -> float:
        """How sure it is that this answers, comparable between searches of one tenant."""
        best = max(self.dense or 0.0, self.question_dense or 0.0)
        return best + COVERAGE_WEIGHT * self.coverage


async def search(
    tx: TenantTx,
    *,
    question: str,
    vector: NDArray[np.float32] | None,
    agent_id: AgentId | None,
    limit: int,
    weights: Weights = FUSED,
    exact_limit: int = EXACT_LIMIT_CHUNKS,
) -> list[Passage]:
    """The tenant's passages nearest to `question`, best first, at most `limit`; one statement.

    Args:
        vector: the question's, centred and of unit length; None searches by words alone.
        agent_id: whose passages; None for those of every agent.
        exact_limit: chunks above which the graph (HNSW) is searched instead of every vector.
    """
    found = await _run(
        tx,
        question=question,
        vector=vector,
        agents=[agent_id],
        limit=limit,
        weights=weights,
        exact_limit=exact_limit,
    )
    return [passage for _, passage in found]


async def search_agents(
    tx: TenantTx,
    question: str,
    vector: NDArray[np.float32] | None,
    agent_ids: Sequence[AgentId],
    limit: int,
    *,
    weights: Weights = FUSED,
    exact_limit: int = EXACT_LIMIT_CHUNKS,
) -> dict[AgentId, list[Passage]]:
    """What `search` gives for each of the agents that might answer, in one statement for all."""
    found = await _run(
        tx,
        question=question,
        vector=vector,
        agents=agent_ids,
        limit=limit,
        weights=weights,
        exact_limit=exact_limit,
    )
    return {
        agent_id: [passage for place, passage in found if place == scope]
        for scope, agent_id in enumerate(agent_ids, start=1)
    }


async def reranked(
    reranker: Reranker, question: str, passages: Sequence[Passage], limit: int
) -> list[Passage]:
    """The first `limit` passages in the reranker's order; in their own when it fails or is late.

    Call it with no transaction open: it waits for the network.
    """
    read = list(passages[:RERANKED])
    if len(read) < 2:
        return list(passages[:limit])
    try:
        order = await reranker.rerank(question, [_readable(passage) for passage in read], limit)
    except (RerankUnavailable, TimeoutError):
        return list(passages[:limit])
    chosen = dict.fromkeys(index for index, _ in order if 0 <= index < len(read))
    rest = [index for index in range(len(passages)) if index not in chosen]
    return [passages[index] for index in [*chosen, *rest]][:limit]


def _readable(passage: Passage) -> str:
    return "\n".join(part for part in (passage.title, passage.heading, passage.text) if part)


@dataclass(frozen=True)
class _Row:
    scope: int
    chunk_id: ChunkId
    source_id: SourceId
    document_id: DocumentId
    title: str
    heading: str
    url: str | None
    text: str
    question: str | None
    kind: str
    agent_ids: list[AgentId]
    score: float
    dense: float | None
    question_dense: float | None
    bm25: float
    coverage: float


async def _run(
    tx: TenantTx,
    *,
    question: str,
    vector: NDArray[np.float32] | None,
    agents: Sequence[AgentId | None],
    limit: int,
    weights: Weights,
    exact_limit: int,
) -> list[tuple[int, Passage]]:
    dense = 0.0 if vector is None else weights.dense
    values: dict[str, Any] = {
        "question": asked(question),
        "vector": None if vector is None else vector_literal(vector),
        "agents": list(agents),
        "limit": limit,
        "exact_limit": exact_limit,
        "dense": dense,
        "bm25": weights.bm25,
        "slots": 0.0 if vector is None else weights.question,
    }
    rows = await tx.all(_Row, statement(tx.tenant_id), values)
    return [(row.scope, _passage(row)) for row in rows]


def _passage(row: _Row) -> Passage:
    fields = {name: getattr(row, name) for name in _Row.__dataclass_fields__ if name != "scope"}
    return Passage(**{**fields, "agent_ids": tuple(row.agent_ids)})


def statement(tenant_id: UUID) -> str:
    """The whole search as SQL, with the tenant written into it.

    The planner must see whose rows they are: as a parameter, the tenant is an average one, and row
    level security alone is no help to it. Lexemes are found by equality and vectors by their
    order, because an index serves these under row level security. A look-up of single rows says
    `(SELECT tenant)` and `OFFSET 0`: of a tenant that statistics do not know yet, the planner
    expects one row in all, and would read all that there are to find it.
    """
    return _SEARCH.replace(":tenant", f"'{UUID(str(tenant_id))}'::uuid")


_SCOPE = "(s.agent_id IS NULL OR {row}.agent_ids = '{{}}' OR {row}.agent_ids @> ARRAY[s.agent_id])"
_IN_SCOPE_MATCH = _SCOPE.format(row="m")
_IN_SCOPE_VECTOR = _SCOPE.format(row="v")

_SEARCH = f"""
WITH base AS MATERIALIZED (
    -- The graph's own settings go with the decision to use it, for this transaction only.
    SELECT chunk_count::float8 AS chunks,
        lexeme_count::float8 / greatest(chunk_count, 1) AS lexemes_per_chunk,
        has_graph AND chunk_count > %(exact_limit)s
            AND set_config('hnsw.iterative_scan', 'relaxed_order', true) IS NOT NULL
            AND set_config('hnsw.ef_search', '{_EF_SEARCH}', true) IS NOT NULL
            AND set_config('hnsw.max_scan_tuples', '{_MAX_SCAN_TUPLES}', true) IS NOT NULL
            AS by_graph
    FROM knowledge_bases WHERE tenant_id = :tenant
), asked AS MATERIALIZED (
    SELECT %(vector)s::halfvec AS vector
), scopes AS MATERIALIZED (
    SELECT scope, agent_id FROM unnest(%(agents)s::uuid[]) WITH ORDINALITY AS a (agent_id, scope)
), words AS MATERIALIZED (
    SELECT w.lexeme, l.chunk_count
    FROM unnest(to_tsvector('public.fr', %(question)s::text)) w
    LEFT JOIN LATERAL (
        SELECT l.chunk_count FROM lexemes l
        WHERE l.tenant_id = (SELECT :tenant) AND l.lexeme = w.lexeme OFFSET 0
    ) l ON true
    WHERE length(w.lexeme) <= {LONGEST_LEXEME}
), known AS (
    SELECT lexeme, chunk_count FROM words WHERE chunk_count IS NOT NULL
    UNION
    SELECT coalesce(r.lexeme, w.lexeme), coalesce(r.chunk_count, 0)
    FROM words w LEFT JOIN LATERAL (
        SELECT l.lexeme, l.chunk_count FROM (
            SELECT l.lexeme, l.chunk_count FROM lexemes l
            WHERE l.tenant_id = (SELECT :tenant) AND l.lexeme >= left(w.lexeme, 1)
                AND l.lexeme < left(w.lexeme, 1) || {_LAST_CHARACTER}
            UNION ALL
            SELECT l.lexeme, l.chunk_count FROM lexemes l
            WHERE l.tenant_id = (SELECT :tenant) AND l.reversed >= reverse(right(w.lexeme, 3))
                AND l.reversed < reverse(right(w.lexeme, 3)) || {_LAST_CHARACTER}
        ) l
        WHERE length(w.lexeme) >= {_SHORTEST_REPAIRED}
            AND length(l.lexeme) BETWEEN length(w.lexeme) - 2 AND length(w.lexeme) + 2
            AND similarity(l.lexeme, w.lexeme) >= {_SIMILAR}
        ORDER BY similarity(l.lexeme, w.lexeme) DESC, l.chunk_count DESC, l.lexeme LIMIT 1
    ) r ON true
    WHERE w.chunk_count IS NULL
), terms AS MATERIALIZED (
    SELECT k.lexeme, ln(1 + (b.chunks - k.chunk_count + 0.5) / (k.chunk_count + 0.5)) AS idf
    FROM known k CROSS JOIN base b ORDER BY idf DESC, k.lexeme LIMIT {LONGEST_QUESTION_LEXEMES}
), matches AS MATERIALIZED (
    SELECT p.chunk_id, min(p.agent_ids) AS agent_ids, sum(t.idf) AS covered,
        sum(t.idf * p.tf * {_K1 + 1} / (p.tf + {_K1} * (
            {1 - _B} + {_B} * p.lexeme_count / b.lexemes_per_chunk))) AS bm25
    FROM terms t CROSS JOIN base b
    CROSS JOIN LATERAL (
        SELECT p.chunk_id, p.agent_ids, p.tf, p.lexeme_count FROM postings p
        WHERE p.tenant_id = (SELECT :tenant) AND p.lexeme = t.lexeme OFFSET 0
    ) p
    GROUP BY p.chunk_id
), by_words AS (
    SELECT s.scope, m.chunk_id FROM scopes s CROSS JOIN LATERAL (
        SELECT m.chunk_id FROM matches m WHERE {_IN_SCOPE_MATCH}
        ORDER BY m.bm25 DESC, m.chunk_id LIMIT {CANDIDATES}
    ) m
), graphed AS MATERIALIZED (
    SELECT s.scope, v.chunk_id, v.slot, v.distance FROM scopes s CROSS JOIN LATERAL (
        SELECT v.chunk_id, v.slot, v.embedding <#> (SELECT vector FROM asked) AS distance
        FROM chunk_vectors v
        WHERE v.tenant_id = :tenant AND v.in_graph AND {_IN_SCOPE_VECTOR}
            AND (SELECT vector IS NOT NULL FROM asked) AND (SELECT by_graph FROM base)
        ORDER BY v.embedding <#> (SELECT vector FROM asked) LIMIT {2 * CANDIDATES}
    ) v
), scanned AS MATERIALIZED (
    -- Also where the graph gave up early, because few of its vectors are in scope.
    SELECT v.chunk_id, v.agent_ids, v.slot, v.embedding <#> (SELECT vector FROM asked) AS distance
    FROM chunk_vectors v
    WHERE v.tenant_id = :tenant AND (SELECT vector IS NOT NULL FROM asked)
        AND (NOT (SELECT by_graph FROM base) OR
            (SELECT count(*) FROM graphed) < {2 * CANDIDATES} * (SELECT count(*) FROM scopes))
), by_text AS (
    SELECT s.scope, v.chunk_id FROM scopes s CROSS JOIN LATERAL (
        SELECT v.chunk_id FROM scanned v WHERE v.slot = 0 AND {_IN_SCOPE_VECTOR}
        ORDER BY v.distance LIMIT {CANDIDATES}
    ) v
), by_question AS (
    SELECT s.scope, v.chunk_id FROM scopes s CROSS JOIN LATERAL (
        SELECT v.chunk_id FROM scanned v WHERE v.slot > 0 AND {_IN_SCOPE_VECTOR}
        ORDER BY v.distance LIMIT {CANDIDATES}
    ) v
), by_graph AS (
    SELECT scope, chunk_id FROM (
        SELECT scope, chunk_id,
            row_number() OVER (PARTITION BY scope, slot > 0 ORDER BY distance) AS place
        FROM graphed
    ) g WHERE place <= {CANDIDATES}
), candidates AS (
    SELECT * FROM by_words UNION SELECT * FROM by_text
    UNION SELECT * FROM by_question UNION SELECT * FROM by_graph
), compared AS (
    SELECT c.scope, c.chunk_id, v.dense, v.question_dense, coalesce(v.weight, 0) AS weight,
        coalesce(m.bm25, 0) AS bm25, coalesce(m.covered, 0) AS covered
    FROM candidates c
    LEFT JOIN matches m ON m.chunk_id = c.chunk_id
    CROSS JOIN LATERAL (
        SELECT max(cosine) FILTER (WHERE slot = 0) AS dense,
            max(cosine) FILTER (WHERE slot > 0) AS question_dense,
            max(weight) FILTER (WHERE slot > 0) AS weight
        FROM (
            SELECT v.slot, v.weight, -(v.embedding <#> (SELECT vector FROM asked)) AS cosine
            FROM chunk_vectors v WHERE v.tenant_id = (SELECT :tenant) AND v.chunk_id = c.chunk_id
        ) v
    ) v
), scaled AS (
    SELECT *,
        coalesce((dense - min(dense) OVER w)
            / nullif(max(dense) OVER w - min(dense) OVER w, 0), (dense IS NOT NULL)::int) AS text,
        greatest(question_dense, 0) AS answers,
        coalesce(bm25 / nullif(max(bm25) OVER w, 0), 0) AS words
    FROM compared WINDOW w AS (PARTITION BY scope)
), fused AS (
    SELECT *, (%(dense)s * text + %(bm25)s * words + %(slots)s * weight * answers)
        / nullif(%(dense)s + %(bm25)s + %(slots)s * max(weight) OVER w, 0) AS score
    FROM scaled WINDOW w AS (PARTITION BY scope)
), placed AS (
    -- Within one table, the row that has more of the question's words goes first.
    SELECT f.*, c.source_id, c.document_id, c.kind,
        CASE WHEN c.kind = 'table_row' THEN c.document_id ELSE c.id END AS item
    FROM fused f CROSS JOIN LATERAL (
        SELECT c.id, c.source_id, c.document_id, c.kind FROM chunks c
        WHERE c.tenant_id = (SELECT :tenant) AND c.id = f.chunk_id OFFSET 0
    ) c
), ordered AS (
    SELECT *, row_number() OVER (PARTITION BY scope, item ORDER BY score DESC, chunk_id) AS nth,
        row_number() OVER (PARTITION BY scope, item
            ORDER BY covered DESC, score DESC, chunk_id) AS place
    FROM placed
), winners AS (
    SELECT r.scope, r.chunk_id, r.dense, r.question_dense, r.bm25, r.covered, s.score,
        row_number() OVER (PARTITION BY r.scope ORDER BY s.score DESC, r.chunk_id) AS rank
    FROM ordered r JOIN ordered s
        ON s.scope = r.scope AND s.item = r.item AND s.nth = r.place
)
SELECT w.scope::integer AS scope, c.id AS chunk_id, c.source_id, c.document_id, d.title,
    c.heading, d.url, c.text, c.question, c.kind, c.agent_ids,
    coalesce(w.score, 0)::float8 AS score, w.dense::float8 AS dense,
    w.question_dense::float8 AS question_dense, w.bm25::float8 AS bm25,
    coalesce(w.covered / nullif((SELECT sum(idf) FROM terms), 0), 0)::float8 AS coverage
FROM winners w
JOIN chunks c ON c.tenant_id = (SELECT :tenant) AND c.id = w.chunk_id
JOIN documents d ON d.tenant_id = (SELECT :tenant) AND d.id = c.document_id
WHERE w.rank <= %(limit)s ORDER BY w.scope, w.rank
"""
