"""Text is NFC, visible, and decoded as whoever wrote it meant it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coccinelle.knowledge.parsing.cleaning import clean, decode

INVISIBLE = "\u200b\u200d\u2060\ufeff\u202e\u2066\ufe0f\U000e0041\U000e0100\u00ad\x00\ud800"


@pytest.mark.parametrize("char", INVISIBLE)
def test_what_no_reader_sees_is_stripped(char: str) -> None:
    assert clean(f"Ouv{char}ert") == "Ouvert"


@given(st.text())
def test_clean_text_is_composed_and_stays_as_it_is(text: str) -> None:
    once = clean(text)

    assert once == unicodedata.normalize("NFC", once)
    assert clean(once) == once
    once.encode()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "mac_roman", "cp850", "utf-16", "utf-16-be"]
)
def test_french_is_decoded_whatever_its_encoding(encoding: str) -> None:
    text = "L'été, la boutique est fermée à Noël ; ça coûte où bon vous plaît. Forêt, maïs."

    assert decode(text.encode(encoding)) == text


@given(st.binary())
def test_decoding_never_fails(data: bytes) -> None:
    assert isinstance(decode(data), str)


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_a_price_list_whose_only_foreign_character_is_the_euro_is_read(encoding: str) -> None:
    written = "Prestation;Prix\nCoupe;18 €\nBrushing;22€\n"

    assert decode(written.encode(encoding)) == written
