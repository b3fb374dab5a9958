"""The agents of a business: who answers, their drafts, versions, and a chat with each draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import babel
from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.agents import actions
from coccinelle.agents.api_model import NewAgentBody
from coccinelle.agents.differences import Difference, differences
from coccinelle.agents.model import Configuration, Managed, Version
from coccinelle.agents.publishing import Publishing
from coccinelle.agents.sectors import sector_of
from coccinelle.agents.types import AGENT_TYPES, Language, configured, template
from coccinelle.dashboard import agent_forms as forms
from coccinelle.dashboard.pages import Form, Pages, checked, read_form, see_other, user_of
from coccinelle.dashboard.translation import language_of
from coccinelle.dashboard.voices import offered
from coccinelle.engine.model import ESCALATE, TurnResult
from coccinelle.engine.rehearsal import Line, Rehearsals
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.foundation.i18n import Locale
from coccinelle.providers.speech.model import Voices
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import attempts
from coccinelle.tenants.accounts.attempts import Bound
from coccinelle.tenants.audit import actor_of
from coccinelle.tenants.model import Caller, Tenant

AGENTS = "/dashboard/agents"
VERSIONS_SHOWN = 20
QUESTIONS_PER_MINUTE = 20

_LIST, _ONE, _VERSIONS = "agents/list.html", "agents/one.html", "agents/versions.html"


@dataclass(frozen=True)
class Told:
    """A version, and what it changed of the one before it; None before the first one."""

    version: Version
    changes: Sequence[Difference] | None


@dataclass(frozen=True)
class Tried:
    """A question to a draft, and what came of it; `name` is of who answers."""

    question: str
    result: TurnResult | None = None

    @property
    def is_offer(self) -> bool:
        """Whether nobody answers, and a person is offered."""
        return self.result is not None and self.result.agent == ESCALATE


@dataclass(frozen=True)
class Workshop:
    """What these pages are made of. `has_models`: whether a language model may be asked."""

    db: Database
    publishing: Publishing
    rehearsals: Rehearsals
    voices: Voices | None
    has_models: bool


def routes(pages: Pages, workshop: Workshop) -> APIRouter:
    """Members see agents; to change them, and to ask drafts, takes an admin."""
    made = _Agents(pages, workshop)
    router = pages.router()
    one = AGENTS + "/{key}"
    router.add_api_route(AGENTS, made.index, methods=["GET"])
    router.add_api_route(AGENTS, made.create, methods=["POST"])
    router.add_api_route(one, made.show, methods=["GET"])
    router.add_api_route(one, made.save, methods=["POST"])
    router.add_api_route(f"{one}/try", made.ask, methods=["POST"])
    router.add_api_route(f"{one}/versions", made.versions, methods=["GET"])
    router.add_api_route(one + "/versions/{number}/restore", made.restore, methods=["POST"])
    return router


class _Agents:
    def __init__(self, pages: Pages, workshop: Workshop) -> None:
        self._pages = pages
        self._db = workshop.db
        self._publishing = workshop.publishing
        self._rehearsals = workshop.rehearsals
        self._voices = workshop.voices
        self._has_models = workshop.has_models

    async def index(self, request: Request) -> Response:
        """Those that answer in their order, those being written, those retired."""
        caller = await self._pages.signed_in(request)
        found = await self._listed(request, caller, Form([]))
        done = request.query_params.get("done", "")
        return self._pages.render(request, _LIST, **found, done=done)

    async def create(self, request: Request) -> Response:
        """A new agent as a draft; or another order of those that answer."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            if form.get("do") in ("up", "down"):
                await self._move(caller, form.get("key", ""), up=form["do"] == "up")
                return see_other(f"{AGENTS}?done=ordered")
            key = await self._created(request, caller, form)
        except CoccinelleError as error:
            found = await self._listed(request, caller, form)
            return self._pages.refused(request, _LIST, error, **found, done="")
        return see_other(f"{AGENTS}/{key}?done=created")

    async def show(self, request: Request, key: str) -> Response:
        """The agent: its draft with what differs, its form, and a chat with the draft."""
        caller = await self._pages.signed_in(request)
        found = await self._one(request, caller, key)
        done = request.query_params.get("done", "")
        return self._pages.render(request, _ONE, **found, done=done)

    async def save(self, request: Request, key: str) -> Response:
        """Write the draft, publish it, drop it; or retire the agent."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        do = form.get("do", "save")
        try:
            if do == "discard":
                return await self._discard(caller, key, form)
            if do == "retire":
                seen = _revision(form)
                actor = actor_of(caller)
                await self._publishing.retire(caller.tenant_id, actor, key, revision=seen)
                return see_other(f"{AGENTS}?done=retired")
            saved = await self._saved(caller, key, form)
            if do == "publish":
                actor = actor_of(caller)
                await self._publishing.publish(
                    caller.tenant_id, actor, key, revision=saved.revision
                )
                return see_other(f"{AGENTS}/{key}?done=published")
        except NotFound:
            raise
        except CoccinelleError as error:
            found = await self._one(request, caller, key, typed=form)
            return self._pages.refused(request, _ONE, error, **found, form=form, done="")
        return see_other(f"{AGENTS}/{key}?done=saved")

    async def ask(self, request: Request, key: str) -> Response:
        """What a customer would be answered, were the form published as it is typed."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        said = forms.said_before(form)
        try:
            tried, said = await self._tried(caller, key, form, said)
        except NotFound:
            raise
        except CoccinelleError as error:
            return await self._not_tried(request, caller, key, form, error)
        if "hx-request" in request.headers:
            asked: dict[str, Any] = {"agent_key": key, "history": forms.history(said), "asked": ""}
            return self._pages.render(request, "agents/_tried.html", tried=tried, **asked)
        found = await self._one(request, caller, key, typed=form, said=said[:-2], tried=tried)
        found["history"] = forms.history(said)
        return self._pages.render(request, _ONE, **found, done="")

    async def versions(self, request: Request, key: str) -> Response:
        """What was published, each with what it changed."""
        caller = await self._pages.signed_in(request)
        before = _number(request.query_params.get("before", ""))
        async with self._db.tenant(caller.tenant_id) as tx:
            agent = await actions.one(tx, key)
            limit = VERSIONS_SHOWN + 1
            found = await actions.versions(tx, key, limit=limit, before=before)
            tenant = await _tenant(tx)
        told = [_told(one, found[n + 1 : n + 2]) for n, one in enumerate(found[:VERSIONS_SHOWN])]
        following = found[VERSIONS_SHOWN - 1].number if len(found) > VERSIONS_SHOWN else None
        return self._pages.render(
            request, _VERSIONS, agent=agent, told=told, following=following, zone=tenant.timezone
        )

    async def restore(self, request: Request, key: str, number: int) -> Response:
        """Let a version answer again, as a new one."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            await self._publishing.restore(
                caller.tenant_id, actor_of(caller), key, number, revision=_revision(form)
            )
        except NotFound:
            raise
        except CoccinelleError as error:
            found = await self._one(request, caller, key)
            return self._pages.refused(request, _ONE, error, **found, done="")
        return see_other(f"{AGENTS}/{key}?done=restored")

    async def _listed(self, request: Request, caller: Caller, form: Form) -> dict[str, Any]:
        async with self._db.tenant(caller.tenant_id) as tx:
            found = await actions.managed(tx)
        lang: Language = "en" if language_of(request) == "en" else "fr"
        return {
            "live": [one for one in found if one.state == "live"],
            "new": [one for one in found if one.state == "new"],
            "retired": [one for one in found if one.state == "retired"],
            "types": [(one, template(one, lang).label) for one in AGENT_TYPES],
            "form": form,
        }

    async def _move(self, caller: Caller, key: str, *, up: bool) -> None:
        async with self._db.tenant(caller.tenant_id) as tx:
            keys = [one.key for one in await actions.managed(tx) if one.state == "live"]
        if key not in keys:
            raise actions.AgentNotFound
        place = keys.index(key)
        other = max(0, place - 1) if up else min(len(keys) - 1, place + 1)
        keys[place], keys[other] = keys[other], keys[place]
        await self._publishing.order(caller.tenant_id, actor_of(caller), keys)

    async def _created(self, request: Request, caller: Caller, form: Form) -> str:
        given = {name: form.get(name) for name in ("name", "type")}
        body = checked(NewAgentBody, given)
        async with self._db.tenant(caller.tenant_id) as tx:
            tenant = await _tenant(tx)
            draft = configured(
                body.type,
                "en" if tenant.locale == "en" else "fr",
                name=body.name,
                company=tenant.company_name,
                sector=sector_of(tenant.sector),
            )
            return (await actions.create_draft(tx, actor_of(caller), draft)).key

    async def _saved(self, caller: Caller, key: str, form: Form) -> Managed:
        async with self._db.tenant(caller.tenant_id) as tx:
            before = (await actions.one(tx, key)).written
            draft = forms.written(form, before, await _tenant(tx))
            return await actions.save_draft(
                tx, actor_of(caller), key, draft, revision=_revision(form)
            )

    async def _discard(self, caller: Caller, key: str, form: Form) -> Response:
        async with self._db.tenant(caller.tenant_id) as tx:
            left = await actions.discard_draft(tx, actor_of(caller), key, revision=_revision(form))
        at = AGENTS if left is None else f"{AGENTS}/{key}"
        return see_other(f"{at}?done=discarded")

    async def _tried(
        self, caller: Caller, key: str, form: Form, said: list[Line]
    ) -> tuple[Tried, list[Line]]:
        question = forms.question(form)
        async with self._db.tenant(caller.tenant_id) as tx:
            agent = await actions.one(tx, key)
            tenant = await _tenant(tx)
        draft = agent.answering_as(forms.written(form, agent.written, tenant))
        bound = Bound("rehearsal", str(user_of(caller)), QUESTIONS_PER_MINUTE, 60)
        await attempts.count(self._db, [bound])
        told = await self._rehearsals.ask(caller.tenant_id, draft, question, said=said)
        return Tried(question, told), [*said, Line(question), Line(told.text, told.agent)]

    async def _not_tried(
        self, request: Request, caller: Caller, key: str, form: Form, error: CoccinelleError
    ) -> Response:
        """For htmx one sentence in the chat; what is wrong in the form is named there, too."""
        if "hx-request" not in request.headers:
            found = await self._one(request, caller, key, typed=form, said=forms.said_before(form))
            return self._pages.refused(request, _ONE, error, **found, form=form, done="")
        return self._pages.refused(
            request,
            "agents/_tried.html",
            error,
            tried=Tried(form.get("question", "")),
            agent_key=key,
            history=form.get("history", ""),
            asked=form.get("question", ""),
        )

    async def _one(
        self,
        request: Request,
        caller: Caller,
        key: str,
        *,
        typed: Form | None = None,
        said: Sequence[Line] = (),
        tried: Tried | None = None,
    ) -> dict[str, Any]:
        async with self._db.tenant(caller.tenant_id) as tx:
            agent = await actions.one(tx, key)
            tenant = await _tenant(tx)
            names = {one.key: one.name for one in await actions.managed(tx)}
        kept = forms.values(agent.written, tenant)
        spoken = agent.written.voice.language
        return {
            "agent": agent,
            "names": names,
            "changes": _changes(agent),
            "values": {**kept, **(typed or {})},
            "greets": _greeting(agent.written, tenant, typed),
            "voices": await offered(self._voices, language=spoken[:2]),
            "languages": _languages(spoken, language_of(request)),
            "has_models": self._has_models,
            "zone": tenant.timezone,
            "said": said,
            "tried": tried,
            "history": forms.history(list(said)),
            "asked": typed.get("question", "") if typed and tried is None else "",
        }


def _changes(agent: Managed) -> Sequence[Difference] | None:
    """What the draft would change; None where there is no draft, or nothing to compare with."""
    base = agent.live or agent.latest
    if agent.draft is None or base is None:
        return None
    return differences(base.configuration, agent.draft.configuration)


def _greeting(said: Configuration, tenant: Tenant, typed: Mapping[str, str] | None) -> str:
    """What it says first, as it will when this form is saved."""
    if typed is None:
        return said.greeting
    try:
        return forms.written(typed, said, tenant).greeting
    except CoccinelleError:
        return said.greeting


def _told(version: Version, before: Sequence[Version]) -> Told:
    if not before:
        return Told(version, None)
    return Told(version, differences(before[0].configuration, version.configuration))


def _languages(kept: str, lang: Locale) -> list[tuple[str, str]]:
    codes = dict.fromkeys(["fr-FR", "en-GB", kept])
    named = ((code, babel.Locale.parse(code, sep="-").get_display_name(lang)) for code in codes)
    return [(code, (name or code)[:1].upper() + (name or code)[1:]) for code, name in named]


def _revision(form: Mapping[str, str]) -> int | None:
    """What the page showed; a form that does not say it changes nothing that others changed."""
    return _number(form.get("revision", "")) or 0


def _number(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 9 else None


async def _tenant(tx: TenantTx) -> Tenant:
    found = await tenants_store.tenant(tx)
    if found is None:
        raise NotFound("tenant_not_found")
    return found
