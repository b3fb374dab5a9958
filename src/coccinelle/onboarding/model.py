"""How far an owner is: the steps, which of them are done, and what an answer needs to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from coccinelle.foundation.errors import Conflict, FieldError, Invalid, NotFound
from coccinelle.foundation.ids import AgentId

Step = Literal["business", "staff", "assistant", "knowledge"]
Place = Literal["business", "staff", "assistant", "knowledge", "complete"]
Kind = Literal["entered", "saved", "failed"]

# `current_step` is the number of the step to do next; 1 is to open a session.
STEPS: tuple[Step, ...] = ("business", "staff", "assistant", "knowledge")
NUMBERS: dict[Place, int] = {
    "business": 2,
    "staff": 3,
    "assistant": 4,
    "knowledge": 5,
    "complete": 6,
}
PLACES: dict[int, Place] = {number: place for place, number in NUMBERS.items()}
# What an assistant cannot do without.
NEEDED: tuple[Step, ...] = ("business", "staff", "assistant")


class SessionNotFound(NotFound):
    """The business has no such onboarding session."""

    default_code = "onboarding_not_found"


class StepTooEarly(Conflict):
    """An earlier step comes first."""

    default_code = "step_too_early"


class Incomplete(Conflict):
    """Steps without which there is no assistant have not been done."""

    default_code = "onboarding_incomplete"

    def __init__(self, missing: Sequence[Step]):
        super().__init__()
        self.members = {"missing": list(missing)}


@dataclass(frozen=True)
class Held:
    """A session that nobody else changes until the transaction ends."""

    id: UUID
    current_step: int
    agent_id: AgentId | None
    completed_at: datetime | None


@dataclass(frozen=True)
class Progress:
    """A step: whether its rows are there, when it was first saved, and how long that took.

    The time runs from the last time that the step was entered before; None where it was done
    otherwise than by onboarding.
    """

    step: Step
    done: bool
    done_at: datetime | None
    duration_ms: int | None


@dataclass(frozen=True)
class Session:
    """An owner's onboarding, as it is told."""

    id: UUID
    current_step: int
    started_at: datetime
    completed_at: datetime | None
    steps: tuple[Progress, ...]

    @property
    def status(self) -> Literal["in_progress", "completed"]:
        """Where it stands."""
        return "in_progress" if self.completed_at is None else "completed"

    @property
    def duration_seconds(self) -> float | None:
        """From the first step to the end; None before the end."""
        if self.completed_at is None:
            return None
        return round((self.completed_at - self.started_at).total_seconds(), 3)

    @property
    def missing(self) -> list[Step]:
        """Steps without which it cannot be completed."""
        done = {progress.step for progress in self.steps if progress.done}
        return [step for step in NEEDED if step not in done]


def check_order(held: Held, place: Place) -> None:
    """Raises `StepTooEarly` where a step before `place` has never been saved."""
    if NUMBERS[place] > held.current_step:
        raise StepTooEarly(step=held.current_step)


def check_timezone(name: str) -> None:
    """Raises `Invalid` unless `name` is a zone, such as `Europe/Paris`."""
    if name not in _timezones():
        raise Invalid(errors=(FieldError("timezone", "unknown_timezone"),))


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def web_address(written: str) -> str:
    """An address of a page as people write it: `www.garage.fr` is `https://www.garage.fr`."""
    found = written.strip()
    return found if "://" in found or not found else f"https://{found}"


def progress_of(row: dict[str, Any]) -> tuple[Progress, ...]:
    """The steps of a session's row: `<step>_done`, `<step>_at` and `<step>_ms` of each."""
    return tuple(
        Progress(step, row[f"{step}_done"], row[f"{step}_at"], row[f"{step}_ms"]) for step in STEPS
    )
