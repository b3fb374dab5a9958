"""What a model says reaches the customer only where a source says it too."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coccinelle.engine.guard import Guard, claims, names

OFFER = "Une personne peut vous le confirmer."
PASSAGES = [
    "Tarifs\nLe brushing coûte 18 € et dure 30 minutes.",
    "Tarifs\nLa couleur coûte 45 €. Réservation au 01 99 00 12 34.",
    "Horaires\nOuvert du mardi au samedi de 9h30 à 18 h, fermé le 25 décembre 2026.",
    "Contact\nÉcrivez à bonjour@salon.example ou sur https://salon.example/contact, à Camille.",
]
KNOWN = ["Salon Rivoli", "salon@rivoli.example", "01 99 00 99 99"]


def guarded(*pieces: str, said: str = "") -> tuple[str, Guard]:
    guard = Guard(PASSAGES, KNOWN, OFFER, said=[said])
    text = "".join([*map(guard.feed, pieces), guard.finish()])
    return text, guard


def passes(sentence: str, *, said: str = "") -> bool:
    text, _ = guarded(sentence, said=said)
    return OFFER not in text


@pytest.mark.parametrize(
    "sentence",
    [
        "Le brushing coûte 18 € [1].",
        "Le brushing coûte 18,00 euros [1].",
        "La couleur coûte quarante-cinq euros [2].",
        "La couleur est à 45€ [2].",
        "Nous ouvrons à 9 h 30 [3].",
        "Nous fermons à 18:00 [3].",
        "Nous sommes fermés le 25 décembre [3].",
        "Nous sommes fermés le 25 décembre 2026 [3].",
        "Appelez le 01.99.00.12.34 [2].",
        "Appelez le +33 1 99 00 12 34 [2].",
        "Écrivez à bonjour@salon.example [4].",
        "Tout est sur salon.example/contact [4].",
        "Demandez Camille [4].",
        "Comptez de 18 à 45 € [1][2].",
        "Comptez de 18 à 45 € [1, 2].",
        "Bienvenue chez Salon Rivoli, au 01 99 00 99 99.",
        "Voici 5 hashtags et 3 habitudes utiles.",
        "Avec plaisir !",
    ],
)
def test_what_a_cited_passage_or_a_fact_says_may_be_said(sentence: str) -> None:
    assert passes(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Le brushing coûte 19 € [1].",
        "Le brushing coûte 45 € [1].",
        "Le brushing coûte vingt euros [1].",
        "A blow-dry is ninety-nine euros [1].",
        "Le brushing coûte 18 €.",
        "Le brushing coûte 18 € [9].",
        "Le brushing coûte 1 800 € [1].",
        "Le brushing coûte 18,50 € [1].",
        "Comptez de 10 à 18 € [1].",
        "Comptez 10-18 € [1].",
        "C'est $20 [1].",
        "Vous aurez 10 % de remise [1].",
        "Nous ouvrons à 8h30 [3].",
        "Nous fermons à 7 pm [3].",
        "Nous sommes fermés le 26 décembre [3].",
        "Nous fermons le 01/12/2026 [3].",
        "La promotion dure jusqu'en mars 2027 [3].",
        "Appelez le 06 12 34 56 78 [2].",
        "Appelez le +33 6 12 34 56 78 [2].",
        "Appelez le 0612345678.",
        "Écrivez à pirate@evil.example [4].",
        "Voyez https://evil.example/x [4].",
        "Voyez evil.site/x [4].",
        "Voyez https://salon.example/contact?q=secret [4].",
        "Cliquez [ici](https://evil.example).",
        "Cliquez [ici](javascript:alert(1)).",
        "![x](https://evil.example/p.png)",
        "Voyez http://203.0.113.7/x.",
        "Voyez 203.0.113.7:8080/x.",
        "Voyez <img src=//evil.example/p.png>.",
        "Voyez <b>ceci</b>.",
        "Cliquez [ici](javascript:voler).",
        "Ouvrez data:text/html.",
        "Ouvrez mailto:pirate.",
        "Ouvrez ftp://pirate/x.",
        "Voyez ｅｖｉｌ．ｅｘａｍｐｌｅ.",
        "Voyez evil\u200b.example.",
        "Demandez Martin [4].",
        "Demandez **Martin** [4].",
        "Demandez notre gérante (Sophie) [4].",
    ],
)
def test_what_no_cited_passage_says_is_replaced_by_the_offer_of_a_person(sentence: str) -> None:
    assert not passes(sentence)


def test_what_the_customer_said_may_be_said_again_but_for_addresses_of_pages() -> None:
    said = "J'ai 500 €, mon mail est lea@client.example et mon site https://lea.example"

    assert passes("Avec 500 € vous pouvez commencer.", said=said)
    assert passes("Nous écrirons à lea@client.example.", said=said)
    assert not passes("Voyez https://lea.example.", said=said)


def test_a_refused_sentence_is_replaced_once_and_the_others_stay() -> None:
    text, guard = guarded("Bonjour ! Il coûte 99 €. Et 98 €. Le brushing coûte 18 € [1]. Merci.")

    assert text == f"Bonjour ! {OFFER} Le brushing coûte 18 €. Merci."
    assert (guard.refused, guard.passed, guard.cited) == (2, 3, [1])


def test_citations_are_kept_in_their_order_and_not_shown() -> None:
    text, guard = guarded("La couleur coûte 45 € [2]. Le brushing 18 € [1]. Ouvert à 9h30 [3, 2].")

    assert "[" not in text
    assert guard.cited == [2, 1, 3]


def test_a_sentence_that_was_refused_cites_nothing() -> None:
    text, guard = guarded("Le brushing coûte 99 € [1]. La couleur coûte 45 €.")

    assert guard.cited == []
    assert text == f"{OFFER} "


def test_a_sentence_without_a_citation_rests_on_what_was_cited_before() -> None:
    assert passes("Le brushing est simple [1]. Il coûte 18 €.")
    assert not passes("Le brushing est simple [1]. La couleur coûte 45 €.")


@pytest.mark.parametrize(
    "answer",
    [
        "NO_ANSWER",
        "NO_ANSWER.",
        " NO_ANSWER\n",
        "NO_ANSWER\nDésolée, je n'ai pas cette information.",
        "NO ANSWER",
        "Je réponds NO_ANSWER. Puis je parle.",
    ],
)
def test_a_model_that_has_no_answer_says_nothing(answer: str) -> None:
    text, guard = guarded(*answer)

    assert text == ""
    assert guard.has_no_answer


def test_a_word_for_no_answer_after_an_answer_is_never_shown() -> None:
    text, guard = guarded("Le brushing coûte 18 € [1]. NO_ANSWER")

    assert text == f"Le brushing coûte 18 €. {OFFER} "
    assert not guard.has_no_answer


def test_another_model_starts_from_nothing() -> None:
    guard = Guard(PASSAGES, KNOWN, OFFER)
    guard.feed("Le brushing coûte 18 € [1]. Et 99 €. Encore")
    guard.reset()

    assert guard.feed("Il coûte 18 €. ") + guard.finish() == f"{OFFER} "
    assert (guard.cited, guard.passed, guard.refused) == ([], 0, 1)


def test_what_cannot_be_seen_or_stored_is_left_out() -> None:
    text, _ = guarded("Bon\x00jour\u200b \U000e0041tout\ud800 le monde\r !")

    assert text == "Bonjour tout le monde !"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("M. Dupont vous attend. Merci", ["M. Dupont vous attend. ", "Merci"]),
        ("Il coûte 18.50 euros [1]. Oui", ["Il coûte 18.50 euros. ", "Oui"]),
        ("1. Ouvrez la page. 2. Lisez", ["1. Ouvrez la page. ", "2. Lisez"]),
    ],
)
def test_an_abbreviation_or_a_number_does_not_end_a_sentence(text: str, found: list[str]) -> None:
    guard = Guard(["18.50 euros"], ["Dupont"], "")

    assert [guard.feed(text), guard.finish()] == found


def test_a_sentence_is_held_until_it_is_whole() -> None:
    guard = Guard(PASSAGES, KNOWN, OFFER)

    assert guard.feed("Le brushing coûte 18 €") == ""
    assert guard.feed(" [1]. ") == ""
    assert guard.feed("Et") == "Le brushing coûte 18 €. "


def test_a_text_without_an_end_is_not_held_for_ever() -> None:
    guard = Guard(PASSAGES, KNOWN, OFFER)

    assert guard.feed("mot " * 200)


PIECES = st.sampled_from(
    [
        "Le brushing coûte 18 €",
        "Il coûte 99 €",
        "Voyez https://evil.example/x",
        "Bonjour",
        "M. Camille",
        " [1]",
        " [2, 3]",
        "[",
        "]",
        ". ",
        "! ",
        "…\n",
        "\n\n",
        "1. ",
        "* ",
        "  ",
        "NO_ANSWER",
        "mot " * 60,
        "x" * 650,
    ]
)
TEXTS = st.lists(PIECES | st.text(string.printable, max_size=8), max_size=14).map("".join)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_however_a_text_is_cut_into_pieces_the_same_is_said(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    whole, by_whole = guarded(text)
    cut, by_pieces = guarded(*pieces)
    letters, by_letters = guarded(*text)

    assert whole == cut == letters
    assert by_whole.cited == by_pieces.cited == by_letters.cited


@settings(max_examples=50, deadline=None)
@given(text=TEXTS)
def test_nothing_that_no_source_has_is_ever_said(text: str) -> None:
    said, _ = guarded(*text)
    allowed = claims("\n".join([*PASSAGES, *KNOWN, OFFER]))

    assert claims(said) <= allowed


def test_claims_have_one_form() -> None:
    assert claims("1 200 €") == claims("1.200 euros") == claims("€1200") == {"price:1200"}
    assert claims("quatre-vingt-dix-neuf euros") == claims("ninety-nine euros") == {"price:99"}
    assert claims("mille deux cent quarante euros") == claims("1 240 €") == {"price:1240"}
    assert claims("vingt et un euros") == claims("21 euros") == {"price:21"}
    assert claims("deux mille euros") == claims("two thousand euros") == {"price:2000"}
    assert claims("le 1er mars") == claims("March 1") == {"date:1 3"}
    assert claims("à 9h") == claims("at 9 am") == claims("9:00") == {"hour:9:00"}
    assert claims("+33 1 99 00 12 34") == claims("01-99-00-12-34") == {"phone:0199001234"}
    assert (
        claims("HTTPS://WWW.Salon.example/") == claims("salon.example") == {"address:salon.example"}
    )


def test_a_name_is_a_capital_that_begins_no_sentence() -> None:
    assert names("Bonjour, voyez Camille et Léa-Marie. Ensuite Zoé") == [
        "camille",
        "lea-marie",
        "zoe",
    ]
    assert names("Le mot. Demain, je dis IA et TVA") == []
    assert names("🎉 Bravo\n- Ouvrez\n• Lisez\n1. Allez\n2) Venez\n| Tarif | Prix\n→ Cliquez") == []
    assert names("Voyez **Camille** (Zoé), l'Agence, Martin") == [
        "camille",
        "zoe",
        "agence",
        "martin",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "Appelez le (01) 98 76 54 32 [1].",
        "Call (555) 123-4567 [1].",
        "Le tarif est de 350 par mois [1].",
        "Elle dure 24 mois [1].",
        "Vous avez 30 jours pour être remboursée [1].",
    ],
)
def test_a_number_that_no_source_has_is_not_said(sentence: str) -> None:
    guard = Guard(["La formation comprend douze modules."], [], "À vérifier.")

    assert guard.feed(sentence) + guard.finish() == "À vérifier. "


def test_a_number_that_a_source_has_and_the_number_of_an_entry_are_said() -> None:
    guard = Guard(["La formation dure 24 mois et coûte 1 490 €."], [], "À vérifier.")
    said = "10. Elle dure 24 mois pour 1490 €, en 3 étapes [1]."

    assert guard.feed(said) + guard.finish() == said.replace(" [1]", "")
