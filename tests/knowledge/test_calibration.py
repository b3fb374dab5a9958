"""The score below which nothing is answered."""

from __future__ import annotations

from itertools import product
from uuid import uuid4

import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge.calibration import OwnQuestion, calibrate, left_out, threshold
from coccinelle.knowledge.indexing import IndexedChunk
from coccinelle.knowledge.search import search
from tests.knowledge.hashing import HashedWords, chunk, learn, vector

SUBJECTS = ("vidange", "batterie", "peinture", "courroie", "climatisation", "pare-brise")
ASKED = ("prix", "durée", "garantie", "rendez-vous", "paiement", "facture", "livraison")


def test_until_there_are_thirty_questions_the_threshold_is_the_default() -> None:
    assert threshold([]) == threshold([0.9] * 29) == 0.30


def test_about_three_in_a_hundred_own_questions_score_below_the_threshold() -> None:
    scores = [0.28 + number / 1_000 for number in range(100)]

    found = threshold(scores)

    assert 2 <= sum(score < found for score in scores) <= 4


@pytest.mark.parametrize(("scores", "bound"), [([0.01] * 50, 0.25), ([0.99] * 50, 0.45)])
def test_the_threshold_stays_within_reason(scores: list[float], bound: float) -> None:
    assert threshold(scores) == bound


async def test_a_question_is_not_compared_with_its_own_entry(
    db: Database, rivoli: TenantId
) -> None:
    own = chunk("neuf heures", question="horaires du garage", kind="qa")
    await learn(db, rivoli, [own, chunk("horaires de la piscine")])
    async with db.tenant(rivoli) as tx:
        found = await search(
            tx,
            question="horaires du garage",
            vector=vector("horaires du garage"),
            agent_id=None,
            limit=5,
        )
    question = OwnQuestion("horaires du garage", own.id, uuid4(), is_title=False)

    assert found[0].chunk_id == own.id
    assert left_out(question, found) == pytest.approx(found[1].answer_score)


async def test_calibrating_keeps_the_threshold_of_that_tenant_alone(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    pairs = list(product(SUBJECTS, ASKED))
    entries = [
        chunk(f"Pour {asked} {subject} voyez ici", question=f"{asked} {subject}", kind="qa")
        for subject, asked in pairs
    ]
    await learn(db, rivoli, entries)
    await learn(db, nordlys, entries_of(nordlys))

    kept = [
        await calibrate(db, rivoli, HashedWords()),
        await calibrate(db, nordlys, HashedWords()),
    ]

    assert 0.25 <= kept[0] <= 0.45
    assert kept[1] == 0.30
    for tenant, value, questions in ((rivoli, kept[0], len(pairs)), (nordlys, 0.30, 0)):
        async with db.tenant(tenant) as tx:
            (row,) = await tx.records(
                "SELECT answer_threshold, calibrated_from FROM knowledge_bases"
            )
        assert row["answer_threshold"] == pytest.approx(value, abs=1e-4)
        assert row["calibrated_from"] == questions


def entries_of(tenant_id: TenantId) -> list[IndexedChunk]:
    return [chunk(f"vidange {tenant_id}", question="vidange", kind="qa")]


async def test_a_tenant_that_knows_nothing_is_not_asked(db: Database, rivoli: TenantId) -> None:
    assert await calibrate(db, rivoli, HashedWords()) == 0.30
