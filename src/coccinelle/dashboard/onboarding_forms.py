"""What the wizard's forms say, as the bodies of onboarding's API; and rows as the forms show them.

A form names a field as the API names it (`members.0.name`), so that a refusal of the API is shown
beside the field; where blanks are skipped, `Asked.places` says where an item was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from coccinelle.agents.model import Configuration
from coccinelle.agents.sectors import Sector, sector_of
from coccinelle.agents.types import usual as usually
from coccinelle.appointments.model import Opening, Schedule, StaffMember
from coccinelle.dashboard.voices import KEPT, value_of
from coccinelle.evals.exam.model import ExamQuestionNotFound
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import SourceId
from coccinelle.foundation.problems import invalid_fields
from coccinelle.knowledge.model import Question, SourceNotFound
from coccinelle.numbers.model import written
from coccinelle.onboarding.api_model import (
    AssistantBody,
    BusinessBody,
    KnowledgeBody,
    StaffBody,
)
from coccinelle.onboarding.exam_model import SuggestBody
from coccinelle.tenants.model import Tenant

Form = Mapping[str, str]
BodyT = TypeVar("BodyT", bound=BaseModel)

WEEKDAYS = range(1, 8)
SAME_AS_MONDAY = range(2, 6)

_NUMBERED = re.compile(r"[a-z0-9]+\.(0|[1-9][0-9]{0,2})\..+")


@dataclass(frozen=True)
class Asked(Generic[BodyT]):
    """What a form asks for, and where in the form the items of its lists were typed."""

    body: BodyT
    places: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def in_form(self) -> Iterator[None]:
        """Whatever is refused inside names the fields of the form."""
        try:
            yield
        except Invalid as error:
            raise _in_form(error, self.places) from error


def business(form: Form) -> Asked[BusinessBody]:
    """The business. Raises `Invalid`."""
    names = ("company_name", "sector", "phone", "website", "timezone")
    return _asked(BusinessBody, {name: form.get(name, "") for name in names})


def suggestion(form: Form) -> Asked[SuggestBody]:
    """The site to read. Raises `Invalid`."""
    return _asked(SuggestBody, {"website": form.get("website", "")})


def staff(form: Form) -> Asked[StaffBody]:
    """Who works there, and when it is open. Raises `Invalid`."""
    members, places = _listed(form, "members", ("name", "email", "phone"))
    closures, of_closures = _listed(form, "closures", ("starts_on", "ends_on", "reason"))
    hours, of_hours = _hours(form)
    holidays = {"closed": True, "open": False}.get(form.get("holidays", ""))
    data = {
        "members": [_without_blanks(member, "name") for member in members],
        "hours": hours,
        "closures": [_without_blanks(one, "starts_on", "ends_on") for one in closures],
        "closes_on_public_holidays": holidays,
    }
    return _asked(StaffBody, data, {**places, **of_closures, **of_hours})


def assistant(form: Form, live: Configuration | None, tenant: Tenant) -> Asked[AssistantBody]:
    """The assistant; what the form does not show stays as it is live. Raises `Invalid`."""
    voice: Any = form.get("voice") or "female"
    if live is not None and voice == value_of(live.voice):
        voice = KEPT
    if voice == KEPT and live is not None:
        own = live.voice
        voice = {"provider": own.provider, "voice_id": own.id, "settings": dict(own.settings)}
    elif ":" in voice:
        provider, _, own_id = voice.partition(":")
        voice = {"provider": provider, "voice_id": own_id}
    data: dict[str, Any] = {
        "agent_type": form.get("agent_type", ""),
        "agent_name": form.get("agent_name", ""),
        "voice": voice,
        "voice_language": form.get("voice_language") or None,
        "greeting": form.get("greeting") or None,
        "phone_number": form.get("phone_number") or None,
    }
    if live is not None:
        data["enable_appointments"] = live.enable_appointments
        data["enable_products"] = live.enable_products
        data["system_prompt"] = own_persona(live, tenant)
    return _asked(AssistantBody, data)


def knowledge(form: Form) -> Asked[KnowledgeBody]:
    """The site, and the questions with their answers. Raises `Invalid`."""
    faqs, places = _listed(form, "faqs", ("question", "answer"))
    return _asked(KnowledgeBody, {"website": form.get("website") or None, "faqs": faqs}, places)


def question_id(form: Form) -> UUID:
    """The question of the exam that a form is about. Raises `ExamQuestionNotFound`."""
    try:
        return UUID(form.get("question", ""))
    except ValueError as error:
        raise ExamQuestionNotFound from error


def source_id(form: Form) -> SourceId:
    """The source that a form is about. Raises `SourceNotFound`."""
    try:
        return SourceId(UUID(form.get("remove", "")))
    except ValueError as error:
        raise SourceNotFound from error


def business_values(tenant: Tenant) -> dict[str, str]:
    """The business as its form shows it."""
    phone = tenant.phone or ""
    if phone.startswith("+"):
        phone = written(phone, timezone=tenant.timezone)
    return {
        "company_name": tenant.company_name,
        "sector": tenant.sector,
        "phone": phone,
        "website": tenant.website or "",
        "timezone": tenant.timezone,
    }


def staff_values(
    tenant: Tenant,
    members: Sequence[StaffMember],
    schedule: Schedule,
    *,
    proposed: Sequence[Opening] = (),
) -> dict[str, str]:
    """People and hours as their form shows them; while none were saved, those that the site
    proposes, else the sector's."""
    sector = sector_of(tenant.sector)
    if not members:
        closes = sector.closes_on_public_holidays
        week = tuple(proposed) or usual_hours(sector)
        schedule = replace(schedule, hours=week, closes_on_public_holidays=closes)
    found = {} if members else _items("members", [{"name": n} for n in _names(sector, tenant)])
    known = [{"name": m.name, "email": m.email, "phone": _shown(m.phone, tenant)} for m in members]
    found |= _items("members", known)
    found |= _items(
        "closures",
        [
            {"starts_on": str(c.starts_on), "ends_on": str(c.ends_on), "reason": c.reason}
            for c in schedule.closures
        ],
    )
    closes = schedule.closes_on_public_holidays
    found["holidays"] = "unsaid" if closes is None else ("closed" if closes else "open")
    return found | _week_values(schedule.hours)


def assistant_values(
    tenant: Tenant, live: Configuration | None, number: str | None
) -> dict[str, str]:
    """The assistant as its form shows it; a greeting only where it is the owner's own."""
    if live is None:
        spoken = "en-GB" if tenant.locale == "en" else "fr-FR"
        return {"agent_type": "multi_purpose", "voice": "female", "voice_language": spoken}
    is_usual = live.greeting == usual(live, tenant).greeting
    voice = live.voice
    return {
        "agent_type": live.type,
        "agent_name": live.name,
        "voice": value_of(voice),
        "voice_language": voice.language,
        "greeting": "" if is_usual else live.greeting,
        "phone_number": _shown(number, tenant),
    }


def knowledge_values(website: str, questions: Sequence[Question]) -> dict[str, str]:
    """The site and the questions as their form shows them."""
    pairs = [{"question": pair.question, "answer": pair.answer} for pair in questions]
    return {"website": website, **_items("faqs", pairs)}


def usual(live: Configuration, tenant: Tenant, *, name: str | None = None) -> Configuration:
    """What an agent of this type, called `name`, begins with in this business."""
    return usually(live, company=tenant.company_name, sector=sector_of(tenant.sector), name=name)


def own_persona(live: Configuration | None, tenant: Tenant) -> str | None:
    """The persona that the owner wrote herself; None where it is the type's."""
    if live is None or live.persona == usual(live, tenant).persona:
        return None
    return live.persona


def usual_hours(sector: Sector) -> tuple[Opening, ...]:
    """The week that a business of the sector usually has."""
    return tuple(
        Opening(o.weekday, time.fromisoformat(o.opens), time.fromisoformat(o.closes))
        for o in sector.hours
    )


def count(values: Form, name: str) -> int:
    """How many items the list `name` has in a form, without the blank ones at its end."""
    typed = {key: value for key, value in values.items() if value.strip()}
    return max((place + 1 for place in _places(typed, name)), default=0)


def ranges(values: Form, weekday: int) -> int:
    """How many ranges of hours the form shows of a day: two, or as many as there are."""
    return max(2, count({k[4:]: v for k, v in values.items() if k[:4] == "day."}, f"{weekday}"))


def _asked(
    kind: type[BodyT], data: Mapping[str, Any], places: Mapping[str, str] | None = None
) -> Asked[BodyT]:
    known = places or {}
    try:
        return Asked(kind.model_validate(data), known)
    except ValidationError as error:
        refusal = invalid_fields([dict(item) for item in error.errors()])
        raise _in_form(refusal, known) from None  # The cause quotes what was typed.


def _in_form(error: Invalid, places: Mapping[str, str]) -> Invalid:
    found = [replace(item, field=_placed(item.field, places)) for item in error.errors]
    return Invalid(error.code, errors=tuple(found), **error.values)


def _placed(name: str, places: Mapping[str, str]) -> str:
    parts = name.split(".")
    head, rest = ".".join(parts[:2]), parts[2:]
    return ".".join([places[head], *rest]) if head in places else name


def _listed(
    form: Form, name: str, fields: Sequence[str]
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """The items of a list that are not blank, and where each was typed."""
    items: list[dict[str, str]] = []
    places: dict[str, str] = {}
    for place in sorted(_places(form, name)):
        item = {one: form.get(f"{name}.{place}.{one}", "").strip() for one in fields}
        if any(item.values()):
            places[f"{name}.{len(items)}"] = f"{name}.{place}"
            items.append(item)
    return items, places


def _places(form: Form, name: str) -> set[int]:
    found = (key for key in form if key.startswith(f"{name}."))
    return {int(match[1]) for key in found if (match := _NUMBERED.fullmatch(key))}


def _hours(form: Form) -> tuple[list[dict[str, Any]] | None, dict[str, str]]:
    """The week; None where the form says nothing of it."""
    if not any(f"day.{day}.kind" in form for day in WEEKDAYS):
        return None, {}
    hours: list[dict[str, Any]] = []
    places: dict[str, str] = {}
    for weekday in WEEKDAYS:
        typed = 1 if form.get("same_weekdays") and weekday in SAME_AS_MONDAY else weekday
        for name, opens, closes in _ranges(form, typed):
            places[f"hours.{len(hours)}"] = name
            hours.append({"weekday": weekday, "opens": opens, "closes": closes})
    return hours, places


def _ranges(form: Form, weekday: int) -> Iterator[tuple[str, str, str]]:
    kind = form.get(f"day.{weekday}.kind", "closed")
    last = {"one": 1, "split": ranges(form, weekday)}.get(kind, 0)
    for place in range(last):
        name = f"day.{weekday}.{place}"
        opens, closes = form.get(f"{name}.opens", ""), form.get(f"{name}.closes", "")
        if place == 0 or opens or closes:
            yield name, opens, closes


def _week_values(hours: Sequence[Opening]) -> dict[str, str]:
    found: dict[str, str] = {}
    by_day = {day: [o for o in hours if o.weekday == day] for day in WEEKDAYS}
    for day, openings in by_day.items():
        found[f"day.{day}.kind"] = ("closed", "one", "split")[min(len(openings), 2)]
        for place, opening in enumerate(openings):
            found[f"day.{day}.{place}.opens"] = opening.opens.strftime("%H:%M")
            found[f"day.{day}.{place}.closes"] = opening.closes.strftime("%H:%M")
    times = {day: [(o.opens, o.closes) for o in openings] for day, openings in by_day.items()}
    if all(times[day] == times[1] for day in SAME_AS_MONDAY):
        found["same_weekdays"] = "on"
    return found


def _items(name: str, items: Sequence[Mapping[str, str | None]]) -> dict[str, str]:
    return {
        f"{name}.{place}.{one}": value or ""
        for place, item in enumerate(items)
        for one, value in item.items()
    }


def _without_blanks(item: Mapping[str, str], *required: str) -> dict[str, str]:
    return {name: value for name, value in item.items() if value or name in required}


def _names(sector: Sector, tenant: Tenant) -> Sequence[str]:
    return sector.staff["en" if tenant.locale == "en" else "fr"]


def _shown(e164: str | None, tenant: Tenant) -> str:
    return written(e164, timezone=tenant.timezone) if e164 else ""
