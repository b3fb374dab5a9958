"""How customers reach the assistant: the web site and its widget, the phone and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from babel.numbers import format_decimal
from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.agents import actions as agents
from coccinelle.agents import store as agents_store
from coccinelle.agents.model import Agent, Configuration
from coccinelle.channels.widget import actions as widget
from coccinelle.channels.widget import store as widget_store
from coccinelle.channels.widget.model import WidgetSettings
from coccinelle.dashboard import business
from coccinelle.dashboard import onboarding_forms as forms
from coccinelle.dashboard.pages import Pages, Trouble, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.dashboard.voices import KEPT
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, FieldError, Invalid, NotFound
from coccinelle.foundation.i18n import Locale
from coccinelle.numbers import actions as numbers
from coccinelle.numbers.model import Number, normalised, written
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import actions as accounts
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller, Tenant, origin

PHONE = "/dashboard/settings/channels/phone"
WEB = "/dashboard/settings/channels/web"
DEFAULT_COLOR = "#b3261e"
# WCAG 2.2, 1.4.3: of text; 1.4.11: of a button against the page.
READABLE = 4.5
VISIBLE = 3.0
MAX_ORIGINS = 50

_FIELDS = ("color", "position", "greeting_fr", "greeting_en", "reply_within_minutes")
_KEY_NAMES = {"fr": "Mon site", "en": "My website"}


@dataclass(frozen=True)
class Called:
    """An agent, and the number that it is called on."""

    agent: Agent
    number: Number | None
    written: str
    own_greeting: str


@dataclass(frozen=True)
class Sample:
    """How a colour looks: what is written on it, and how well one reads and sees it."""

    color: str
    ink: str
    contrast: str
    is_visible: bool


def routes(
    pages: Pages, db: Database, callers: Callers, *, public_url: str | None = None
) -> APIRouter:
    """The pages of both channels, for admins."""
    channels = _Channels(pages, db, callers, public_url)
    router = pages.router()
    router.add_api_route(PHONE, channels.phone, methods=["GET"])
    router.add_api_route(PHONE, channels.save_phone, methods=["POST"])
    router.add_api_route(PHONE + "/numbers/{number_id}", channels.withdraw, methods=["POST"])
    router.add_api_route(WEB, channels.web, methods=["GET"])
    router.add_api_route(WEB, channels.save_web, methods=["POST"])
    router.add_api_route(f"{WEB}/keys", channels.make_key, methods=["POST"])
    router.add_api_route(WEB + "/keys/{key_id}", channels.save_origins, methods=["POST"])
    return router


def sample(color: str, lang: Locale) -> Sample:
    """White on the colour where it can be read, else black. Contrast as WCAG 2.2 defines it."""
    on_white = contrast(color, "#ffffff")
    ink = "#ffffff" if on_white >= READABLE else "#000000"
    ratio = format_decimal(contrast(color, ink), "0.0", locale=lang)
    return Sample(color, ink, ratio, on_white >= VISIBLE)


def contrast(one: str, other: str) -> float:
    """Of two colours, `#rrggbb`: 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


class _Channels:
    def __init__(
        self, pages: Pages, db: Database, callers: Callers, public_url: str | None
    ) -> None:
        self._pages = pages
        self._db = db
        self._callers = callers
        self._public_url = public_url

    async def phone(self, request: Request) -> Response:
        """Name, greeting and number of each agent."""
        caller = await self._pages.signed_in(request, at_least="admin")
        found = await self._phone(caller)
        saved = request.query_params.get("done")
        return self._pages.render(request, "channels/phone.html", saved=saved, **found)

    async def save_phone(self, request: Request) -> Response:
        """Change one agent: a new version, live at once, and its number, or nothing."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            async with self._db.tenant(caller.tenant_id) as tx:
                key = await _save_agent(tx, caller, form)
        except NotFound:
            raise
        except CoccinelleError as error:
            found = {**await self._phone(caller), "typed": form, "saved": None}
            at = {"number_taken": "phone_number"}
            return self._pages.refused(request, "channels/phone.html", error, at=at, **found)
        return see_other(f"{PHONE}?done={key}")

    async def withdraw(self, request: Request, number_id: UUID) -> Response:
        """Give up a number; one that is gone already is gone."""
        caller = await self._pages.signed_in(request, at_least="admin")
        await read_form(request)
        with suppress(NotFound):
            async with self._db.tenant(caller.tenant_id) as tx:
                await numbers.withdraw(tx, caller, number_id)
        return see_other(f"{PHONE}?done=withdrawn")

    async def web(self, request: Request) -> Response:
        """The line to embed, how the widget looks, and where it may be."""
        caller = await self._pages.signed_in(request, at_least="admin")
        query = request.query_params
        shown = {name: query[name] for name in _FIELDS if name in query}
        found = await self._web(request, caller, shown)
        return self._pages.render(request, "channels/web.html", saved=query.get("done"), **found)

    async def save_web(self, request: Request) -> Response:
        """Change how the widget looks and greets."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        changes = {name: form[name] for name in _FIELDS if name in form}
        try:
            async with self._db.tenant(caller.tenant_id) as tx:
                await widget.change(tx, **changes)
                await audit.record(tx, audit.actor_of(caller), "widget.changed")
        except Invalid as error:
            return await self._web_refused(request, caller, error, changes, {})
        return see_other(f"{WEB}?done=looks")

    async def make_key(self, request: Request) -> Response:
        """A key for the business's own site, unless it has one."""
        caller = await self._pages.signed_in(request, at_least="admin")
        await read_form(request)
        async with self._db.tenant(caller.tenant_id) as tx:
            await make_own_key(tx, caller, await business.tenant(tx))
        return see_other(f"{WEB}?done=key")

    async def save_origins(self, request: Request, key_id: UUID) -> Response:
        """Say on which sites a key works."""
        caller = await self._pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        typed = form.get("origins", "")
        try:
            origins = _origins(typed)
            async with self._db.tenant(caller.tenant_id) as tx:
                await accounts.allow_origins(tx, caller, key_id, origins=origins)
        except Invalid as error:
            return await self._web_refused(request, caller, error, {}, {key_id: typed})
        return see_other(f"{WEB}?done=origins")

    async def _phone(self, caller: Caller) -> dict[str, Any]:
        async with self._db.tenant(caller.tenant_id) as tx:
            tenant = await business.tenant(tx)
            live = await agents_store.live_agents(tx)
            found, _ = await numbers.listed(tx, limit=200)
        own = {number.agent: number for number in reversed(found) if number.channel == "voice"}
        called = [_called(agent, own.get(agent.key), tenant) for agent in live]
        return {"called": called, "typed": {}, "calm": Trouble()}

    async def _web(
        self, request: Request, caller: Caller, shown: Mapping[str, str]
    ) -> dict[str, Any]:
        async with self._db.tenant(caller.tenant_id) as tx:
            chosen = await widget_store.settings(tx) or WidgetSettings()
            shopfront = await widget_store.shopfront(tx)
            keys = await tenants_store.public_keys(tx, limit=100, before=None)
        own = self._public_url or self._callers.own_origin(request)
        kept = {name: getattr(chosen, name) for name in _FIELDS}
        values = {**{name: "" if value is None else str(value) for name, value in kept.items()}}
        values |= shown
        return {
            "values": values,
            "sample": sample(_color(values["color"]) or DEFAULT_COLOR, language_of(request)),
            "agent": shopfront.agent if shopfront else None,
            "keys": keys[::-1],
            "typed": {},
            "calm": Trouble(),
            "origin": own.rstrip("/"),
        }

    async def _web_refused(
        self,
        request: Request,
        caller: Caller,
        error: Invalid,
        changes: Mapping[str, str],
        typed: Mapping[UUID, str],
    ) -> Response:
        found = {**await self._web(request, caller, changes), "typed": typed, "saved": None}
        return self._pages.refused(request, "channels/web.html", error, **found)


async def make_own_key(tx: TenantTx, caller: Caller, tenant: Tenant) -> None:
    """The public key of the business's own site, with the origins of its pages; unless it has a
    public key. Of two presses at once, one makes it."""
    await tenants_store.hold(tx)
    if await tenants_store.public_keys(tx, limit=1, before=None):
        return
    name = _KEY_NAMES["en" if tenant.locale == "en" else "fr"]
    origins = site_origins(tenant.website)
    await accounts.create_public_key(tx, caller, name=name, origins=origins)


def site_origins(website: str | None) -> list[str]:
    """Origins of a site's pages, with and without `www.`; none where there is no site."""
    try:
        parts = urlsplit(website or "")
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return []
    if not host or parts.scheme not in ("http", "https"):
        return []
    twin = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
    has_twin = "." in host and not host.replace(".", "").isdigit() and ":" not in host
    found = (f"{parts.scheme}://{name}{port}" for name in ([host, twin] if has_twin else [host]))
    return [one for one in found if _is_origin(one)]


def _is_origin(value: str) -> bool:
    try:
        return bool(origin(value))
    except Invalid:
        return False


async def _save_agent(tx: TenantTx, caller: Caller, form: Mapping[str, str]) -> str:
    """Raises `NotFound` where the tenant has no agent of that key."""
    tenant, live = await business.tenant(tx), await agents_store.live_agents(tx)
    agent = next((one for one in live if one.key == form.get("agent")), None)
    if agent is None:
        raise NotFound("unknown_agent")
    before = agent.configuration
    typed = {**form, "agent_type": before.type, "voice": KEPT}
    asked = forms.assistant(typed, before, tenant).body
    after = _renamed(before, tenant, name=asked.agent_name, greeting=asked.greeting)
    if after != before:
        actor = audit.actor_of(caller)
        await agents.publish(tx, agent_id=agent.id, configuration=after, actor=actor)
    if asked.phone_number:
        e164 = normalised(asked.phone_number, timezone=tenant.timezone, field="phone_number")
        await numbers.declare(tx, e164=e164, agent_id=agent.id)
    return agent.key


def _renamed(
    live: Configuration, tenant: Tenant, *, name: str, greeting: str | None
) -> Configuration:
    """What the agent says of itself follows its name, where it is the type's own."""
    then, now = forms.usual(live, tenant), forms.usual(live, tenant, name=name)
    texts = ("persona", "description")
    changed = {
        text: getattr(now, text) for text in texts if getattr(live, text) == getattr(then, text)
    }
    return replace(live, name=name, greeting=greeting or now.greeting, **changed)


def _called(agent: Agent, number: Number | None, tenant: Tenant) -> Called:
    shown = written(number.e164, timezone=tenant.timezone) if number else ""
    live = agent.configuration
    is_usual = live.greeting == forms.usual(live, tenant).greeting
    return Called(agent, number, shown, "" if is_usual else live.greeting)


def _origins(typed: str) -> list[str]:
    """One a line, as people write the address of a site. Raises `Invalid`."""
    lines = [line.strip() for line in typed.splitlines() if line.strip()]
    if len(lines) > MAX_ORIGINS:
        raise Invalid(errors=(FieldError("origins", "too_long", (("max_length", MAX_ORIGINS),)),))
    try:
        return [origin(line if "://" in line else f"https://{line}") for line in lines]
    except Invalid as error:
        raise Invalid(errors=(FieldError("origins", error.code),)) from error


def _color(typed: str) -> str | None:
    found = typed.strip().lower()
    is_color = len(found) == 7 and found[0] == "#" and set(found[1:]) <= set("0123456789abcdef")
    return found if is_color else None


def _luminance(color: str) -> float:
    parts = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
