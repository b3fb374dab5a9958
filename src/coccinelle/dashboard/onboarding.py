"""The wizard: a step a screen, each one transaction through the actions that the API uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard import onboarding_forms as forms
from coccinelle.dashboard import onboarding_store as store
from coccinelle.dashboard import onboarding_views as views
from coccinelle.dashboard.channels import make_own_key
from coccinelle.dashboard.onboarding_views import Here, Screen
from coccinelle.dashboard.pages import Pages, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.dashboard.uploads import read_upload
from coccinelle.dashboard.voices import offered
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge import store as knowledge_store
from coccinelle.knowledge.model import NewSource, Question, SourceNotFound
from coccinelle.onboarding import actions, exams
from coccinelle.onboarding import store as onboarding_store
from coccinelle.onboarding.actions import FAQ_SLOT, SITE_SLOT
from coccinelle.onboarding.model import Held, StepTooEarly
from coccinelle.providers.speech.model import Voices
from coccinelle.tenants.audit import actor_of
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

START = "/onboarding"
MAX_FILES = 20
MAX_FORM_FIELDS = 2_100

# Refusals that name no field, and the field beside which they are told.
_AT = {"number_taken": "phone_number"}

View = Callable[[TenantTx, Here, Mapping[str, str] | None, Locale], Awaitable[Any]]
Save = Callable[[TenantTx, Caller, Held, "Sent"], Awaitable[None]]


class Sent:
    """What a screen sent: its fields, its files, and what its page shows again when refused."""

    def __init__(self, form: Mapping[str, str], files: list[NewSource] | None = None) -> None:
        self.form = form
        self.files = files or []

    @property
    def only_asks(self) -> bool:
        """Whether it is about what a site proposes, the exam, or one source: no step is saved."""
        names = ("read", "take", "start", "question", "remove")
        return any(name in self.form for name in names)


def routes(
    pages: Pages,
    db: Database,
    callers: Callers,
    *,
    public_url: str | None = None,
    voices: Voices | None = None,
) -> APIRouter:
    """The screens of onboarding, for admins."""
    wizard = _Wizard(pages, db, callers, public_url, voices)
    router = pages.router()
    router.add_api_route(START, wizard.start, methods=["GET"])
    for screen in views.SCREENS:
        path = f"{START}/{screen}"
        router.add_api_route(path, wizard.showing(screen), methods=["GET"])
        router.add_api_route(path, wizard.saving(screen), methods=["POST"])
    return router


class _Wizard:
    def __init__(
        self,
        pages: Pages,
        db: Database,
        callers: Callers,
        public_url: str | None,
        voices: Voices | None,
    ) -> None:
        self._pages = pages
        self._db = db
        self._callers = callers
        self._public_url = public_url
        self._voices = voices

    async def start(self, request: Request) -> Response:
        """The step to do next: where she stopped, on whatever device."""
        caller = await self._pages.signed_in(request, at_least="admin")
        async with self._db.tenant(caller.tenant_id) as tx:
            held = await store.latest_onboarding(tx)
            if held is not None and held.completed_at is not None:
                session = await actions.get(tx, held.id)
            else:
                session, _ = await actions.open_session(tx, actor_of(caller))
        return see_other(f"{START}/{views.screen_of(session)}")

    def showing(self, screen: Screen) -> Callable[[Request], Awaitable[Response]]:
        """The screen, with all that was said before."""

        async def show(request: Request) -> Response:
            caller = await self._pages.signed_in(request, at_least="admin")
            typed = dict(request.query_params) if screen == "assistant" else None
            found = await self._shown(request, caller, screen, typed)
            if found is None or screen not in found["reached"]:
                return see_other(START)
            return self._pages.render(request, _template(screen), **found)

        return show

    def saving(self, screen: Screen) -> Callable[[Request], Awaitable[Response]]:
        """Write what the screen says, and go on; or the screen again, with what is wrong."""

        async def save(request: Request) -> Response:
            caller = await self._pages.signed_in(request, at_least="admin")
            async with self._db.tenant(caller.tenant_id) as tx:
                held = await store.latest_onboarding(tx)
            if held is None:
                return see_other(START)
            sent = await _read(request, screen)
            try:
                async with self._db.tenant(caller.tenant_id) as tx:
                    await onboarding_store.hold(tx, held.id)  # Two tabs: one after the other.
                    await _SAVES[screen](tx, caller, held, sent)
            except StepTooEarly:
                return see_other(START)
            except CoccinelleError as error:
                if not sent.only_asks:
                    await self._note(caller, held, screen, error)
                return await self._refused(request, caller, screen, error, sent)
            if screen in ("business", "knowledge") and sent.only_asks:
                return await self._filled(request, caller, screen, sent)
            return see_other(_following(screen, sent))

        return save

    async def _shown(
        self, request: Request, caller: Caller, screen: Screen, typed: Mapping[str, str] | None
    ) -> dict[str, Any] | None:
        async with self._db.tenant(caller.tenant_id) as tx:
            held = await store.latest_onboarding(tx)
            if held is None:
                return None
            at = await views.here(tx, held)
            found = await _VIEWS[screen](tx, at, typed, language_of(request))
            has_taken_exam = await store.has_taken_exam(tx)
        origin = self._public_url or self._callers.own_origin(request)
        steps = views.progress(screen, at.session, has_taken_exam=has_taken_exam)
        if screen == "assistant":
            spoken = found["values"].get("voice_language") or at.tenant.locale
            found["offer"] = await offered(self._voices, language=spoken[:2])
        return {**steps, "origin": origin.rstrip("/"), **found}

    async def _filled(
        self, request: Request, caller: Caller, screen: Screen, sent: Sent
    ) -> Response:
        """The screen with what she typed, and what is proposed: nothing was saved."""
        found = await self._shown(request, caller, screen, sent.form)
        if found is None:
            return see_other(START)
        return self._pages.render(request, _template(screen), **found)

    async def _refused(
        self, request: Request, caller: Caller, screen: Screen, error: CoccinelleError, sent: Sent
    ) -> Response:
        found = await self._shown(request, caller, screen, sent.form)
        if found is None:
            return see_other(START)
        return self._pages.refused(request, _template(screen), error, at=_AT, **found)

    async def _note(
        self, caller: Caller, held: Held, screen: Screen, error: CoccinelleError
    ) -> None:
        place = views.place_of(screen)
        with suppress(CoccinelleError, psycopg.Error):  # The page is refused all the same.
            await actions.note_failure(self._db, caller.tenant_id, held.id, place, error.code)


async def _save_business(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    """Save it; or have her site read, or its proposal shown in the form, which saves nothing."""
    if "read" in sent.form:
        website = forms.suggestion(sent.form).body.website
        await actions.suggest(tx, actor_of(caller), held.id, website)
    if sent.only_asks:
        return
    asked = forms.business(sent.form)
    await actions.save_business(
        tx, actor_of(caller), held.id, sector=asked.body.sector, facts=asked.body.facts()
    )


async def _save_staff(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    asked = forms.staff(sent.form)
    body = asked.body
    with asked.in_form():
        await actions.save_staff(
            tx,
            actor_of(caller),
            held.id,
            members=body.new_members(),
            hours=body.openings(),
            closures=body.new_closures(),
            closes_on_public_holidays=body.closes_on_public_holidays,
        )


async def _save_assistant(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    at = await views.here(tx, held)
    live = at.agent.configuration if at.agent else None
    chosen = forms.assistant(sent.form, live, at.tenant).body.chosen()
    await actions.save_assistant(tx, actor_of(caller), held.id, chosen)


async def _save_knowledge(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    """Site and questions are said anew as a whole; files are added to those that are there."""
    if "remove" in sent.form:
        sent.form = await _removed(tx, sent.form)
        return
    asked = forms.knowledge(sent.form)
    body = asked.body
    pairs = [Question(pair.question, pair.answer) for pair in body.faqs]
    for slot, is_given in ((SITE_SLOT, bool(body.website)), (FAQ_SLOT, bool(pairs))):
        if not is_given:
            await knowledge.clear(tx, slot=slot)
    if not (body.website or pairs or sent.files):
        return
    with asked.in_form():
        await actions.save_knowledge(
            tx, actor_of(caller), held.id, website=body.website, faqs=pairs
        )
    await knowledge.add_files(tx, sent.files)


async def _removed(tx: TenantTx, form: Mapping[str, str]) -> dict[str, str]:
    """Remove a source, if it is still there; what the form goes on saying, without what it was."""
    source_id = forms.source_id(form)
    gone = {SITE_SLOT: "website", FAQ_SLOT: "faqs."}
    names = [gone[slot] for slot in gone if await knowledge_store.in_slot(tx, slot) == source_id]
    with suppress(SourceNotFound):
        await knowledge.remove(tx, source_id)
    return {name: "" if name.startswith(tuple(names)) else value for name, value in form.items()}


async def _correct(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    """Start the exam, answer one of its questions or take it off the list; or simply go on."""
    tenant = (await views.here(tx, held)).tenant
    actor, locale = actor_of(caller), locale_of(tenant.locale)
    if "start" in sent.form:
        await exams.start(tx, actor, held.id, locale=locale)
    if "question" not in sent.form:
        return
    question_id = forms.question_id(sent.form)
    if "dismiss" in sent.form:
        await exams.dismiss(tx, actor, held.id, question_id)
    else:
        text = sent.form.get("text", "")
        await exams.answer(tx, actor, held.id, question_id, text, locale=locale)


async def _complete(tx: TenantTx, caller: Caller, held: Held, sent: Sent) -> None:
    """End, and make the key of her own site unless she has one: two tabs make one."""
    await actions.complete(tx, actor_of(caller), held.id)
    at = await views.here(tx, held)
    await make_own_key(tx, caller, at.tenant)


_SAVES: Mapping[Screen, Save] = {
    "business": _save_business,
    "staff": _save_staff,
    "assistant": _save_assistant,
    "knowledge": _save_knowledge,
    "exam": _correct,
    "done": _complete,
}
_VIEWS: Mapping[Screen, View] = {
    "business": views.business,
    "staff": views.staff,
    "assistant": views.assistant,
    "knowledge": views.knowledge_found,
    "exam": views.exam,
    "done": views.done,
}


def _template(screen: Screen) -> str:
    return f"onboarding/{screen}.html"


def _following(screen: Screen, sent: Sent) -> str:
    """The screen after this one; the same one where she asked to stay."""
    if screen == "done" or "stay" in sent.form or sent.only_asks:
        return f"{START}/{screen}"
    return f"{START}/{views.SCREENS[views.SCREENS.index(screen) + 1]}"


async def _read(request: Request, screen: Screen) -> Sent:
    kind = request.headers.get("content-type", "")
    if screen != "knowledge" or not kind.startswith("multipart/form-data"):
        return Sent(await read_form(request))
    return Sent(*await read_upload(request, max_files=MAX_FILES, max_fields=MAX_FORM_FIELDS))
