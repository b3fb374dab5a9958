"""What people are told, in French and in English, by the code of what happened."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Literal

Locale = Literal["fr", "en"]

LOCALES: tuple[Locale, ...] = ("fr", "en")
UNKNOWN = "internal"


def sentence(code: str, locale: Locale, **values: object) -> str:
    """The sentence of `code`; one that nobody wrote is that of an internal error.

    A value that the sentence mentions and nobody gave is shown as an ellipsis.
    """
    return template(code, locale).format_map(_Values(values))


def template(code: str, locale: Locale) -> str:
    """The sentence of `code` with the names of its values in braces."""
    written = _book()["sentences"]
    return written.get(code, written[UNKNOWN])[locale]


def text(name: str, locale: Locale, **values: object) -> str:
    """What an interface says by that name, with its values."""
    return _book()["texts"][name][locale].format_map(_Values(values))


def title(status: int, locale: Locale) -> str:
    """What an HTTP status means, in a few words."""
    written = _book()["titles"]
    return written.get(str(status), written["500"])[locale]


def codes() -> frozenset[str]:
    """Every code that has a sentence."""
    return frozenset(_book()["sentences"])


def locale_of(accept_language: str | None, default: Locale = "fr") -> Locale:
    """The language of ours that an Accept-Language header (RFC 9110, 12.5.4) prefers."""
    best, best_weight = default, 0.0
    for part in (accept_language or "")[:200].split(","):
        language, _, parameter = part.partition(";")
        weight = _weight(parameter)
        for ours in LOCALES:
            if language.strip().lower().split("-")[0] == ours and weight > best_weight:
                best, best_weight = ours, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


class _Values(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "…"


@functools.cache
def _book() -> dict[str, dict[str, dict[str, str]]]:
    text = resources.files(__package__).joinpath("sentences.toml").read_text("utf-8")
    return tomllib.loads(text)
