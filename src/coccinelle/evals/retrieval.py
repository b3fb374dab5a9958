"""Measures search on a folder in BEIR's form, with the code that serves customers.

The folder has `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and
`qrels.tsv` (query, document, grade; a heading line). A document scores as its best chunk.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from coccinelle.evals import metrics
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import ChunkId, DocumentId, SourceId, TenantId, uuid7
from coccinelle.knowledge.chunking import Chunk, answers, chunks, embedded_text
from coccinelle.knowledge.indexing import IndexedChunk, IndexedDocument, replace_source
from coccinelle.knowledge.parsing import ParseLimits, markdown
from coccinelle.knowledge.search import (
    BM25_ONLY,
    DENSE_ONLY,
    FUSED,
    WITHOUT_QUESTIONS,
    Passage,
    Weights,
    reranked,
    search,
)
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.rerank.model import Reranker
from coccinelle.tenants.actions import OPTIONAL_FACTS
from coccinelle.tenants.store import insert_tenant

DEPTH_PASSAGES = 50
INDEX_TIMEOUT_MS = 600_000
EMBED_BATCH_TEXTS = 32
# From this share of questions that are titles of their own documents, titles are not indexed.
TITLES_AS_QUESTIONS = 0.5
TYPOS_PER_QUESTION = 2

# What customers are served with.
SERVED = "fused + question vectors"
# (name, weights, typos a question)
SETTINGS: tuple[tuple[str, Weights, int], ...] = (
    ("BM25", BM25_ONLY, 0),
    (f"BM25, {TYPOS_PER_QUESTION} typos", BM25_ONLY, TYPOS_PER_QUESTION),
    ("dense", DENSE_ONLY, 0),
    ("fused", WITHOUT_QUESTIONS, 0),
    (SERVED, FUSED, 0),
    (f"{SERVED}, {TYPOS_PER_QUESTION} typos", FUSED, TYPOS_PER_QUESTION),
)

Progress = Callable[[str, int, int], None]
Vector = NDArray[np.float32]


class BadEvaluationSet(Invalid):
    """The folder is not what an evaluation reads."""

    default_code = "bad_evaluation_set"


@dataclass(frozen=True)
class Question:
    """A question, and the grade of each document that answers it."""

    id: str
    text: str
    relevant: dict[str, int]


@dataclass(frozen=True)
class Document:
    """A document of the set."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class EvaluationSet:
    """Documents and judged questions; `are_titles_asked` when the questions are their titles."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    are_titles_asked: bool


@dataclass(frozen=True)
class Stage:
    """One way of searching, over all questions. Times are of the search alone."""

    name: str
    ndcg_at_10: float
    mrr_at_10: float
    recall_at_5: float
    recall_at_10: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Report:
    """What was measured, on what."""

    name: str
    documents: int
    chunks: int
    questions: int
    embedding_model: str
    are_titles_indexed: bool
    chunks_per_second: float
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """The stage of that name. Raises `KeyError`."""
        return {stage.name: stage for stage in self.stages}[name]

    def table(self) -> str:
        """The figures as a Markdown table, under a line that says what they are of."""
        titles = "with titles" if self.are_titles_indexed else "titles left out: they are asked"
        lines = [
            f"{self.name}: {self.documents} documents ({titles}), {self.chunks} chunks,"
            f" {self.questions} questions, {self.embedding_model};"
            f" indexed {self.chunks_per_second:.0f} chunks/s",
            "",
            "| stage | nDCG@10 | MRR@10 | recall@5 | recall@10 | p50 ms | p95 ms |",
            "|---|---|---|---|---|---|---|",
        ]
        return "\n".join([*lines, *(_line(stage) for stage in self.stages)])


async def evaluate(
    db: Database,
    embedder: Embedder,
    folder: Path,
    *,
    progress: Progress = lambda *_: None,
    cache: Path | None = None,
    reranker: Reranker | None = None,
) -> Report:
    """Index the folder for a tenant of its own, search each question in each way, forget it all.

    The tenant lives in one transaction that is undone: nothing is left, whatever ends the run.

    Args:
        progress: called with (what is done, how many, of how many).
        cache: file that keeps the vectors, so that another run embeds nothing.

    Raises:
        BadEvaluationSet: a file is missing, or is not of its form.
    """
    data = read(folder)
    vectors = _Vectors(embedder, cache, progress)
    pieces = _pieces(data)
    indexed = await _indexed(pieces, vectors)
    asked = await vectors.of("query", [question.text for question in data.questions])
    vectors.save()
    async with _scratch_tenant(db) as tx:
        seconds = await _index(tx, indexed, embedder.model)
        run = _Run(data, _owners(data, indexed), asked, progress)
        runs = {
            name: await run.searched(tx, name, weights, typos) for name, weights, typos in SETTINGS
        }
    stages = [run.measured(name, ranked) for name, ranked in runs.items()]
    if reranker is not None:
        stages.append(run.measured("reranked", await run.reranked(reranker, runs[SERVED])))
    count = sum(len(document.chunks) for document in indexed)
    return Report(
        name=data.name,
        documents=len(data.documents),
        chunks=count,
        questions=len(data.questions),
        embedding_model=embedder.model,
        are_titles_indexed=not data.are_titles_asked,
        chunks_per_second=count / seconds,
        stages=tuple(stages),
    )


def read(folder: Path) -> EvaluationSet:
    """The set in `folder`. Questions without a judged document are left out."""
    try:
        documents = tuple(
            Document(str(row["_id"]), str(row.get("title") or ""), str(row["text"]))
            for row in _lines(folder / "corpus.jsonl")
        )
        grades = _grades(folder / "qrels.tsv")
        questions = tuple(
            Question(str(row["_id"]), str(row["text"]), grades[str(row["_id"])])
            for row in _lines(folder / "queries.jsonl")
            if str(row["_id"]) in grades
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEvaluationSet(folder=folder.name) from error
    if not documents or not questions:
        raise BadEvaluationSet(folder=folder.name)
    return EvaluationSet(folder.name, documents, questions, _are_titles_asked(documents, questions))


def misspelt(text: str, *, typos: int, seed: str) -> str:
    """`text` with `typos` of its longer words misspelt: letters swapped, lost or doubled."""
    chance = random.Random(seed)  # noqa: S311
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) >= 5]
    for place in chance.sample(long, min(typos, len(long))):
        word, at = words[place], chance.randrange(1, len(words[place]) - 2)
        left, one, two, right = word[:at], word[at], word[at + 1], word[at + 2 :]
        words[place] = chance.choice(
            [left + two + one + right, left + two + right, left + one + one + two + right]
        )
    return " ".join(words)


def _line(stage: Stage) -> str:
    figures = (stage.ndcg_at_10, stage.mrr_at_10, stage.recall_at_5, stage.recall_at_10)
    shown = " | ".join(f"{figure:.3f}" for figure in figures)
    return f"| {stage.name} | {shown} | {stage.p50_ms:.1f} | {stage.p95_ms:.1f} |"


def _lines(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _grades(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for line in path.read_text("utf-8").splitlines()[1:]:
        if line.strip():
            query, document, grade = line.split("\t")
            grades.setdefault(query, {})[document] = int(grade)
    return grades


def _are_titles_asked(documents: Sequence[Document], questions: Sequence[Question]) -> bool:
    titles = {document.id: _folded(document.title) for document in documents}
    own = sum(
        any(titles.get(document) == _folded(question.text) for document in question.relevant)
        for question in questions
    )
    return own >= TITLES_AS_QUESTIONS * len(questions)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _pieces(data: EvaluationSet) -> list[tuple[Document, tuple[Chunk, ...]]]:
    """The product's own chunks: each text is read as Markdown, and cut as any document is."""
    found = []
    for document in data.documents:
        parsed = markdown.parse(
            document.text.encode("utf-8", "replace"), "document.md", ParseLimits()
        )
        title = "" if data.are_titles_asked else document.title
        found.append((document, chunks(replace(parsed, title=title))))
    return found


async def _indexed(
    pieces: Sequence[tuple[Document, tuple[Chunk, ...]]], vectors: _Vectors
) -> list[IndexedDocument]:
    flat = [chunk for _, group in pieces for chunk in group]
    texts = await vectors.of("passage", [embedded_text(chunk) for chunk in flat])
    second = [answers(chunk) for chunk in flat]
    asked = await vectors.of("query", list(dict.fromkeys(a[0] for a in second if a)))
    named = dict(zip(dict.fromkeys(a[0] for a in second if a), asked, strict=True))
    rows = iter(zip(flat, texts, second, strict=True))
    documents = []
    for position, (document, group) in enumerate(pieces):
        made = []
        for _ in group:
            chunk, text, answered = next(rows)
            extra = () if answered is None else ((1, answered[1], named[answered[0]]),)
            made.append(_chunk(chunk, ((0, 1.0, text), *extra)))
        documents.append(_document(document, position, tuple(made)))
    return documents


def _chunk(chunk: Chunk, vectors: tuple[tuple[int, float, Vector], ...]) -> IndexedChunk:
    return IndexedChunk(
        id=ChunkId(uuid7()),
        position=chunk.position,
        kind=chunk.kind,
        heading=chunk.heading,
        question=chunk.question,
        text=chunk.text,
        indexed_text=embedded_text(chunk),
        title_text=chunk.title,
        vectors=vectors,
    )


def _document(document: Document, position: int, made: tuple[IndexedChunk, ...]) -> IndexedDocument:
    digest = hashlib.sha256(document.text.encode()).digest()
    return IndexedDocument(
        DocumentId(uuid7()), position, document.title or document.id, None, digest, chunks=made
    )


def _owners(data: EvaluationSet, indexed: Sequence[IndexedDocument]) -> dict[ChunkId, str]:
    return {
        chunk.id: data.documents[document.position].id
        for document in indexed
        for chunk in document.chunks
    }


class _Undone(Exception):
    """Ends the transaction of a scratch tenant."""


@asynccontextmanager
async def _scratch_tenant(db: Database) -> AsyncIterator[TenantTx]:
    """The transaction of a tenant that never comes to be."""
    try:
        async with db.tenant(TenantId(uuid7()), timeout_ms=INDEX_TIMEOUT_MS) as tx:
            slug = f"evaluation-{uuid4().hex[:12]}"
            await insert_tenant(
                tx, slug=slug, company_name="Evaluation", facts=dict.fromkeys(OPTIONAL_FACTS)
            )
            yield tx
            raise _Undone
    except _Undone:
        return


async def _index(tx: TenantTx, documents: Sequence[IndexedDocument], model: str) -> float:
    """Seconds that indexing took."""
    source_id = SourceId(uuid7())
    await tx.run(
        "INSERT INTO sources (id, tenant_id, kind, title) VALUES (%s, %s, 'file', 'set')",
        [source_id, tx.tenant_id],
    )
    started = time.perf_counter()
    await replace_source(
        tx,
        source_id=source_id,
        agent_ids=[],
        documents=documents,
        embedding_model=model,
        generation=1,
    )
    return time.perf_counter() - started


class _Vectors:
    """Vectors by purpose and text, kept in a file between runs."""

    def __init__(self, embedder: Embedder, cache: Path | None, progress: Progress) -> None:
        self._embedder = embedder
        self._cache = cache
        self._progress = progress
        self._known: dict[str, Vector] = {}
        if cache is not None and cache.exists():
            with np.load(cache) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    async def of(self, purpose: str, texts: Sequence[str]) -> list[Vector]:
        missing = [t for t in dict.fromkeys(texts) if self._key(purpose, t) not in self._known]
        for start in range(0, len(missing), EMBED_BATCH_TEXTS):
            batch = missing[start : start + EMBED_BATCH_TEXTS]
            query = purpose == "query"
            embed = self._embedder.embed_queries if query else self._embedder.embed_passages
            for text, vector in zip(batch, await embed(batch), strict=True):
                self._known[self._key(purpose, text)] = vector
            self._progress(f"embed {purpose}", start + len(batch), len(missing))
        return [self._known[self._key(purpose, text)] for text in texts]

    def save(self) -> None:
        if self._cache is not None:
            vectors = np.array(list(self._known.values()), np.float32)
            np.savez(self._cache, keys=np.array(list(self._known)), vectors=vectors)

    def _key(self, purpose: str, text: str) -> str:
        named = f"{self._embedder.model}\n{purpose}\n{text}"
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Ranked:
    """Each question's passages, and the milliseconds that they took."""

    passages: list[list[Passage]]
    times_ms: list[float]


@dataclass(frozen=True)
class _Run:
    data: EvaluationSet
    owners: dict[ChunkId, str]
    vectors: Sequence[Vector]
    progress: Progress

    async def searched(self, tx: TenantTx, name: str, weights: Weights, typos: int) -> _Ranked:
        ranked = _Ranked([], [])
        for number in range(len(self.data.questions)):
            started = time.perf_counter()
            ranked.passages.append(await self._search(tx, number, weights, typos))
            ranked.times_ms.append((time.perf_counter() - started) * 1_000)
            self.progress(name, number + 1, len(self.data.questions))
        return ranked

    async def reranked(self, reranker: Reranker, fused: _Ranked) -> _Ranked:
        """Times are of the search and the reranking together."""
        ranked = _Ranked([], [])
        for number, question in enumerate(self.data.questions):
            started = time.perf_counter()
            passages = fused.passages[number]
            ranked.passages.append(
                await reranked(reranker, question.text, passages, DEPTH_PASSAGES)
            )
            took_ms = (time.perf_counter() - started) * 1_000
            ranked.times_ms.append(fused.times_ms[number] + took_ms)
            self.progress("reranked", number + 1, len(self.data.questions))
        return ranked

    def measured(self, name: str, ranked: _Ranked) -> Stage:
        pairs = [
            (list(dict.fromkeys(self.owners[p.chunk_id] for p in passages)), question.relevant)
            for passages, question in zip(ranked.passages, self.data.questions, strict=True)
        ]
        return Stage(
            name=name,
            ndcg_at_10=_mean([metrics.ndcg(*pair, depth=10) for pair in pairs]),
            mrr_at_10=_mean([metrics.reciprocal_rank(*pair, depth=10) for pair in pairs]),
            recall_at_5=_mean([metrics.recall(*pair, depth=5) for pair in pairs]),
            recall_at_10=_mean([metrics.recall(*pair, depth=10) for pair in pairs]),
            p50_ms=metrics.percentile(ranked.times_ms, 50),
            p95_ms=metrics.percentile(ranked.times_ms, 95),
        )

    async def _search(
        self, tx: TenantTx, number: int, weights: Weights, typos: int
    ) -> list[Passage]:
        question = self.data.questions[number]
        text = misspelt(question.text, typos=typos, seed=question.id) if typos else question.text
        return await search(
            tx,
            question=text,
            vector=None if weights.dense == 0 else self.vectors[number],
            agent_id=None,
            limit=DEPTH_PASSAGES,
            weights=weights,
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
