"""The steps, each one change: opened, saved, completed; and what failed, noted.

Every step takes the session's row first, so that two tabs do one thing after the other, and ends
by saying how far the session is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any
from uuid import UUID

from coccinelle.agents import actions as agents
from coccinelle.agents import store as agents_store
from coccinelle.agents.model import Agent, AgentType, Configuration, Voice
from coccinelle.agents.sectors import Sector, sector_of
from coccinelle.agents.types import Language, configured, usual
from coccinelle.appointments import actions as appointments
from coccinelle.appointments.model import Closure, NewMember, Opening
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import FieldError
from coccinelle.foundation.ids import AgentId, TenantId, uuid7
from coccinelle.foundation.outgoing import BadAddress
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.model import NewSource, Question, faq_source, text_source, web_source
from coccinelle.numbers import actions as numbers
from coccinelle.numbers.model import normalised
from coccinelle.onboarding import hours as opening_hours
from coccinelle.onboarding import store, suggestions
from coccinelle.onboarding.jobs import suggest_business
from coccinelle.onboarding.model import (
    NUMBERS,
    PLACES,
    Held,
    Incomplete,
    Place,
    Session,
    SessionNotFound,
    Step,
    check_order,
    check_timezone,
    web_address,
)
from coccinelle.onboarding.suggestions import Proposed
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.audit import Actor
from coccinelle.tenants.model import Tenant

SITE_SLOT = "onboarding:site"
FAQ_SLOT = "onboarding:faq"
_SAVED: dict[Step, audit.Action] = {
    "business": "onboarding.business_saved",
    "staff": "onboarding.staff_saved",
    "assistant": "onboarding.assistant_saved",
    "knowledge": "onboarding.knowledge_saved",
}
_SPOKEN = {"fr": "fr-FR", "en": "en-GB"}
_FAQ_TITLES = {"fr": "Questions fréquentes", "en": "Frequent questions"}


@dataclass(frozen=True)
class Chosen:
    """What an owner chose for her assistant; None where the type's own is right."""

    agent_type: AgentType
    name: str
    voice: Voice = field(default_factory=Voice)
    voice_language: str | None = None
    greeting: str | None = None
    system_prompt: str | None = None
    phone_number: str | None = None
    enable_appointments: bool = False
    enable_products: bool = False


async def open_session(tx: TenantTx, actor: Actor) -> tuple[Session, bool]:
    """The tenant's open session, and whether it was opened just now."""
    session_id = uuid7()
    is_new = await store.insert_session(tx, session_id)
    held = await store.open_session(tx)
    if held is None:  # Completed by somebody else since we found it open.
        return await open_session(tx, actor)
    await store.insert_events(tx, held.id, [(PLACES[held.current_step], "entered")])
    if is_new:
        await audit.record(tx, actor, "onboarding.started", about=held.id)
    return await get(tx, held.id), is_new


async def get(tx: TenantTx, session_id: UUID) -> Session:
    """How far a session is. Raises `SessionNotFound`."""
    found = await store.session(tx, session_id)
    if found is None:
        raise SessionNotFound
    return found


async def save_business(
    tx: TenantTx, actor: Actor, session_id: UUID, *, sector: str, facts: Mapping[str, str | None]
) -> Session:
    """Write what the business is: `company_name`, `phone`, `website`, `timezone` as they are given.

    A fact that is not in `facts` stays as it is. What the assistant says of the company and of its
    sector follows, unless the owner wrote it herself.

    Raises:
        SessionNotFound
        Invalid: a fact that cannot be one; nothing is changed.
    """
    held = await _hold(tx, session_id, "business")
    before = await _tenant(tx)
    await tenants.update(tx, **_told(facts, before), sector=sector_of(sector).key)
    await store.describe(tx)
    await _follow(tx, actor, held, before)
    await opening_hours.tell_again(tx)
    return await _saved(tx, actor, held, "business")


async def save_staff(
    tx: TenantTx,
    actor: Actor,
    session_id: UUID,
    *,
    members: Sequence[NewMember] = (),
    hours: Sequence[Opening] | None = None,
    closures: Sequence[Closure] | None = None,
    closes_on_public_holidays: bool | None = None,
) -> Session:
    """Write who takes appointments, and when the business is open: the sector's defaults for what
    is not given (None, or nobody).

    Raises:
        SessionNotFound, StepTooEarly
        Invalid: two people of one name, hours that overlap, a number that is none.
    """
    held = await _hold(tx, session_id, "staff")
    tenant = await _tenant(tx)
    sector = sector_of(tenant.sector)
    given = [_reachable(member, place, tenant) for place, member in enumerate(members)]
    usual = [NewMember(name) for name in sector.staff[tenant.locale]]
    await appointments.save_staff(tx, given or usual)
    closes = closes_on_public_holidays
    await opening_hours.save_schedule(
        tx,
        hours=_usual_hours(sector) if hours is None else hours,
        closures=closures,
        closes_on_public_holidays=sector.closes_on_public_holidays if closes is None else closes,
    )
    return await _saved(tx, actor, held, "staff")


async def save_assistant(tx: TenantTx, actor: Actor, session_id: UUID, chosen: Chosen) -> Session:
    """Create the agent, live at once, and give it its phone number; done again, change that agent.

    Without a number here, the agent keeps the one that it has.

    Raises:
        SessionNotFound, StepTooEarly
        NumberTaken: another business already answers on the number; nothing is written.
        Invalid: the number is none.
    """
    held = await _hold(tx, session_id, "assistant")
    tenant = await _tenant(tx)
    agent_id = await _save_agent(tx, actor, held, tenant, _configuration(tenant, chosen))
    if chosen.phone_number:
        e164 = normalised(chosen.phone_number, timezone=tenant.timezone, field="phone_number")
        await numbers.declare(tx, e164=e164, agent_id=agent_id)
    return await _saved(tx, actor, held, "assistant")


async def save_knowledge(
    tx: TenantTx,
    actor: Actor,
    session_id: UUID,
    *,
    website: str | None = None,
    documents: Sequence[tuple[str, str]] = (),
    faqs: Sequence[Question] = (),
) -> Session:
    """Keep what the assistant answers from, and have a worker read it.

    Given again, a site, a text of the same title and the questions take the place of those given
    before; what is not given stays.

    Raises:
        SessionNotFound, StepTooEarly
        BadAddress: `website` is no address.
    """
    held = await _hold(tx, session_id, "knowledge")
    tenant = await _tenant(tx)
    if website:
        await knowledge.keep(tx, _site(website), slot=SITE_SLOT)
    for title, content in documents:
        slot = f"onboarding:text:{hashlib.sha256(title.casefold().encode()).hexdigest()[:32]}"
        await knowledge.keep(tx, text_source(content, title=title), slot=slot)
    if faqs:
        source = faq_source(faqs, title=_FAQ_TITLES[tenant.locale])
        await knowledge.keep(tx, source, slot=FAQ_SLOT)
    return await _saved(tx, actor, held, "knowledge")


async def complete(tx: TenantTx, actor: Actor, session_id: UUID) -> Session:
    """End the onboarding; ended before, it stays as it is.

    Raises:
        SessionNotFound
        Incomplete: a step without which there is no assistant has not been done; it says which.
    """
    held = await _held(tx, session_id)
    found = await get(tx, session_id)
    if held.completed_at is not None:
        return found
    if found.missing:
        raise Incomplete(found.missing)
    await store.complete(tx, session_id)
    await store.insert_events(tx, session_id, [("complete", "saved")])
    await audit.record(tx, actor, "onboarding.completed", about=session_id)
    return await get(tx, session_id)


async def suggest(tx: TenantTx, actor: Actor, session_id: UUID, website: str) -> Proposed:
    """Have a worker read `website` and propose what it says of the business, which is not written.

    The same site that is being read is given back; another one takes its place.

    Raises:
        SessionNotFound
        BadAddress: `website` is no address.
    """
    _site(website)
    await _held(tx, session_id)
    known = await suggestions.known(tx, session_id)
    if known is not None and known.state == "reading" and known.website == website:
        return known
    reading_id = await suggestions.insert(tx, session_id, website)
    await tx.defer(
        suggest_business,
        lock=f"suggestion:{session_id}",
        session_id=str(session_id),
        reading_id=str(reading_id),
    )
    await audit.record(tx, actor, "onboarding.site_read", about=session_id)
    return await suggestions.get(tx, session_id)


async def note_failure(
    db: Database, tenant_id: TenantId, session_id: UUID, place: Place, code: str
) -> None:
    """Remember that a step was tried and refused, by the stable code of the reason."""
    async with db.tenant(tenant_id) as tx:
        if await store.hold(tx, session_id) is not None:
            await store.insert_events(tx, session_id, [(place, "failed")], failure_code=code)


def _told(facts: Mapping[str, str | None], before: Tenant) -> dict[str, str | None]:
    """Facts as they are kept: a known zone, a number in E.164, a whole address."""
    told = {name: value for name, value in facts.items() if name != "timezone" or value}
    zone = told.get("timezone") or before.timezone
    check_timezone(zone)
    if phone := told.get("phone"):
        told["phone"] = normalised(phone, timezone=zone)
    if website := told.get("website"):
        told["website"] = web_address(website)
    return told


def _site(website: str) -> NewSource:
    try:
        return web_source("site", web_address(website))
    except BadAddress as error:
        raise BadAddress(errors=(FieldError("website", error.code),)) from error


async def _hold(tx: TenantTx, session_id: UUID, place: Place) -> Held:
    held = await _held(tx, session_id)
    check_order(held, place)
    return held


async def _held(tx: TenantTx, session_id: UUID) -> Held:
    held = await store.hold(tx, session_id)
    if held is None:
        raise SessionNotFound
    return held


async def _tenant(tx: TenantTx) -> Tenant:
    found = await tenants_store.tenant(tx)
    if found is None:
        raise SessionNotFound
    return found


async def _saved(tx: TenantTx, actor: Actor, held: Held, place: Step) -> Session:
    following = NUMBERS[place] + 1
    events: list[tuple[Place, Any]] = [(place, "saved")]
    if following > held.current_step:
        await store.advance(tx, held.id, following)
        events.append((PLACES[following], "entered"))
    await store.insert_events(tx, held.id, events)
    await audit.record(tx, actor, _SAVED[place], about=held.id)
    return await get(tx, held.id)


def _reachable(member: NewMember, place: int, tenant: Tenant) -> NewMember:
    if not member.phone:
        return replace(member, phone=None)
    field = f"members.{place}.phone"
    return replace(member, phone=normalised(member.phone, timezone=tenant.timezone, field=field))


def _usual_hours(sector: Sector) -> list[Opening]:
    return [
        Opening(usual.weekday, time.fromisoformat(usual.opens), time.fromisoformat(usual.closes))
        for usual in sector.hours
    ]


def _configuration(tenant: Tenant, chosen: Chosen) -> Configuration:
    spoken = chosen.voice_language or _SPOKEN[tenant.locale]
    language: Language = "en" if spoken.startswith("en") else "fr"
    usual = configured(
        chosen.agent_type,
        language,
        name=chosen.name,
        company=tenant.company_name,
        sector=sector_of(tenant.sector),
    )
    return replace(
        usual,
        greeting=chosen.greeting or usual.greeting,
        persona=chosen.system_prompt or usual.persona,
        voice=replace(chosen.voice, language=spoken),
        enable_appointments=chosen.enable_appointments,
        enable_products=chosen.enable_products,
    )


async def _save_agent(
    tx: TenantTx, actor: Actor, held: Held, tenant: Tenant, configuration: Configuration
) -> AgentId:
    live = await agents_store.live_agents(tx)
    known = _agent(live, held)
    if known is None:
        key = await agents.key_for(tx, configuration.name)
        agent_id = await agents.create(
            tx, key=key, position=len(live), configuration=configuration, actor=actor
        )
        await store.set_agent(tx, held.id, agent_id)
        return agent_id
    await _publish(tx, actor, known, _keeping(known.configuration, configuration, tenant))
    return known.id


def _keeping(live: Configuration, chosen: Configuration, tenant: Tenant) -> Configuration:
    """What is chosen, with all that no step asks for as it was written elsewhere since."""
    if (live.type, live.language) != (chosen.type, chosen.language):
        return replace(chosen, models=live.models)
    is_own = live.description != _usual(live, tenant).description
    return replace(
        live,
        name=chosen.name,
        greeting=chosen.greeting,
        persona=chosen.persona,
        description=live.description if is_own else chosen.description,
        voice=chosen.voice,
        enable_appointments=chosen.enable_appointments,
        enable_products=chosen.enable_products,
    )


async def _follow(tx: TenantTx, actor: Actor, held: Held, before: Tenant) -> None:
    """Let what the agent says of the business, where it is the type's own, say what is so now."""
    agent = _agent(await agents_store.live_agents(tx), held) if held.agent_id else None
    if agent is None:
        return
    after, live = await _tenant(tx), agent.configuration
    then, now = _usual(live, before), _usual(live, after)
    texts = ("greeting", "persona", "description")
    changed = {
        text: getattr(now, text) for text in texts if getattr(live, text) == getattr(then, text)
    }
    await _publish(tx, actor, agent, replace(live, **changed))


def _usual(live: Configuration, tenant: Tenant) -> Configuration:
    return usual(live, company=tenant.company_name, sector=sector_of(tenant.sector))


def _agent(live: Sequence[Agent], held: Held) -> Agent | None:
    return next((agent for agent in live if agent.id == held.agent_id), None)


async def _publish(tx: TenantTx, actor: Actor, agent: Agent, configuration: Configuration) -> None:
    if configuration != agent.configuration:
        await agents.publish(tx, agent_id=agent.id, configuration=configuration, actor=actor)
