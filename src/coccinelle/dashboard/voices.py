"""Voices as forms offer them: two usual ones, those of the provider, and the one that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coccinelle.agents.model import Voice
from coccinelle.agents.voices_api import preview_path
from coccinelle.providers.speech.model import ListedVoice, Voices, VoicesUnavailable

KEPT = "kept"
MAX_SHOWN = 60


@dataclass(frozen=True)
class Choice:
    """A voice of the provider in a form."""

    value: str
    name: str
    about: str
    gender: str
    preview: str | None


@dataclass(frozen=True)
class Offer:
    """What the provider offers; `is_down` while it does not answer."""

    choices: tuple[Choice, ...] = ()
    is_down: bool = False
    ids: frozenset[str] = field(default_factory=frozenset)

    def has(self, voice: Voice | None) -> bool:
        """Whether that voice is among the choices."""
        return voice is not None and value_of(voice) in self.ids


async def offered(voices: Voices | None, *, language: str) -> Offer:
    """The provider's voices, those that speak `language` (`fr`, `en`) first; none without one."""
    if voices is None:
        return Offer()
    try:
        listed = await voices.listed()
    except VoicesUnavailable:
        return Offer(is_down=True)
    first = sorted(listed, key=lambda voice: language not in voice.languages)[:MAX_SHOWN]
    choices = _choices(first, language)
    return Offer(choices, ids=frozenset(choice.value for choice in choices))


def value_of(voice: Voice) -> str:
    """A voice as a form names it."""
    return voice.id if voice.provider == Voice().provider else f"{voice.provider}:{voice.id}"


def chosen(value: str, language: str, before: Voice) -> Voice:
    """The voice that a form names; the one from before keeps its settings."""
    if value in (KEPT, value_of(before)):
        return Voice(before.provider, before.id, language, before.settings)
    provider, _, own_id = value.partition(":")
    return Voice(provider, own_id, language) if own_id else Voice(id=value, language=language)


def _choices(listed: Sequence[ListedVoice], language: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            value=f"{voice.provider}:{voice.id}",
            name=voice.name,
            about=voice.about,
            gender=voice.gender,
            preview=f"{path}?language={language}" if (path := preview_path(voice)) else None,
        )
        for voice in listed
    )
