"""Every text of the pages has its English, and says the same with the same values."""

from __future__ import annotations

import re

from coccinelle.dashboard.translation import French, catalogue, translations
from tests.dashboard.catalogue import said

VALUES = re.compile(r"%\((\w+)\)s")


def test_every_text_is_translated() -> None:
    known = catalogue()
    missing = set()
    for file, text in said():
        message = known.get(text[0] if isinstance(text, tuple) else text)
        strings = message.string if message else ""
        parts = strings if isinstance(strings, list | tuple) else (strings,)
        if message is None or message.fuzzy or not all(parts) or message.id != text:
            missing.add((file, text))

    assert sorted(missing, key=str) == []


def test_nothing_is_translated_that_nobody_says() -> None:
    texts = {text for _, text in said()}

    assert [message.id for message in catalogue() if message.id and message.id not in texts] == []


def test_translations_have_the_values_of_what_they_translate() -> None:
    for message in catalogue():
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for string in strings:
            wanted = {name for text in ids for name in VALUES.findall(str(text))}
            assert set(VALUES.findall(str(string))) <= wanted, message.id


def test_no_line_begins_with_a_sign_in_french() -> None:
    said = translations("fr").gettext("Rien reçu ? « Oui » : 100 %% !")

    assert said == "Rien reçu\u00a0? «\u00a0Oui\u00a0»\u00a0: 100\u00a0%%\u00a0!"


def test_none_is_singular_in_french_and_plural_in_english() -> None:
    several = [
        translations(lang).ngettext("conversation", "conversations", 0) for lang in ("fr", "en")
    ]

    assert several == ["conversation", "conversations"]
    assert French().ngettext("un", "plusieurs", 2) == "plusieurs"
