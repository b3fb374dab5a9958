"""Amounts of money that are written in words, in French and in English."""

from __future__ import annotations

import re

_VALUES = {
    word: value
    for words, value in (
        ("un une one", 1), ("deux two", 2), ("trois three", 3), ("quatre four", 4),
        ("cinq five", 5), ("six", 6), ("sept seven", 7), ("huit eight", 8), ("neuf nine", 9),
        ("dix ten", 10), ("onze eleven", 11), ("douze twelve", 12), ("treize thirteen", 13),
        ("quatorze fourteen", 14), ("quinze fifteen", 15), ("seize sixteen", 16),
        ("seventeen", 17), ("eighteen", 18), ("nineteen", 19), ("vingt vingts twenty", 20),
        ("trente thirty", 30), ("quarante forty", 40), ("cinquante fifty", 50),
        ("soixante sixty", 60), ("septante seventy", 70), ("octante huitante eighty", 80),
        ("nonante ninety", 90), ("cent cents hundred", 100), ("mille thousand", 1000),
    )
    for word in words.split()
}  # fmt: skip
_WORD = "|".join(sorted(_VALUES, key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b((?:{_WORD})(?:(?:[ -](?:et|and))?[ -](?:{_WORD}))*)"
    r"\s+(?:d')?(?:euros?|dollars?|pounds?)\b"
)


def spelled_amounts(folded: str) -> list[int]:
    """Every amount that a text, in lower case and without accents, gives in words."""
    return [_value(found) for found in _SPELLED.findall(folded)]


def _value(words: str) -> int:
    total = current = 0
    for word in re.split(r"[ -]", words):
        value = _VALUES.get(word, 0)
        if value == 1000:
            total, current = total + max(1, current) * 1000, 0
        elif value == 100:
            current = max(1, current) * 100
        elif value == 20 and current % 100 == 4:
            current += 76
        else:
            current += value
    return total + current
