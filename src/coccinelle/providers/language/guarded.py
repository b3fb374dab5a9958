"""One model with its breakers before it: refused at once while it cools."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from coccinelle.providers.breaker import Breakers
from coccinelle.providers.language.model import (
    Completed,
    JsonSchema,
    LanguageModel,
    ModelCall,
    ModelFailed,
    Piece,
    Prompt,
    Restarted,
)

LONGEST_WAIT_SECONDS = 2.0

# What says that the key is no good, whatever the model. An empty purse is not among them: a model
# that costs less, or nothing, may still answer.
KEY_FAILURES = frozenset({"unauthorized"})
# What the prompt, not the provider, is to blame for: a visitor must not open a breaker.
PROMPT_FAILURES = frozenset({"bad_request", "content_filter", "forbidden"})


class Guarded:
    """A model that is skipped while its breaker for `task`, or its endpoint's key's, is open.

    A 429 that asks for at most two seconds is waited for, once.
    """

    def __init__(
        self, model: LanguageModel, *, endpoint: str, name: str, task: str, breakers: Breakers
    ) -> None:
        self.name = name
        self._model = model
        self._breaker = breakers.of_model(endpoint, name, task)
        self._key = breakers.of_key(endpoint)
        self._key_cooling_seconds = breakers.key_cooling_seconds

    @property
    def ready(self) -> bool:
        """Whether a call would be let through now."""
        return self._key.ready and self._breaker.ready

    async def stream(
        self, prompt: Prompt, *, calls: list[ModelCall], until: float | None = None
    ) -> AsyncGenerator[Piece | Restarted | Completed, None]:
        """See `LanguageModel.stream`."""
        waited = False
        while True:
            self._enter()
            try:
                async with aclosing(self._model.stream(prompt, calls=calls, until=until)) as events:
                    async for event in events:
                        if isinstance(event, Completed):
                            self._succeeded()
                        yield event
            except ModelFailed as error:
                self._failed(error)
                if waited or not await _waited_for(error, until):
                    raise
                waited = True
            except BaseException:
                self._given_up()
                raise
            else:
                return

    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: JsonSchema | None = None,
        calls: list[ModelCall],
        until: float | None = None,
    ) -> str:
        """See `LanguageModel.complete`."""
        waited = False
        while True:
            self._enter()
            try:
                text = await self._model.complete(prompt, schema=schema, calls=calls, until=until)
            except ModelFailed as error:
                self._failed(error)
                if waited or not await _waited_for(error, until):
                    raise
                waited = True
            except BaseException:
                self._given_up()
                raise
            else:
                self._succeeded()
                return text

    def _enter(self) -> None:
        if not self._breaker.ready:
            raise ModelFailed("breaker_open")
        if not self._key.allow():
            raise ModelFailed("key_unusable")
        self._breaker.allow()

    def _succeeded(self) -> None:
        self._key.succeed()
        self._breaker.succeed()

    def _given_up(self) -> None:
        self._key.release()
        self._breaker.release()

    def _failed(self, error: ModelFailed) -> None:
        if error.cut_short:
            self._given_up()
            return
        if error.code in KEY_FAILURES:
            self._key.open_for(self._key_cooling_seconds)
            self._breaker.release()
            return
        self._key.release()
        if error.code in PROMPT_FAILURES:
            self._breaker.release()
        else:
            self._breaker.fail()


async def _waited_for(error: ModelFailed, until: float | None) -> bool:
    """Wait as a 429 asks, if that is short and there is time left; whether it was done."""
    seconds = error.wait_seconds
    if error.code != "rate_limited" or seconds is None or seconds > LONGEST_WAIT_SECONDS:
        return False
    seconds += random.uniform(0, 0.1)  # noqa: S311
    if until is not None and asyncio.get_running_loop().time() + seconds >= until:
        return False
    await asyncio.sleep(seconds)
    return True
