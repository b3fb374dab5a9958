"""Voices over HTTP, under /api/v1: which an agent may have, and how each sounds."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from coccinelle.agents.api_model import USUAL_VOICES, ListedVoiceOut, VoiceList
from coccinelle.foundation.problems import managed
from coccinelle.providers.speech.model import (
    ListedVoice,
    PreviewNotFound,
    Voices,
    VoicesUnavailable,
)
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]
_problems = partial(
    managed,
    said={
        404: "There is nothing to hear of this voice (`voice_preview_not_found`).",
        503: "The provider does not answer (`voices_unavailable`), or the database does not.",
    },
)
_NAMES = {"female": "Female", "male": "Male"}


def routes(caller: Authenticate, voices: Voices | None) -> APIRouter:
    """The routes of voices.

    Args:
        caller: says who asks, and raises unless they may manage the business.
        voices: of the provider whose key is set; None: none is.
    """
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter(prefix="/api/v1", tags=["agents"])

    @api.get(
        "/voices",
        summary="List voices",
        response_description="The voices that an agent may have.",
        responses=_problems(422),
    )
    async def list_voices(who: Who) -> VoiceList:
        """The usual ones, and those of the installation's provider of speech where it has one."""
        usual = [
            ListedVoice("default", one, _NAMES[one], one, languages=("fr", "en"))
            for one in USUAL_VOICES
        ]
        try:
            own = await voices.listed() if voices else ()
        except VoicesUnavailable:
            return VoiceList(items=[_out(one) for one in usual], is_complete=False)
        return VoiceList(items=[_out(one) for one in (*usual, *own)], is_complete=True)

    @api.get(
        "/voices/{provider}/{voice_id}/preview",
        summary="Hear a voice",
        response_description="Some seconds of it.",
        response_class=Response,
        responses={
            200: {"content": {"audio/mpeg": {"schema": {"type": "string", "format": "binary"}}}},
            **_problems(404, 422),
        },
    )
    async def hear_voice(
        who: Who,
        provider: Annotated[
            str, Path(max_length=50, description="Of speech.", examples=["elevenlabs"])
        ],
        voice_id: Annotated[
            str, Path(max_length=200, description="As it calls it.", examples=["pNInz6"])
        ],
        language: Annotated[
            Literal["fr", "en"], Query(description="Which preview, of several.", examples=["fr"])
        ] = "fr",
    ) -> Response:
        """As the provider plays it, through this server."""
        if voices is None or voices.provider != provider:
            raise PreviewNotFound
        heard = await voices.preview(voice_id, language=language)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(heard.content, media_type=heard.media_type, headers=headers)

    return api


def preview_path(voice: ListedVoice) -> str | None:
    """Where a voice can be heard."""
    if not voice.has_preview:
        return None
    return f"/api/v1/voices/{voice.provider}/{quote(voice.id, safe='')}/preview"


def _out(voice: ListedVoice) -> ListedVoiceOut:
    return ListedVoiceOut(
        provider=voice.provider,
        voice_id=voice.id,
        name=voice.name,
        gender=voice.gender,
        about=voice.about,
        languages=list(voice.languages),
        preview=preview_path(voice),
    )
