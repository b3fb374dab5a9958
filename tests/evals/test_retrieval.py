"""Retrieval is measured by the code that serves, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from coccinelle.evals.retrieval import BadEvaluationSet, evaluate, misspelt, read
from coccinelle.foundation.database import Database
from tests.knowledge.hashing import HashedWords

DOCUMENTS = {
    "d1": ("Remboursement", "Le remboursement est possible pendant quatorze jours."),
    "d2": ("Entretien", "La vidange comprend le filtre et quinze points de contrôle."),
    "d3": ("Réparation", "Une crevaison se répare en trente minutes sans réservation."),
    "d4": ("Publication", "Le calendrier éditorial prévoit trois publications."),
}
QUESTIONS = {
    "q1": ("Quel délai de remboursement ?", "d1"),
    "q2": ("Que comprend la vidange ?", "d2"),
}


def written(folder: Path, documents: dict[str, tuple[str, str]] = DOCUMENTS) -> Path:
    corpus = [{"_id": k, "title": t, "text": x} for k, (t, x) in documents.items()]
    queries = [{"_id": k, "text": text} for k, (text, _) in QUESTIONS.items()]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    grades = "\n".join(f"{k}\t{document}\t1" for k, (_, document) in QUESTIONS.items())
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{grades}\n", "utf-8")
    return folder


class Counting(HashedWords):
    """Remembers how many texts it embedded."""

    def __init__(self) -> None:
        self.embedded = 0

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        return await super().embed_queries(texts)


class Exact:
    """A reranker that knows nothing better."""

    async def rerank(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        return [(index, 1.0) for index in range(len(passages))]


async def test_every_stage_is_measured_on_the_folder(db: Database, tmp_path: Path) -> None:
    report = await evaluate(db, HashedWords(), written(tmp_path), reranker=Exact())

    assert (report.documents, report.questions, report.chunks) == (4, 2, 4)
    names = [stage.name for stage in report.stages]
    assert {"BM25", "dense", "fused", "fused + question vectors", "reranked"} <= set(names)
    assert report.stage("fused").ndcg_at_10 == report.stage("fused").recall_at_5 == 1
    assert all(stage.p95_ms >= stage.p50_ms > 0 for stage in report.stages)
    for name in names:
        assert f"| {name} | " in report.table()


async def test_an_evaluation_leaves_nothing_behind(db: Database, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    await evaluate(db, HashedWords(), written(tmp_path), progress=lambda *step: seen.append(step))

    assert ("BM25", 2, 2) in seen
    async with db.directory() as tx:
        left = await tx.value("SELECT count(*) FROM tenants WHERE slug LIKE 'evaluation-%'")
    assert left == 0


async def test_a_second_run_embeds_nothing(db: Database, tmp_path: Path) -> None:
    cache = tmp_path / "vectors.npz"
    first, second = Counting(), Counting()

    reports = [await evaluate(db, e, written(tmp_path), cache=cache) for e in (first, second)]

    assert first.embedded > 0
    assert second.embedded == 0
    assert reports[0].stage("dense").ndcg_at_10 == reports[1].stage("dense").ndcg_at_10


def test_titles_that_are_the_questions_are_not_indexed(tmp_path: Path) -> None:
    asked = {
        document: (next(t for t, d in QUESTIONS.values() if d == document), "Texte.")
        for document in ("d1", "d2")
    }

    assert read(written(tmp_path, DOCUMENTS | asked)).are_titles_asked
    assert not read(written(tmp_path)).are_titles_asked


@pytest.mark.parametrize("damage", ["missing", "not json", "no grades", "no text"])
def test_a_folder_of_another_form_is_refused(tmp_path: Path, damage: str) -> None:
    written(tmp_path)
    if damage == "missing":
        (tmp_path / "qrels.tsv").unlink()
    if damage == "not json":
        (tmp_path / "corpus.jsonl").write_text("<xml/>")
    if damage == "no grades":
        (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n")
    if damage == "no text":
        (tmp_path / "queries.jsonl").write_text('{"_id": "q1"}\n')

    with pytest.raises(BadEvaluationSet):
        read(tmp_path)


def test_misspelling_changes_long_words_only_and_always_alike() -> None:
    text = "Quel est le délai de remboursement ?"
    found = misspelt(text, typos=2, seed="q1")

    changed = [a for a, b in zip(text.split(), found.split(), strict=True) if a != b]
    assert set(changed) <= {"délai", "remboursement"}
    assert changed
    assert found == misspelt(text, typos=2, seed="q1")
