"""One language model made of several: when one fails, the next takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import structlog

from coccinelle.providers.language.guarded import Guarded
from coccinelle.providers.language.model import (
    Completed,
    JsonSchema,
    ModelCall,
    ModelFailed,
    Piece,
    Prompt,
    Restarted,
)

log = structlog.get_logger(__name__)


class Failover:
    """Models in the order in which they are asked; one whose breaker is open is skipped.

    Before the first token the next model is asked at once. After it `Restarted` says that the
    pieces so far are void, and the next model is asked at once.

    Args:
        total_seconds: how long all of them together may take.
    """

    def __init__(self, models: Sequence[Guarded], *, total_seconds: float = 45.0) -> None:
        if not models:
            raise ValueError("a failover needs at least one model")
        self.models = tuple(models)
        self._total_seconds = total_seconds

    def latest(self, until: float | None) -> float:
        """By when an answer that is asked for now must be whole, on the event loop's clock."""
        end_at = asyncio.get_running_loop().time() + self._total_seconds
        return end_at if until is None else min(until, end_at)

    async def stream(
        self, prompt: Prompt, *, calls: list[ModelCall], until: float | None = None
    ) -> AsyncGenerator[Piece | Restarted | Completed, None]:
        """See `LanguageModel.stream`.

        Raises:
            ModelFailed: `all_models_failed`, its cause the last failure.
        """
        end_at = self.latest(until)
        shown = False
        last: ModelFailed | None = None
        for model in self._ready(end_at):
            if shown:
                shown = False
                yield Restarted(model.name)
            try:
                async with aclosing(model.stream(prompt, calls=calls, until=end_at)) as events:
                    async for event in events:
                        shown = True
                        yield event
                return
            except ModelFailed as error:
                last = _note(model, error)
        raise ModelFailed("all_models_failed") from last

    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: JsonSchema | None = None,
        calls: list[ModelCall],
        until: float | None = None,
    ) -> str:
        """See `LanguageModel.complete`.

        Raises:
            ModelFailed: `all_models_failed`, its cause the last failure.
        """
        end_at = self.latest(until)
        last: ModelFailed | None = None
        for model in self._ready(end_at):
            try:
                return await model.complete(prompt, schema=schema, calls=calls, until=end_at)
            except ModelFailed as error:
                last = _note(model, error)
        raise ModelFailed("all_models_failed") from last

    def _ready(self, end_at: float) -> Iterator[Guarded]:
        """The models that may be asked, each looked at when its turn comes."""
        loop = asyncio.get_running_loop()
        return (model for model in self.models if model.ready and loop.time() < end_at)


def _note(model: Guarded, error: ModelFailed) -> ModelFailed:
    log.warning("model_failed", model=model.name, code=error.code, pii={"detail": error.detail})
    return error
