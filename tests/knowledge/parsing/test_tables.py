"""Where a table's header is, and what belongs to each row."""

from __future__ import annotations

import pytest

from coccinelle.knowledge.parsing.tables import table_sections

Rows = list[list[str]]


def rows(grid: Rows) -> list[str]:
    return [s.text for s in table_sections(grid, ()) if s.kind == "table_row"]


def test_the_header_is_found_below_titles_empty_lines_and_empty_columns() -> None:
    grid = [
        ["", "Tarifs 2025", "", ""],
        ["", "", "", ""],
        ["", "Prestation", "", "Prix"],
        ["", "Vidange", "", "89 €"],
    ]

    assert [(s.kind, s.text) for s in table_sections(grid, ())] == [
        ("text", "Tarifs 2025"),
        ("table_row", "Prestation : Vidange ; Prix : 89 €"),
    ]


def test_rows_below_a_lone_cell_are_under_its_heading() -> None:
    grid = [
        ["Soin", "Prix"],
        ["Visage", ""],
        ["Masque", "30 €"],
        ["Corps", ""],
        ["Gommage", "45 €"],
    ]

    assert [(s.heading_path, s.text) for s in table_sections(grid, ("Carte",))] == [
        (("Carte", "Visage"), "Soin : Masque ; Prix : 30 €"),
        (("Carte", "Corps"), "Soin : Gommage ; Prix : 45 €"),
    ]


def test_an_empty_first_cell_takes_the_value_above() -> None:
    grid = [
        ["Soin", "Durée", "Prix"],
        ["Massage", "une heure", "60 €"],
        ["", "deux heures", "110 €"],
    ]

    assert rows(grid)[1] == "Soin : Massage ; Durée : deux heures ; Prix : 110 €"


def test_a_second_table_in_the_sheet_has_its_own_header() -> None:
    grid = [["Soin", "Prix"], ["Masque", "30 €"], ["", ""], ["Produit", "Stock"], ["Crème", "12"]]

    assert rows(grid) == ["Soin : Masque ; Prix : 30 €", "Produit : Crème ; Stock : 12"]


def test_a_header_that_is_repeated_is_not_a_row() -> None:
    grid = [["Soin", "Prix"], ["Masque", "30 €"], ["Soin", "Prix"], ["Gommage", "45 €"]]

    assert rows(grid) == ["Soin : Masque ; Prix : 30 €", "Soin : Gommage ; Prix : 45 €"]


def test_a_note_below_the_table_is_text() -> None:
    note = "Prix au 1er janvier, toutes taxes comprises."

    found = table_sections([["Soin", "Prix"], ["Masque", "30 €"], [note, ""]], ())

    assert (found[-1].kind, found[-1].text) == ("text", note)


@pytest.mark.parametrize(
    ("grid", "wanted"),
    [
        ([["Lundi", "Fermé"], ["Mardi", "9 h - 18 h"]], ["Lundi : Fermé", "Mardi : 9 h - 18 h"]),
        (
            [
                ["Nom", "Garage du Port"],
                ["Téléphone", "01 99 00 12 34"],
                ["Adresse", "12 rue Haute"],
            ],
            ["Nom : Garage du Port", "Téléphone : 01 99 00 12 34", "Adresse : 12 rue Haute"],
        ),
        ([["Vidange", "89 €"], ["Pneu", "25 €"]], ["Vidange : 89 €", "Pneu : 25 €"]),
        (
            [["Soin", "2024", "2025"], ["Masque", "28 €", "30 €"]],
            ["Soin ; 2024 ; 2025", "Masque ; 28 € ; 30 €"],
        ),
    ],
)
def test_a_list_of_facts_has_no_header(grid: Rows, wanted: list[str]) -> None:
    assert rows(grid) == wanted


@pytest.mark.parametrize(
    "header",
    [["Question", "Réponse"], ["Q", "R"], ["QUESTIONS :", "RÉPONSES :"], ["Question", "Answer"]],
)
def test_a_table_of_questions_gives_questions_and_answers(header: list[str]) -> None:
    (found,) = table_sections([header, ["Où êtes-vous ?", "Au port."]], ())

    assert (found.kind, found.question, found.text) == ("qa", "Où êtes-vous ?", "Au port.")


def test_the_theme_of_a_question_is_its_heading() -> None:
    (found,) = table_sections(
        [["Thème", "Question", "Réponse"], ["Accès", "Où êtes-vous ?", "Au port."]], ("FAQ",)
    )

    assert found.heading_path == ("FAQ", "Accès")


def test_nothing_of_a_long_table_is_lost() -> None:
    grid = [["Soin", "Prix"], *([f"Soin {n}", f"{n} €"] for n in range(2_000))]

    assert rows(grid) == [f"Soin : Soin {n} ; Prix : {n} €" for n in range(2_000)]
