"""The second half of an ingestion: vectors for the chunks, each text embedded once.

Vectors are kept by the hash of their text as soon as they are made (float16, as they will be
indexed), so that a run that was killed, and a source that is read anew, embed only what is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import ChunkId, DocumentId, uuid7
from coccinelle.knowledge import store
from coccinelle.knowledge.chunking import Chunk, answers, embedded_text
from coccinelle.knowledge.indexing import IndexedChunk, IndexedDocument
from coccinelle.knowledge.model import Superseded
from coccinelle.knowledge.reading import Draft
from coccinelle.knowledge.run import Run
from coccinelle.providers.embeddings.model import Embedder, Vectors

BATCH_CHUNKS = 32
LOOK_UP_TEXTS = 2_000
KEPT_DAYS = 30

Purpose = Literal["query", "passage"]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Text:
    """A text to embed: as what is searched, or as a question that is asked."""

    purpose: Purpose
    text: str

    @property
    def sha256(self) -> bytes:
        """What its vector is kept by."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).digest()


async def embed(run: Run, drafts: Sequence[Draft]) -> list[IndexedDocument]:
    """The documents with a vector for each chunk, and one for what it answers.

    Progress is saved, and told, at each batch.

    Raises:
        EmbeddingUnavailable: the embedder is down; what it gave is kept.
        Superseded: the generation is not asked for any more.
    """
    pieces = [chunk for draft in drafts for chunk in draft.chunks]
    await _save_progress(run, {}, 0, len(pieces))
    known = await _known(run, list(dict.fromkeys(t for piece in pieces for t in _texts(piece))))
    for end, batch in _batches(pieces):
        missing = [t for t in dict.fromkeys(t for p in batch for t in _texts(p)) if t not in known]
        made = await _made(run.services.embedder, missing)
        known.update(made)
        await _save_progress(run, made, end, len(pieces))
    return [_indexed(position, draft, known) for position, draft in enumerate(drafts)]


async def prune(tx: TenantTx, model: str) -> None:
    """Forget vectors of texts that nobody embedded for a month, and those of another model."""
    await store.forget_vectors(tx, model=model, kept_days=KEPT_DAYS)


def _texts(chunk: Chunk) -> list[Text]:
    answered = answers(chunk)
    passage = Text("passage", embedded_text(chunk))
    return [passage] if answered is None else [passage, Text("query", answered[0])]


def _batches(pieces: Sequence[Chunk]) -> Iterator[tuple[int, Sequence[Chunk]]]:
    for start in range(0, len(pieces), BATCH_CHUNKS):
        batch = pieces[start : start + BATCH_CHUNKS]
        yield start + len(batch), batch


async def _known(run: Run, texts: Sequence[Text]) -> dict[Text, Vector]:
    """The vectors that are kept already."""
    known: dict[Text, Vector] = {}
    for start in range(0, len(texts), LOOK_UP_TEXTS):
        batch = texts[start : start + LOOK_UP_TEXTS]
        some: dict[tuple[str, bytes], Text] = {(t.purpose, t.sha256): t for t in batch}
        async with run.tx() as tx:
            rows = await store.vectors(
                tx, model=run.services.embedder.model, hashes=[sha for _, sha in some]
            )
        for row in rows:
            if text := some.get((row.purpose, row.text_sha256)):
                known[text] = _decoded(row.vector)
    return known


async def _made(embedder: Embedder, texts: Sequence[Text]) -> dict[Text, Vector]:
    passages = [text for text in texts if text.purpose == "passage"]
    queries = [text for text in texts if text.purpose == "query"]
    made: dict[Text, Vector] = {}
    if passages:
        made |= _named(passages, await embedder.embed_passages([text.text for text in passages]))
    if queries:
        made |= _named(queries, await embedder.embed_queries([text.text for text in queries]))
    return made


def _named(texts: Sequence[Text], vectors: Vectors) -> dict[Text, Vector]:
    return {text: _decoded(_encoded(vector)) for text, vector in zip(texts, vectors, strict=True)}


async def _save_progress(run: Run, made: dict[Text, Vector], done: int, total: int) -> None:
    rows = [(text.purpose, text.sha256, _encoded(vector)) for text, vector in made.items()]
    async with run.tx() as tx:
        if rows:
            await store.keep_vectors(tx, model=run.services.embedder.model, rows=rows)
        wanted = await store.save_progress(
            tx, source_id=run.source_id, generation=run.generation, done=done, total=total
        )
    if not wanted:
        raise Superseded
    run.progress(done, total)


def _encoded(vector: Vector) -> bytes:
    return vector.astype("<f2").tobytes()


def _decoded(kept: bytes) -> Vector:
    return np.frombuffer(kept, "<f2").astype(np.float32)


def _indexed(position: int, draft: Draft, known: dict[Text, Vector]) -> IndexedDocument:
    return IndexedDocument(
        id=DocumentId(uuid7()),
        position=position,
        title=draft.title,
        url=draft.url,
        content_sha256=draft.content_sha256,
        failure_code=draft.failure_code,
        chunks=tuple(_indexed_chunk(chunk, known) for chunk in draft.chunks),
    )


def _indexed_chunk(chunk: Chunk, known: dict[Text, Vector]) -> IndexedChunk:
    texts, answered = _texts(chunk), answers(chunk)
    weights = (1.0,) if answered is None else (1.0, answered[1])
    return IndexedChunk(
        id=ChunkId(uuid7()),
        position=chunk.position,
        kind=chunk.kind,
        heading=chunk.heading,
        question=chunk.question,
        text=chunk.text,
        indexed_text=texts[0].text,
        title_text=chunk.title,
        vectors=tuple(
            (slot, weight, known[text])
            for slot, (weight, text) in enumerate(zip(weights, texts, strict=True))
        ),
    )
