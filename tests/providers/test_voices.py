"""Voices of ElevenLabs: listed as it documents them, kept for minutes, heard through our server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coccinelle.foundation.outgoing import Outgoing
from coccinelle.providers.model import Endpoint
from coccinelle.providers.speech.elevenlabs import ElevenLabsVoices
from coccinelle.providers.speech.model import PreviewNotFound, VoicesUnavailable
from coccinelle.providers.wire import Wire
from tests.speech import SOUND, Studio, speaking


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    async with speaking() as made:
        yield made


@pytest.fixture
async def outgoing(studio: Studio) -> AsyncIterator[Outgoing]:
    made = Outgoing(allow=frozenset({studio.place}), max_bytes=100_000, timeout_seconds=5)
    yield made
    await made.aclose()


def voices(
    studio: Studio, wire: Wire, outgoing: Outgoing, *, kept_seconds: float = 600.0
) -> ElevenLabsVoices:
    endpoint = Endpoint(studio.url, name="elevenlabs", headers={"xi-api-key": "secret"})
    return ElevenLabsVoices(
        wire, outgoing, endpoint, kept_seconds=kept_seconds, deadline_seconds=2.0
    )


async def test_voices_are_listed_with_what_the_provider_says_of_them(
    studio: Studio, wire: Wire, outgoing: Outgoing
) -> None:
    made = voices(studio, wire, outgoing)

    aria, bare = await made.listed()

    assert (aria.provider, aria.id, aria.name, aria.gender) == (
        "elevenlabs",
        "9BWtsMINqrJLrRacOk9x",
        "Aria",
        "female",
    )
    assert aria.languages == ("fr", "en")
    assert aria.about == "american, husky, middle aged"
    assert (bare.name, bare.languages, bare.has_preview) == ("x1", (), False)
    assert studio.keys == ["secret"]


async def test_a_list_is_asked_for_once_in_minutes(
    studio: Studio, wire: Wire, outgoing: Outgoing
) -> None:
    made = voices(studio, wire, outgoing)
    for _ in range(3):
        await made.listed()

    assert studio.asked == ["/v1/voices"]


async def test_what_is_known_stands_in_while_the_provider_is_down(
    studio: Studio, wire: Wire, outgoing: Outgoing
) -> None:
    made = voices(studio, wire, outgoing, kept_seconds=0.0)
    known = await made.listed()
    studio.fault = "500"

    assert await made.listed() == known


@pytest.mark.parametrize("fault", ["500", "401", "malformed", "cut"])
async def test_a_fault_is_told_and_after_three_nobody_is_asked(
    studio: Studio, wire: Wire, outgoing: Outgoing, fault: str
) -> None:
    studio.fault = fault
    made = voices(studio, wire, outgoing)

    for _ in range(5):
        with pytest.raises(VoicesUnavailable):
            await made.listed()

    assert len(studio.asked) == 3


async def test_a_preview_is_in_the_language_that_is_asked_for_and_fetched_once(
    studio: Studio, wire: Wire, outgoing: Outgoing
) -> None:
    made = voices(studio, wire, outgoing)

    for _ in range(2):
        heard = await made.preview("9BWtsMINqrJLrRacOk9x", language="fr")
        assert (heard.content, heard.media_type) == (SOUND + b"fr", "audio/mpeg")
    assert (await made.preview("9BWtsMINqrJLrRacOk9x", language="en")).content == SOUND + b"en"
    assert studio.asked.count("/fr.mp3") == 1


async def test_what_is_no_sound_of_that_provider_is_not_heard(
    studio: Studio, wire: Wire, outgoing: Outgoing
) -> None:
    made = voices(studio, wire, outgoing)

    for unknown in ("nobody", "x1"):
        with pytest.raises(PreviewNotFound):
            await made.preview(unknown)
    studio.page = True
    with pytest.raises(PreviewNotFound):
        await made.preview("9BWtsMINqrJLrRacOk9x")


async def test_a_preview_at_an_address_that_is_not_public_is_not_fetched(
    studio: Studio, wire: Wire
) -> None:
    guarded = Outgoing(max_bytes=100_000, timeout_seconds=5)
    made = voices(studio, wire, guarded)

    with pytest.raises(VoicesUnavailable):
        await made.preview("9BWtsMINqrJLrRacOk9x")
    assert studio.asked == ["/v1/voices"]
    await guarded.aclose()
