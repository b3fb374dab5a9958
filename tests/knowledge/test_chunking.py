"""What may be relied on about chunks: all of the text, in order, in pieces of the right size."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coccinelle.knowledge.chunking import Chunk, answers, chunks, embedded_text
from coccinelle.knowledge.parsing.model import Parsed, Section

SENTENCE = "La vidange comprend l'huile, le filtre et la main d'œuvre, sans supplément caché. "

words = st.text(alphabet="abcdefghijklmnopqrstuvwxyzéèàçœ'", min_size=1, max_size=14)
sentences = st.lists(words, min_size=1, max_size=60).map(lambda found: " ".join(found) + ".")
texts = st.lists(sentences, min_size=1, max_size=8).map("\n\n".join)
paths = st.lists(st.sampled_from(["Tarifs", "Horaires", "Accès"]), max_size=3).map(tuple)
sections = st.one_of(
    st.builds(Section, paths, st.sampled_from(("text", "table_row")), texts),
    st.builds(Section, paths, st.sampled_from(("text", "qa")), texts, sentences),
)
documents = st.builds(Parsed, words, st.lists(sections, max_size=12).map(tuple))


def of(*found: Section, title: str = "Guide") -> Parsed:
    return Parsed(title, found)


def text(body: str, *path: str, question: str | None = None) -> Section:
    return Section(path, "text", body, question)


def tokens(found: str) -> list[str]:
    return re.findall(r"\w+", found)


def is_subsequence(wanted: Sequence[str], found: Sequence[str]) -> bool:
    remaining = iter(found)
    return all(word in remaining for word in wanted)


@given(documents)
@settings(max_examples=150, deadline=None)
def test_no_word_of_any_section_is_lost_and_their_order_is_kept(document: Parsed) -> None:
    wanted = [word for section in document.sections for word in tokens(section.text)]

    found = [word for chunk in chunks(document) for word in tokens(chunk.text)]

    assert is_subsequence(wanted, found)


@given(documents)
@settings(max_examples=100, deadline=None)
def test_every_heading_above_a_section_is_in_a_chunk(document: Parsed) -> None:
    found = {
        line for c in chunks(document) for line in (*c.heading.split(" > "), *c.text.split("\n"))
    }

    assert {heading for s in document.sections for heading in s.heading_path} <= found


@given(documents, st.integers(300, 1_200), st.integers(0, 150))
@settings(max_examples=100, deadline=None)
def test_pieces_of_prose_keep_the_size_and_entries_twice_that(
    document: Parsed, max_chars: int, overlap_chars: int
) -> None:
    for chunk in chunks(document, max_chars=max_chars, overlap_chars=overlap_chars):
        is_entry = chunk.kind != "text" or chunk.question
        assert 0 < len(chunk.text) <= max_chars * (2 if is_entry else 1)


@given(documents)
@settings(max_examples=50, deadline=None)
def test_positions_count_from_zero(document: Parsed) -> None:
    assert [c.position for c in chunks(document)] == [*range(len(chunks(document)))]


def test_small_neighbours_under_one_heading_share_a_chunk_below_their_own_headings() -> None:
    found = chunks(
        of(
            text("Du lundi au vendredi.", "Venir", "Horaires"),
            text("Au 12, rue des Lilas.", "Venir", "Adresse"),
        )
    )

    assert [(c.heading, c.text) for c in found] == [
        ("Venir", "Horaires\nDu lundi au vendredi.\n\nAdresse\nAu 12, rue des Lilas.")
    ]


def test_sections_of_different_parents_are_not_joined() -> None:
    found = chunks(of(text("Un.", "A", "B"), text("Deux.", "C", "D")))

    assert [c.heading for c in found] == ["A > B", "C > D"]


def test_neighbours_are_joined_no_further_than_the_size() -> None:
    found = chunks(of(*(text(SENTENCE * 4, "Tarifs", str(at)) for at in range(6))))

    assert [len(tokens(c.text)) > 0 and len(c.text) <= 900 for c in found] == [True] * len(found)
    assert len(found) == 3


def test_a_row_of_a_table_is_one_chunk_with_its_headers() -> None:
    rows = [f"Prestation : Pneu {n} ; Prix TTC : {n} €" for n in (25, 35)]

    found = chunks(of(*(Section(("Tarifs",), "table_row", row) for row in rows)))

    assert [(c.text, c.kind) for c in found] == [(row, "table_row") for row in rows]


def test_a_question_and_its_answer_are_one_chunk_even_above_the_usual_size() -> None:
    answer = (SENTENCE * 15).strip()

    (found,) = chunks(of(Section((), "qa", answer, "Que comprend la vidange ?")))

    assert found.text == f"Que comprend la vidange ?\n{answer}"
    assert len(found.text) > 900


def test_each_part_of_a_very_long_answer_repeats_its_question() -> None:
    found = chunks(of(Section((), "qa", SENTENCE * 60, "Que comprend la vidange ?")))

    assert len(found) > 1
    assert all(c.text.startswith("Que comprend la vidange ?\n") for c in found)


def test_prose_is_cut_at_the_end_of_a_sentence() -> None:
    found = chunks(of(text(SENTENCE * 40)), overlap_chars=0)

    assert all(c.text.endswith("caché.") for c in found)


@pytest.mark.parametrize("abbreviation", ["M.", "Mme.", "Dr.", "av.", "Tél.".lower(), "art."])
def test_the_point_of_an_abbreviation_is_no_end_of_a_sentence(abbreviation: str) -> None:
    body = (
        f"Demandez {abbreviation} Durand, qui vous accompagne pour la suite de votre dossier. " * 30
    )

    found = chunks(of(text(body)), overlap_chars=0)

    assert not any(c.text.endswith(abbreviation) for c in found)
    assert all(c.text.endswith("dossier.") for c in found)


def test_only_pieces_of_one_section_overlap_and_by_no_more_than_asked() -> None:
    first, second = chunks(of(text(" ".join(f"mot{n}." for n in range(150)))), overlap_chars=100)

    shared = set(tokens(first.text)) & set(tokens(second.text))

    assert 0 < sum(len(word) + 2 for word in shared) <= 100


def test_an_overlap_of_more_than_two_hundred_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap_chars=201"):
        chunks(of(text("Bonjour.")), overlap_chars=201)


def test_the_title_and_the_headings_stand_once_in_front_of_what_is_embedded() -> None:
    (found,) = chunks(of(text("Ouvert.", "Guide", "Horaires")))

    assert embedded_text(found) == "Guide\nHoraires\nOuvert."


def test_a_text_that_begins_with_the_title_does_not_get_it_twice() -> None:
    (found,) = chunks(of(text("Guide\nOuvert.")))

    assert embedded_text(found) == "Guide\nOuvert."


def chunk(**fields: object) -> Chunk:
    usual: dict[str, object] = {"title": "Tarifs", "heading": "", "question": None, "kind": "text"}
    return Chunk(0, text="...", **{**usual, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (chunk(question="Où êtes-vous ?", kind="qa"), ("Où êtes-vous ?", 0.5)),
        (chunk(heading="Infos > Comment venir"), ("Comment venir", 0.5)),
        (chunk(title="Puis-je payer en trois fois ?"), ("Puis-je payer en trois fois ?", 0.5)),
        (chunk(heading="Pneus"), ("Tarifs", 0.2)),
        (chunk(kind="table_row"), None),
        (chunk(title=""), None),
    ],
)
def test_a_question_weighs_half_and_a_topical_title_a_fifth(
    found: Chunk, wanted: tuple[str, float] | None
) -> None:
    assert answers(found) == wanted


def test_a_long_document_gives_about_as_many_chunks_as_its_size_asks_for() -> None:
    paragraph = SENTENCE * 5
    found = chunks(of(*(text("\n\n".join([paragraph] * 10), f"Partie {n}") for n in range(32))))

    assert 130_000 / 900 <= len(found) <= 2 * 130_000 / 900
