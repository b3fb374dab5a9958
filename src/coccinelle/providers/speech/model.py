"""The port for voices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coccinelle.foundation.errors import NotFound, Unavailable


class VoicesUnavailable(Unavailable):
    """The provider of speech failed or was late: what was chosen stays."""

    default_code = "voices_unavailable"


class PreviewNotFound(NotFound):
    """The provider has no such voice, or nothing to hear of it."""

    default_code = "voice_preview_not_found"


@dataclass(frozen=True)
class ListedVoice:
    """A voice of a provider.

    `languages` are lower-case ISO 639-1 codes that it was made for or tested in; `gender` and
    `about` are the provider's words, and empty where it has none.
    """

    provider: str
    id: str
    name: str
    gender: str = ""
    about: str = ""
    languages: tuple[str, ...] = ()
    has_preview: bool = False


@dataclass(frozen=True)
class Preview:
    """Some seconds of a voice."""

    content: bytes
    media_type: str


class Voices(Protocol):
    """The voices of one provider."""

    @property
    def provider(self) -> str:
        """What versions of agents call it."""
        ...

    async def listed(self) -> tuple[ListedVoice, ...]:
        """All of them, in the provider's order; asked for at most every few minutes.

        Raises:
            VoicesUnavailable: the provider failed or was late, and none are known from before.
        """
        ...

    async def preview(self, voice_id: str, *, language: str = "fr") -> Preview:
        """The voice, in that language where there is such a preview.

        Raises:
            PreviewNotFound
            VoicesUnavailable
        """
        ...
