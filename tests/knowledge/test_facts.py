"""Prices, hours and contacts as people write them, and what tells two of them apart."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coccinelle.knowledge.facts.contacts import emails, national, phones
from coccinelle.knowledge.facts.hours import WEEKDAYS, hours
from coccinelle.knowledge.facts.lines import Line, Piece, lines, sentences
from coccinelle.knowledge.facts.prices import name_of, prices
from coccinelle.knowledge.facts.statements import Statement


def read(text: str, *, title: str = "Page", heading: str = "", kind: str = "text") -> list[Line]:
    return list(lines([Piece(uuid4(), uuid4(), title, None, heading, text, None, kind)]))


def only(found: list[Statement]) -> Statement:
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("La coupe femme est à 45 €, conseils compris.", "coupe femme", {"45"}),
        ("Venez profiter de notre coupe femme à 42 € !", "coupe femme", {"42"}),
        ("- Coupe femme : 42 €", "coupe femme", {"42"}),
        ("- Coupe femme ........ 42,50 €", "coupe femme", {"42.5"}),
        ("Comptez 42 € pour la coupe femme.", "coupe femme", {"42"}),
        ("La douche coûte 4 200 €.", "douche", {"4200"}),
        (
            "Selon la longueur, le balayage est à 75 €, 90 € ou 110 €.",
            "balayage",
            {"75", "90", "110"},
        ),
        ("La couronne coûte de 500 à 650 €.", "couronne", {"500", "650"}),
        ("L'estimation est gratuite et sans engagement.", "estimation", {"0"}),
        ("The women's haircut costs 42 euros.", "women s haircut", {"42"}),
    ],
)
def test_a_price_is_read_with_its_service(text: str, name: str, values: set[str]) -> None:
    found = only(prices(read(text)))

    assert found.subject == name_of(name)
    assert found.values == values


def test_each_price_of_a_sentence_goes_to_its_own_service() -> None:
    text = "La vidange essence coûte 95 €, et la vidange diesel 109 €."
    found = {statement.subject: statement.values for statement in prices(read(text))}

    assert found == {name_of("vidange essence"): {"95"}, name_of("vidange diesel"): {"109"}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("La vidange est à 90 € HT.", "La vidange est à 90 €."),
        ("Le studio est à 520 € par mois.", "Le studio est à 520 €."),
        ("La recharge est à 139 € pour les véhicules récents.", "La recharge est à 139 €."),
        ("Le soir, la main-d'œuvre passe à 78 €.", "La main-d'œuvre est à 78 €."),
    ],
)
def test_tax_units_and_conditions_make_another_price(one: str, other: str) -> None:
    assert only(prices(read(one))).subject != only(prices(read(other))).subject


def test_an_offer_and_a_lowest_price_are_marked() -> None:
    assert only(prices(read("- Couleur : 54 € jusqu'au 30 novembre"))).is_offer
    assert only(prices(read("- Balayage : à partir de 75 €"))).at_least


def test_the_columns_of_a_table_are_prices_of_their_own() -> None:
    row = "Acte : Déplacement ; En semaine : 35 € ; La nuit : 60 €"
    found = {s.subject: s.values for s in prices(read(row, kind="table_row"))}

    assert found[name_of("déplacement")] == {"35", "60"}
    assert found[name_of("déplacement nuit")] == {"60"}


def test_a_share_is_a_price_of_fees_only() -> None:
    assert only(prices(read("Nos honoraires de vente sont de 5 % du prix."))).values == {"5"}
    assert prices(read("Remise de 20 % sur les shampooings.")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mardi au vendredi : 9h - 19h", {"mardi": "9:00-19:00", "vendredi": "9:00-19:00"}),
        ("Ouvert le samedi de 9 h à 12 h 30.", {"samedi": "9:00-12:30"}),
        ("Lundi : 8h00-12h00 / 13h30-18h00", {"lundi": "8:00-12:00 13:30-18:00"}),
        ("Fermé le dimanche et le lundi.", {"dimanche": "closed", "lundi": "closed"}),
        ("Lundi : fermé", {"lundi": "closed"}),
        (
            "Ouvert tous les jours de 11h à minuit.",
            {"mardi": "11:00-0:00", "dimanche": "11:00-0:00"},
        ),
        ("Monday to Friday: 9am-6pm", {"lundi": "9:00-18:00", "vendredi": "9:00-18:00"}),
        ("Nous vous accueillons de 9h à 19h du mardi au samedi.", {"samedi": "9:00-19:00"}),
    ],
)
def test_hours_are_read_by_weekday(text: str, expected: dict[str, str]) -> None:
    found = {s.label: next(iter(s.values)) for s in hours(read(text))}

    assert {day: found.get(day) for day in expected} == expected
    assert set(found) <= set(WEEKDAYS)


@pytest.mark.parametrize(
    "text",
    [
        "L'équipe se réunit le lundi matin de 9h à 10h.",
        "Les visites ont lieu du lundi au samedi.",
        "Mehdi est présent du mercredi au samedi.",
        "Portes ouvertes samedi 14 décembre de 10h à 18h.",
        "Le menu du lundi est à 12 €.",
    ],
)
def test_what_happens_on_a_day_is_no_opening(text: str) -> None:
    assert hours(read(text)) == []


def test_places_and_seasons_keep_hours_apart() -> None:
    contexts = [
        only(hours(read(text))).context
        for text in (
            "Ouvert le samedi de 9h à 18h.",
            "L'agence d'Auray est ouverte le samedi de 9h à 18h.",
            "En juillet, nous sommes ouverts le samedi de 9h à 18h.",
            "La terrasse est ouverte le samedi de 9h à 18h.",
            "Yoga doux : samedi de 9h à 18h",
        )
    ]

    assert contexts[0] == frozenset()
    assert len(set(contexts)) == len(contexts)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Tél. : 02 40 35 18 20", "0240351820"),
        ("Appelez le +33 2 40 35 18 20.", "0240351820"),
        ("Téléphone 02.40.35.18.20", "0240351820"),
        ("0033 240351820", "0240351820"),
    ],
)
def test_a_phone_number_is_read_as_people_write_it(text: str, number: str) -> None:
    assert only(phones(read(text))).values == {number}
    assert national(number) == number


def test_a_fax_is_no_phone_and_other_lines_are_other_purposes() -> None:
    assert phones(read("Fax : 02 40 35 18 21")) == []
    contexts = [
        only(phones(read(text))).context
        for text in (
            "Tél. 02 40 35 18 20",
            "Numéro d'urgence : 02 40 35 18 22",
            "Agence de Vannes : 02 40 35 18 23",
            "Julie Morel, négociatrice : 02 40 35 18 24",
            "Portable : 06 40 35 18 25",
        )
    ]

    assert len(set(contexts)) == len(contexts)


def test_an_address_of_a_person_is_left_out_and_a_purpose_kept() -> None:
    assert emails(read("julie.morel@agence.example")) == []
    assert only(emails(read("contact@agence.example"))).context == frozenset()
    assert only(emails(read("gestion@agence.example"))).context == {"for:gestion"}


def test_a_heading_within_a_chunk_heads_its_lines() -> None:
    found = read("Agence de Vannes\n7 place des Lices\n\nOuverte le lundi.")

    assert [line.headings for line in found] == [("Agence de Vannes",)] * 2


def test_abbreviations_end_no_sentence() -> None:
    assert sentences("Tél. 02 40 35 18 20. Ouvert.") == ["Tél. 02 40 35 18 20.", "Ouvert."]
