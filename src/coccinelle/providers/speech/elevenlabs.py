"""Voices of ElevenLabs.

Source: ElevenLabs API reference, "List voices" (`GET /v1/voices`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import msgspec
import structlog

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.providers.breaker import Breaker
from coccinelle.providers.model import Endpoint
from coccinelle.providers.speech.model import (
    ListedVoice,
    Preview,
    PreviewNotFound,
    VoicesUnavailable,
)
from coccinelle.providers.wire import Wire, WireError, target

PROVIDER = "elevenlabs"
MAX_VOICES = 500
MAX_PREVIEW_BYTES = 2 * 1024 * 1024
KEPT_PREVIEWS = 32
_ABOUT = ("accent", "descriptive", "description", "age")

log = structlog.get_logger(__name__)


class _Language(msgspec.Struct):
    language: str
    preview_url: str | None = None


class _Voice(msgspec.Struct):
    voice_id: str
    name: str | None = None
    labels: dict[str, str | None] | None = None
    preview_url: str | None = None
    verified_languages: list[_Language] | None = None


class _Body(msgspec.Struct):
    voices: list[_Voice]


_decode = msgspec.json.Decoder(_Body).decode


class ElevenLabsVoices:
    """`Voices` at a base URL that ends before `/v1` (`https://api.elevenlabs.io`).

    Args:
        wire: to the provider, whose address is the operator's.
        outgoing: to the addresses of previews, which are the provider's words.
        deadline_seconds: what a list waits for it at most.
        kept_seconds: how long a list is not asked for again.
        breaker: after three failures in a row it is not asked for a while.
    """

    def __init__(
        self,
        wire: Wire,
        outgoing: Outgoing,
        endpoint: Endpoint,
        *,
        deadline_seconds: float = 3.0,
        kept_seconds: float = 600.0,
        breaker: Breaker | None = None,
    ) -> None:
        self._wire = wire
        self._outgoing = outgoing
        self._target = target(endpoint, "/v1/voices", method="GET")
        self._deadline_seconds = deadline_seconds
        self._kept_seconds = kept_seconds
        self._breaker = breaker or Breaker(failures=3)
        self._asking = asyncio.Lock()
        self._known: tuple[float, dict[str, _Voice]] | None = None
        self._previews: OrderedDict[str, Preview] = OrderedDict()

    @property
    def provider(self) -> str:
        """See `Voices`."""
        return PROVIDER

    async def listed(self) -> tuple[ListedVoice, ...]:
        """See `Voices`. A list from before stands in for one that cannot be had."""
        return tuple(_listed(voice) for voice in (await self._voices()).values())

    async def preview(self, voice_id: str, *, language: str = "fr") -> Preview:
        """See `Voices`."""
        voice = (await self._voices()).get(voice_id)
        url = _preview_url(voice, language) if voice else None
        if url is None:
            raise PreviewNotFound
        if url not in self._previews:
            self._previews[url] = await self._fetched(url)
        self._previews.move_to_end(url)
        while len(self._previews) > KEPT_PREVIEWS:
            self._previews.popitem(last=False)
        return self._previews[url]

    async def _voices(self) -> dict[str, _Voice]:
        async with self._asking:
            if self._known and time.monotonic() - self._known[0] < self._kept_seconds:
                return self._known[1]
            try:
                found = await self._guarded()
            except VoicesUnavailable:
                if self._known is None:
                    raise
                return self._known[1]
            self._known = (time.monotonic(), found)
            return found

    async def _guarded(self) -> dict[str, _Voice]:
        if not self._breaker.allow():
            raise VoicesUnavailable
        try:
            found = await self._ask()
        except VoicesUnavailable as error:
            self._breaker.fail()
            log.warning("voices_not_listed", provider=PROVIDER, code=error.values.get("reason"))
            raise
        except BaseException:
            self._breaker.release()
            raise
        self._breaker.succeed()
        return found

    async def _ask(self) -> dict[str, _Voice]:
        until = asyncio.get_running_loop().time() + self._deadline_seconds
        try:
            reply = await self._wire.get(self._target, until=until)
            try:
                raw = await reply.body(until)
            finally:
                reply.close()
        except WireError as error:
            raise VoicesUnavailable(reason=error.code) from error
        if reply.status != 200:
            raise VoicesUnavailable(reason=f"status {reply.status}")
        try:
            voices = _decode(raw).voices
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise VoicesUnavailable(reason="malformed") from error
        return {voice.voice_id: voice for voice in voices[:MAX_VOICES] if voice.voice_id}

    async def _fetched(self, url: str) -> Preview:
        try:
            found = await self._outgoing.get(url, accept="audio/*", max_bytes=MAX_PREVIEW_BYTES)
        except Invalid as error:
            raise VoicesUnavailable(reason=error.code) from error
        if found.status != 200 or not found.media_type.startswith("audio/"):
            raise PreviewNotFound
        return Preview(found.body, found.media_type)


def _listed(voice: _Voice) -> ListedVoice:
    labels = {key: value for key, value in (voice.labels or {}).items() if value}
    said = [language.language for language in voice.verified_languages or []]
    languages = [*said, *([labels["language"]] if "language" in labels else [])]
    about = [labels[key].replace("_", " ") for key in _ABOUT if key in labels]
    return ListedVoice(
        provider=PROVIDER,
        id=voice.voice_id,
        name=voice.name or voice.voice_id,
        gender=labels.get("gender", ""),
        about=", ".join(about),
        languages=tuple(dict.fromkeys(code.lower()[:2] for code in languages)),
        has_preview=_preview_url(voice, "fr") is not None,
    )


def _preview_url(voice: _Voice, language: str) -> str | None:
    own = (one for one in voice.verified_languages or [] if one.language[:2].lower() == language)
    in_language = next((one.preview_url for one in own if one.preview_url), None)
    return in_language or voice.preview_url
