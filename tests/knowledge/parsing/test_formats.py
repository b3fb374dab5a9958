"""Every format, from real files: what an owner wrote is found under its headings, row by row."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.knowledge.parsing import makers
from tests.knowledge.parsing.makers import (
    HOURS,
    PRICE_ROWS,
    PRICES,
    failure,
    headed,
    parsed,
    texts,
)

PAGE = """<!doctype html><html><head><title>Tarifs | Garage du Port</title><meta charset="utf-8">
<style>.cache {display:none} @media (max-width: 9px) {.etroit {display:none}}</style></head><body>
<nav><a href="/">Accueil</a><a href="/t">Nos tarifs</a></nav>
<div class="cookie-banner">Nous utilisons des cookies, acceptez-les.</div><main>
<h1>Nos tarifs</h1>
<p>Le garage propose des prestations claires, à prix fixe, pour tous les véhicules du quartier.</p>
<p style="display: none">SECRET-A</p><p class="cache">SECRET-B</p><!-- SECRET-C -->
<p hidden>SECRET-D</p><p style="font-size:0">SECRET-E</p>
<p class="etroit">Cette phrase se lit sur un écran de taille ordinaire, comme la
vôtre sans doute, et se garde.</p>
<table><tr><th>Prestation</th><th>Prix</th></tr>
<tr><td rowspan="2">Vidange</td><td>89 €</td></tr><tr><td>109 €</td></tr></table>
<h2>Faut-il payer d'avance ?</h2>
<p>Non, vous payez au retrait du véhicule, par carte ou en espèces, comme il vous plaira.</p>
<ul><li>Carte bancaire</li><li>Espèces</li></ul>
<details><summary>Acceptez-vous les chèques ?</summary>Non, plus depuis l'année dernière.</details>
</main><footer>Mentions légales</footer></body></html>"""


def test_word_gives_headings_lists_questions_and_rows_in_order() -> None:
    found = parsed(makers.word(), "guide.docx")

    assert found.title == "Guide d'accueil"
    assert [s.heading_path for s in found.sections][:2] == [
        ("Nos horaires",),
        ("Nos horaires", "Êtes-vous ouverts le dimanche ?"),
    ]
    answer = found.sections[1]
    assert answer.question == "Êtes-vous ouverts le dimanche ?"
    assert answer.text.startswith("Non, sauf dépannage.")
    assert "- Appelez le 01 99 00 12 34\n- Ou écrivez-nous" in answer.text
    assert texts(found, "table_row") == PRICE_ROWS


def test_a_bold_line_in_word_heads_what_follows_it() -> None:
    found = parsed(makers.word(bold_headings=True), "guide.docx")

    assert headed(found)[("Nos horaires",)].text == HOURS


def test_a_merged_cell_in_word_counts_for_each_of_its_rows() -> None:
    rows = [["Prestation", "Prix"], ["Vidange", "89 €"], ["", "109 €"]]

    found = parsed(makers.word_with_table(rows, [(1, 0, 2, 0)]), "t.docx")

    assert texts(found, "table_row") == [
        "Prestation : Vidange ; Prix : 89 €",
        "Prestation : Vidange ; Prix : 109 €",
    ]


def test_excel_gives_each_row_as_it_is_displayed_below_titles_and_two_lines_of_header() -> None:
    euros = "#,##0.00\\ [$€-40C]"
    data = makers.workbook(
        (
            "Tarifs",
            [
                ["Tarifs 2025 du garage", None, None, None, None],
                [],
                ["Prestation", "Prix", None, "Remise", "Depuis"],
                [None, "HT", "TTC", None, None],
                ["Révision", (1240.5, euros), (1488.6, euros), (0.05, "0%"), dt.date(2025, 1, 31)],
                ["Pneus"],
                ["Permutation", (20, euros), (24, euros), (0.1, "0%"), None],
            ],
        ),
        merged=["A1:E1", "B3:C3", "A3:A4", "D3:D4", "E3:E4"],
    )

    found = parsed(data, "tarifs.xlsx")

    assert texts(found) == ["Tarifs 2025 du garage"]
    assert texts(found, "table_row") == [
        "Prestation : Révision ; Prix HT : 1 240,50 € ; Prix TTC : 1 488,60 € ; Remise : 5 % ; "
        "Depuis : 31/01/2025",
        "Prestation : Permutation ; Prix HT : 20,00 € ; Prix TTC : 24,00 € ; Remise : 10 %",
    ]
    assert found.sections[-1].heading_path == ("Pneus",)


def test_each_sheet_of_a_workbook_is_a_heading_and_one_of_questions_gives_answers() -> None:
    data = makers.workbook(
        ("Articles", [["Nom", "Stock"], ["Pneu", 4]]),
        ("FAQ", [["Question", "Réponse"], ["Où êtes-vous ?", "Au 12, rue des Lilas."]]),
        ("Vide", []),
    )

    row, answer = parsed(data, "a.xlsx").sections

    assert (row.heading_path, row.text) == (("Articles",), "Nom : Pneu ; Stock : 4")
    assert (answer.heading_path, answer.kind) == (("FAQ",), "qa")
    assert (answer.question, answer.text) == ("Où êtes-vous ?", "Au 12, rue des Lilas.")


def test_an_old_workbook_is_read_like_a_new_one() -> None:
    found = parsed(makers.old_workbook(), "prix.xls")

    assert texts(found) == ["Nos prix au comptoir"]
    assert texts(found, "table_row") == [
        "Article : Café crème ; Prix : 1,50 € ; Depuis : 04/05/2025",
        "Article : Abonnement ; Prix : 1 234,50 € ; Depuis : 12345678901234",
    ]


def test_a_pdf_gives_headings_by_size_and_weight_whole_paragraphs_and_rows() -> None:
    found = parsed(makers.pdf(), "livret.pdf")

    assert found.title == "Livret d'accueil"
    assert headed(found)[("Nos horaires d'été",)].text == HOURS
    assert texts(found, "table_row") == PRICE_ROWS
    assert found.sections[-1].question == "Faut-il prendre rendez-vous ?"


def test_the_running_lines_of_a_pdf_are_left_out() -> None:
    pages = [f"Garage du Port - page {n}\n\nContenu propre numéro {'abcde'[n]}." for n in range(5)]

    whole = " ".join(texts(parsed(makers.pdf_of(*pages), "a.pdf")))

    assert "Garage du Port" not in whole
    assert all(f"numéro {letter}" in whole for letter in "abcde")


def test_a_page_gives_what_a_visitor_reads_and_nothing_that_is_hidden() -> None:
    found = parsed(PAGE.encode(), "t.html")
    whole = " ".join(s.text for s in found.sections)

    assert found.title == "Nos tarifs"
    assert not any(word in whole for word in ("SECRET", "cookies", "Accueil", "Mentions"))
    assert "écran de taille ordinaire" in whole
    assert texts(found, "table_row") == [
        "Prestation : Vidange ; Prix : 89 €",
        "Prestation : Vidange ; Prix : 109 €",
    ]
    questions = {s.question for s in found.sections if s.question}
    assert questions == {"Faut-il payer d'avance ?", "Acceptez-vous les chèques ?"}
    assert "- Carte bancaire\n- Espèces" in whole


def test_a_page_of_which_nothing_looks_like_content_is_read_whole() -> None:
    found = parsed(b"<html><body><footer>Ouvert de 9 h a 18 h</footer></body></html>", "t.html")

    assert texts(found) == ["Ouvert de 9 h a 18 h"]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "cp1252"])
def test_a_page_is_decoded_as_it_declares(encoding: str) -> None:
    page = f'<html><head><meta charset="{encoding}"></head><body><p>Été à Noël</p></body></html>'

    assert texts(parsed(page.encode(encoding), "t.html")) == ["Été à Noël"]


def test_markdown_gives_what_a_reader_sees() -> None:
    text = (
        "---\ntitle: Guide\n---\n# Accueil\n\nUn **gras**, un [lien](https://a.example). "
        "<!-- SECRET -->\n\nComment réserver ?\n---\n\nPar *téléphone*.\n\n"
        "```\n# pas un titre\n```\n\n"
        "| Jour | Horaires |\n|---|:---:|\n| Lundi | 9 h \\| 18 h |\n"
    )

    found = parsed(text.encode(), "g.md")

    assert found.title == "Guide"
    assert found.sections[0].text == "Un gras, un lien (https://a.example)."
    assert found.sections[1].question == "Comment réserver ?"
    assert "# pas un titre" in found.sections[1].text
    assert texts(found, "table_row") == ["Jour : Lundi ; Horaires : 9 h | 18 h"]


def test_text_gives_headings_and_marked_questions_with_their_answers() -> None:
    text = "HORAIRES\n\nOuvert.\n\nQ : Où ?\nR : Ici\nmême.\n\nQ : Quand ?\nR : Tout de suite."

    found = parsed(text.encode(), "notes.txt")

    assert [(s.question, s.text) for s in found.sections if s.kind == "qa"] == [
        ("Où ?", "Ici\nmême."),
        ("Quand ?", "Tout de suite."),
    ]


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "mac_roman", "utf-16", "utf-16-le"]
)
def test_csv_is_read_in_any_common_encoding_and_separator(separator: str, encoding: str) -> None:
    rows = [["Libellé", "Détail", "Prix"], ["Révision été", "à l'année", "89 EUR"]]
    rows += [["Contrôle complété", "où ça gêne", "25,50 EUR"]]
    quoted = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)

    assert texts(parsed(quoted.encode(encoding), "a.csv"), "table_row") == [
        "Libellé : Révision été ; Détail : à l'année ; Prix : 89 EUR",
        "Libellé : Contrôle complété ; Détail : où ça gêne ; Prix : 25,50 EUR",
    ]


def test_a_csv_with_decimal_commas_is_cut_at_its_semicolons() -> None:
    found = parsed(b"Article;Prix\nPneu;89,50\nJante;120,00\n", "a.csv")

    assert texts(found, "table_row") == [
        "Article : Pneu ; Prix : 89,50",
        "Article : Jante ; Prix : 120,00",
    ]


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_a_picture_of_french_text_keeps_its_accents(image_format: str) -> None:
    found = " ".join(texts(parsed(makers.picture(image_format), "photo")))

    assert "Horaires d'été : fermé à Noël." in found
    assert "Où êtes-vous situés" in found


def test_a_scanned_pdf_is_read_from_its_pictures() -> None:
    found = parsed(makers.scanned_pdf(), "scan.pdf")

    assert "fermé à Noël" in " ".join(s.text for s in found.sections)
    assert found.unread_pages == 0


def test_a_blank_picture_has_no_text() -> None:
    assert failure(makers.picture("PNG", " ", " ")) == "no_text"


@pytest.mark.parametrize(
    ("make", "misleading"),
    [
        (makers.pdf, "a.txt"),
        (makers.word, "a.xlsx"),
        (lambda: makers.workbook(("A", [["Nom", "Prix"], ["Pneu", 4]])), "a.docx"),
        (makers.old_workbook, "a.csv"),
        (PAGE.encode, "a.xls"),
    ],
)
def test_the_content_says_what_a_file_is_rather_than_its_name(make, misleading: str) -> None:  # type: ignore[no-untyped-def]
    assert parsed(make(), misleading) is not None


@pytest.mark.parametrize(
    ("data", "filename", "code"),
    [
        (b"", "a.txt", "empty_file"),
        (b"\xef\xbb\xbf \n", "a.csv", "empty_file"),
        (b"\x00\x01\x02" * 50, "a.txt", "unsupported_format"),
        (b"\x7fELF" + bytes(100), "a.txt", "unsupported_format"),
        (b"{\\rtf1 bonjour}", "a.txt", "unsupported_format"),
        (b'{"a": 1}', "a.json", "unsupported_format"),
        (b"GIF89a" + bytes(90), "a.gif", "unsupported_format"),
        (b"PK\x05\x06" + bytes(18), "a.zip", "unsupported_format"),
        (b"PK\x03\x04" + bytes(50), "a.docx", "unreadable_file"),
        (b"%PDF-1.7 rien", "a.pdf", "unreadable_file"),
        (b"\x89PNG\r\n\x1a\n1234", "a.png", "unreadable_file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.doc", "unsupported_format"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "a.xlsx",
            "encrypted",
        ),
    ],
)
def test_a_file_that_cannot_be_read_has_a_reason(data: bytes, filename: str, code: str) -> None:
    assert failure(data, filename) == code


def test_a_pdf_with_a_password_says_so() -> None:
    assert failure(makers.locked_pdf(), "a.pdf") == "encrypted"


def test_an_unlocked_pdf_with_restrictions_is_read() -> None:
    assert failure(makers.locked_pdf(password=""), "a.pdf") == "parsed"


def test_a_title_that_no_one_chose_gives_way_to_the_files_name() -> None:
    assert parsed(b"Nom;Prix\nPneu;25\n", "mes-tarifs_2025.csv").title == "Mes tarifs 2025"


def test_the_rows_of_a_price_list_never_lose_their_prices() -> None:
    lines = [PRICES[0], *([f"Prestation {n}", "tous", f"{n} €", f"{n} min"] for n in range(500))]

    found = texts(
        parsed("\n".join(";".join(line) for line in lines).encode(), "a.csv"), "table_row"
    )

    assert found == [
        f"Prestation : Prestation {n} ; Véhicule : tous ; Prix TTC : {n} € ; Durée : {n} min"
        for n in range(500)
    ]
