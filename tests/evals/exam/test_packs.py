"""Every sector has its customers' questions, in both languages, about topics that are known."""

from __future__ import annotations

import pytest

from coccinelle.agents.sectors import sectors as known_sectors
from coccinelle.evals.exam.model import Found
from coccinelle.evals.exam.packs import ANY_SECTOR, PRICE, pack, sectors, topics


def test_the_sectors_of_onboarding_have_a_pack_each() -> None:
    assert sectors() == set(known_sectors())
    assert len(sectors()) == 14


@pytest.mark.parametrize("sector", sorted(sectors()))
def test_a_pack_is_whole(sector: str) -> None:
    asked = pack(sector)

    assert 12 <= len(asked) <= 20
    for question in asked:
        assert question.topic in topics() or (question.topic == PRICE and question.about)
        assert question.text("fr").endswith(" ?")
        assert question.text("en").endswith("?")
        assert question.text("fr") != question.text("en")
    assert len({question.text("fr") for question in asked}) == len(asked)


def test_an_unknown_sector_is_asked_what_any_business_is() -> None:
    assert pack("astrologie") == pack(None) == pack(ANY_SECTOR)


@pytest.mark.parametrize("topic", sorted(topics()))
def test_a_topic_has_a_name_in_both_languages_and_a_way_to_be_recognised(topic: str) -> None:
    known = topics()[topic]

    assert known.label["fr"]
    assert known.label["en"]
    assert known.cues or known.fact


@pytest.mark.parametrize(
    ("topic", "text", "speaks"),
    [
        ("refund", "Toute prestation ratée est remboursée.", True),
        ("refund", "Remboursé par votre mutuelle.", False),
        ("payment", "Carte bancaire et espèces.", True),
        ("payment", "Offrez un chèque cadeau.", False),
        ("warranty", "Nos réparations sont garanties un an.", True),
        ("warranty", "La garantie des loyers impayés.", False),
        ("cancellation", "Annulation gratuite la veille.", True),
        ("cancellation", "Dans l'annuaire.", False),
    ],
)
def test_a_passage_speaks_of_a_topic_or_does_not(topic: str, text: str, speaks: bool) -> None:
    assert topics()[topic].speaks(text) == speaks


def test_what_was_found_is_told_as_people_count() -> None:
    found = Found(48, 31, ("hours",), ("refund",))

    assert found.told("fr") == (
        "48 pages, 31 prix, horaires : oui, politique de remboursement : introuvable"
    )
    assert found.told("en") == "48 pages, 31 prices, opening hours: yes, refund policy: not found"
    assert Found(1, 1, (), ()).told("fr") == "1 page, 1 prix"
