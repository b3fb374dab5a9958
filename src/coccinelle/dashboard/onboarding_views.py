"""What the wizard's screens show, read from the rows that the running system reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import babel
from babel.dates import get_day_names, get_timezone_location
from babel.numbers import format_currency

from coccinelle.agents import store as agents_store
from coccinelle.agents.model import Agent
from coccinelle.agents.sectors import sectors
from coccinelle.agents.types import AGENT_TYPES, Language, greeting, template
from coccinelle.appointments import actions as appointments
from coccinelle.appointments import store as appointments_store
from coccinelle.appointments.model import Opening
from coccinelle.dashboard import onboarding_forms as forms
from coccinelle.dashboard.knowledge_views import Known
from coccinelle.dashboard.knowledge_views import known as known_sources
from coccinelle.evals.exam import actions as exam_actions
from coccinelle.evals.exam.model import Exam, ExamNotFound
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge import store as knowledge_store
from coccinelle.knowledge.model import Question, questions
from coccinelle.knowledge.suggest import Proposal
from coccinelle.numbers import actions as numbers
from coccinelle.numbers.model import Number, normalised, written
from coccinelle.onboarding import actions, suggestions
from coccinelle.onboarding.actions import FAQ_SLOT, SITE_SLOT
from coccinelle.onboarding.model import NUMBERS, Held, Place, Session, SessionNotFound
from coccinelle.onboarding.suggestions import Proposed
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.model import MAX_NAME_CHARS, PublicKey, Tenant

Screen = Literal["business", "staff", "assistant", "knowledge", "exam", "done"]

SCREENS: tuple[Screen, ...] = ("business", "staff", "assistant", "knowledge", "exam", "done")
MAX_SOURCES = 100
MAX_NUMBERS = 200
BLANK_MEMBERS = 1
BLANK_CLOSURES = 1
BLANK_PAIRS = 2
# Zones of France and of its neighbours that speak French; any other that is kept is shown, too.
ZONES = (
    "Europe/Paris",
    "America/Guadeloupe",
    "America/Martinique",
    "America/Cayenne",
    "Indian/Reunion",
    "Indian/Mayotte",
    "America/Miquelon",
    "Pacific/Noumea",
    "Pacific/Tahiti",
    "Europe/Brussels",
    "Europe/Luxembourg",
    "Europe/Zurich",
    "Europe/Monaco",
    "America/Toronto",
)


@dataclass(frozen=True)
class Here:
    """Where an owner is: her business, her session, its assistant and its number.

    `first` is the agent that greets: that of the session, else the first that is live.
    """

    tenant: Tenant
    session: Session
    agent: Agent | None
    first: Agent | None
    number: Number | None


def place_of(screen: Screen) -> Place:
    """The step of the API that a screen is; the exam is none, and comes with the last."""
    if screen == "exam":
        return "complete"
    return "complete" if screen == "done" else screen


def screen_of(session: Session) -> Screen:
    """The one to do next."""
    if session.completed_at is not None:
        return "done"
    return SCREENS[max(session.current_step - 2, 0)]


async def here(tx: TenantTx, held: Held) -> Here:
    """All that every screen shows."""
    session = await actions.get(tx, held.id)
    tenant = await tenants_store.tenant(tx)
    if tenant is None:
        raise SessionNotFound
    live = await agents_store.live_agents(tx)
    agent = next((one for one in live if one.id == held.agent_id), None)
    first = agent or (live[0] if live else None)
    found, _ = await numbers.listed(tx, limit=MAX_NUMBERS)
    own = (n for n in found if first is not None and n.agent == first.key and n.channel == "voice")
    return Here(tenant, session, agent, first, next(own, None))


def progress(screen: Screen, session: Session, *, has_taken_exam: bool) -> dict[str, Any]:
    """The steps, and where she is in them."""
    done: set[str] = {step.step for step in session.steps if step.done}
    if session.completed_at is not None:
        done.add("done")
    if has_taken_exam:
        done.add("exam")
    reached = {name for name in SCREENS if NUMBERS[place_of(name)] <= session.current_step}
    if not session.missing:
        reached |= {"knowledge", "exam", "done"}
    return {
        "screen": screen,
        "screens": SCREENS,
        "number": SCREENS.index(screen) + 1,
        "done": done,
        "reached": reached,
        "session": session,
    }


async def business(tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale) -> Any:
    """The form of the business, what there is to choose from, and what her site proposes."""
    values = dict(typed) if typed is not None else forms.business_values(at.tenant)
    proposed = await suggestions.known(tx, at.session.id)
    offered = _offered(at, proposed)
    taken = offered if "take" in values else {}
    values |= {name: value for name, (value, _) in taken.items()}
    return {
        "values": values,
        "sectors": [(key, sector.label[lang]) for key, sector in sectors().items()],
        "proposed": proposed,
        "why": proposed.failure(lang) if proposed else None,
        "taken": {name: proposal for name, (_, proposal) in taken.items()},
        "phone_found": offered["phone"][0] if "phone" in offered else "",
        "prices": _prices(proposed, lang),
        "zones": zones_of(at.tenant.timezone, lang),
    }


def zones_of(own: str | None, lang: Locale) -> list[tuple[str, str]]:
    """Zones to choose among, with `own`, each with its place in a language."""
    zones = dict.fromkeys([*ZONES, *([own] if own else [])])
    return [(zone, get_timezone_location(zone, locale=lang)) for zone in zones]


async def staff(tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale) -> Any:
    """The people and the week; while none were saved, those of her site or of the sector."""
    members = await appointments_store.members(tx)
    found = None if members else await suggestions.known(tx, at.session.id)
    proposed = found.found.hours if found and found.found else ()
    week = [Opening(one.weekday, one.opens, one.closes) for one in proposed]
    schedule = await appointments.schedule(tx)
    kept = forms.staff_values(at.tenant, members, schedule, proposed=week)
    values = dict(typed) if typed is not None else kept
    names = get_day_names("wide", locale=lang)
    return {
        "values": values,
        "is_usual": not members,
        "read_on": list(dict.fromkeys(one.url for one in proposed)),
        "members": _shown(values, "members", BLANK_MEMBERS),
        "closures": _shown(values, "closures", BLANK_CLOSURES),
        "days": [(day, names[day - 1], range(forms.ranges(values, day))) for day in forms.WEEKDAYS],
        "may_be_unsaid": kept["holidays"] == "unsaid",
    }


async def assistant(tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale) -> Any:
    """The assistant, and how it will greet."""
    live = at.agent.configuration if at.agent else None
    number = at.number.e164 if at.agent and at.number else None
    kept = forms.assistant_values(at.tenant, live, number)
    values = {**kept, **(typed or {})}
    return {
        "values": values,
        "types": [template(one, _spoken(lang)) for one in AGENT_TYPES],
        "own_voice": kept["voice"] if ":" in kept["voice"] else "",
        "languages": _languages(kept["voice_language"], lang),
        "greets": _greets(values, at.tenant),
    }


async def knowledge_found(
    tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale
) -> Any:
    """What was given, and how much of it the assistant knows by now."""
    values = dict(typed) if typed is not None else await _knowledge_values(tx, at)
    known = await sources(tx, lang)
    return {
        "values": values,
        "faqs": _shown(values, "faqs", BLANK_PAIRS),
        "known": known,
        "is_reading": any(not one.source.is_settled for one in known),
        "called": at.first.name if at.first else "",
    }


async def exam(tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale) -> Any:
    """The latest exam: how far it is, what was answered, and what needs the owner."""
    found: Exam | None = None
    with suppress(ExamNotFound):
        found = await exam_actions.get(tx)
    return {
        "exam": found,
        "told": found.found.told(lang) if found and found.started_at else "",
        "why": found.failure(lang) if found else None,
        "typed": dict(typed or {}),
        "called": at.first.name if at.first else "",
    }


async def done(tx: TenantTx, at: Here, typed: Mapping[str, str] | None, lang: Locale) -> Any:
    """What was said, the line for her site, and her number."""
    schedule = await appointments.schedule(tx)
    key = await own_key(tx)
    return {
        "tenant": at.tenant,
        "agent": at.first,
        "open_days": len({opening.weekday for opening in schedule.hours}),
        "known": await sources(tx, lang),
        "key": key,
        "phone": at.number,
        "phone_written": _number(at),
    }


async def sources(tx: TenantTx, lang: Locale) -> list[Known]:
    """Every source, the newest first."""
    found, _ = await knowledge.listed(tx, limit=MAX_SOURCES)
    return await known_sources(tx, found, lang)


async def own_key(tx: TenantTx) -> PublicKey | None:
    """The public key for her own site: the first that was made."""
    found = await tenants_store.public_keys(tx, limit=MAX_SOURCES, before=None)
    return found[-1] if found else None


def _offered(at: Here, proposed: Proposed | None) -> dict[str, tuple[str, Proposal]]:
    """By field, what her site proposes and where it stands."""
    found = proposed.found if proposed else None
    taken = {}
    if found and found.name:
        taken["company_name"] = (found.name.value[:MAX_NAME_CHARS], found.name)
    if found and found.phone:
        taken["phone"] = (_as_written(found.phone.value, at.tenant), found.phone)
    return taken


def _as_written(phone: str, tenant: Tenant) -> str:
    try:
        return written(normalised(phone, timezone=tenant.timezone), timezone=tenant.timezone)
    except Invalid:
        return phone


def _prices(proposed: Proposed | None, lang: Locale) -> list[tuple[str, str]]:
    found = proposed.found if proposed else None
    return [
        (one.name, format_currency(one.price_cents / 100, "EUR", locale=lang))
        for one in (found.services if found else ())
    ]


async def _knowledge_values(tx: TenantTx, at: Here) -> dict[str, str]:
    site_id = await knowledge_store.in_slot(tx, SITE_SLOT)
    site = (await knowledge.get(tx, site_id)).url if site_id else None
    content = await knowledge_store.content_in_slot(tx, FAQ_SLOT)
    pairs: Sequence[Question] = questions(content) if content else ()
    return forms.knowledge_values(site or at.tenant.website or "", pairs)


def _greets(values: Mapping[str, str], tenant: Tenant) -> str:
    """What the assistant says first, as it will when this form is saved."""
    if own := values.get("greeting", "").strip():
        return own
    kind = next((one for one in AGENT_TYPES if one == values.get("agent_type")), AGENT_TYPES[0])
    spoken = values.get("voice_language") or tenant.locale
    language: Language = "en" if spoken.startswith("en") else "fr"
    return greeting(
        kind, language, company=tenant.company_name, name=values.get("agent_name", "")[:100]
    )


def _languages(kept: str, lang: Locale) -> list[tuple[str, str]]:
    """French, English, and what is spoken now, by their names."""
    codes = dict.fromkeys(["fr-FR", "en-GB", kept])
    return [(code, _language_name(code, lang)) for code in codes]


def _language_name(code: str, lang: Locale) -> str:
    name = babel.Locale.parse(code, sep="-").get_display_name(lang) or code
    return name[:1].upper() + name[1:]


def _shown(values: Mapping[str, str], name: str, blank: int) -> range:
    return range(forms.count(values, name) + blank)


def _spoken(lang: Locale) -> Language:
    return "en" if lang == "en" else "fr"


def _number(at: Here) -> str:
    return written(at.number.e164, timezone=at.tenant.timezone) if at.number else ""
