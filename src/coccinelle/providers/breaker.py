"""Circuit breakers: what keeps failing is not asked again until it has cooled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]
ANSWER = "answer"


class Breaker:
    """Closed; open after `failures` in a row; after `cooling_seconds` one probe decides.

    Every `allow()` that answered True is followed by one of `succeed`, `fail` or `release`.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        cooling_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._cooling_seconds = cooling_seconds
        self._clock = clock
        self._in_a_row = 0
        self._open_until: float | None = None
        self._probe_until = 0.0

    @property
    def state(self) -> BreakerState:
        """Whether calls pass, are refused, or wait for one probe's result."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    @property
    def ready(self) -> bool:
        """Whether `allow` would answer True."""
        if self._open_until is None:
            return True
        now = self._clock()
        return now >= self._open_until and now >= self._probe_until

    def allow(self) -> bool:
        """Whether the call may be made; when half open, only one caller is told so."""
        if not self.ready:
            return False
        if self._open_until is not None:
            self._probe_until = self._clock() + self._cooling_seconds
        return True

    def succeed(self) -> None:
        """The call succeeded: closed again."""
        self._in_a_row = 0
        self._open_until = None
        self._probe_until = 0.0

    def fail(self) -> None:
        """The call failed."""
        self._in_a_row += 1
        if self._open_until is not None or self._in_a_row >= self._failures:
            self.open_for(self._cooling_seconds)

    def open_for(self, seconds: float) -> None:
        """Refuse calls for that long, whatever was counted."""
        self._open_until = self._clock() + seconds
        self._probe_until = 0.0

    def release(self) -> None:
        """The call was given up by its caller: it says nothing about the provider."""
        self._probe_until = 0.0


class Breakers:
    """The breakers of this process: one for each model, one for each endpoint's key.

    A model has one for each of its tasks: what is too slow to route may well answer.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        cooling_seconds: float = 30.0,
        key_cooling_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key_cooling_seconds = key_cooling_seconds
        self._failures = failures
        self._cooling_seconds = cooling_seconds
        self._clock = clock
        self._models: dict[tuple[str, str, str], Breaker] = {}
        self._keys: dict[str, Breaker] = {}

    def of_model(self, endpoint: str, model: str, task: str = ANSWER) -> Breaker:
        """The breaker of one model at one endpoint, used for one task."""
        found = self._models.get((endpoint, model, task))
        if found is None:
            found = self._models[endpoint, model, task] = Breaker(
                failures=self._failures, cooling_seconds=self._cooling_seconds, clock=self._clock
            )
        return found

    def of_key(self, endpoint: str) -> Breaker:
        """The breaker of an endpoint's key, opened by the first 401 or 402."""
        found = self._keys.get(endpoint)
        if found is None:
            found = self._keys[endpoint] = Breaker(
                failures=1, cooling_seconds=self.key_cooling_seconds, clock=self._clock
            )
        return found

    def states(self) -> dict[str, BreakerState]:
        """For health: `endpoint/model`, `endpoint/model (task)` and `endpoint (key)`.

        Answering is the task that is not named.
        """
        models = {_named(*place): b.state for place, b in self._models.items()}
        return models | {f"{name} (key)": b.state for name, b in self._keys.items()}


def _named(endpoint: str, model: str, task: str) -> str:
    return f"{endpoint}/{model}" if task == ANSWER else f"{endpoint}/{model} ({task})"
