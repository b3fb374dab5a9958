"""The composition root: one process's HTTP application, from the parts of its house."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from fastapi import FastAPI, Request

import coccinelle
from coccinelle.agents import api as agents_api
from coccinelle.agents import voices_api
from coccinelle.agents.publishing import Publishing
from coccinelle.channels import chat_v2, openai_api, webhook_v1
from coccinelle.channels.visitor import VisitorTokens
from coccinelle.channels.widget import api as widget
from coccinelle.channels.widget import assets as widget_assets
from coccinelle.conversations import api as conversations_api
from coccinelle.dashboard import accounts as account_pages
from coccinelle.dashboard import agents as agent_pages
from coccinelle.dashboard import channels as channel_pages
from coccinelle.dashboard import conversations as conversation_pages
from coccinelle.dashboard import home as home_page
from coccinelle.dashboard import inbox as inbox_pages
from coccinelle.dashboard import insights as insight_pages
from coccinelle.dashboard import keys as key_pages
from coccinelle.dashboard import knowledge as knowledge_pages
from coccinelle.dashboard import knowledge_questions as question_pages
from coccinelle.dashboard import limits as limit_pages
from coccinelle.dashboard import members as member_pages
from coccinelle.dashboard import oidc as oidc_pages
from coccinelle.dashboard import onboarding as onboarding_pages
from coccinelle.dashboard import operator as operator_page
from coccinelle.dashboard import rendering
from coccinelle.dashboard import settings as settings_pages
from coccinelle.dashboard.pages import PREFIXES, Pages, problem_page
from coccinelle.demo import page as demo_page
from coccinelle.engine.rehearsal import Rehearsals
from coccinelle.foundation import problems, web
from coccinelle.foundation.health import Health
from coccinelle.foundation.health import routes as health_routes
from coccinelle.foundation.metrics import CountRequests
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.settings import Settings
from coccinelle.foundation.web import BodyLimit, BodyLimits, Proxies
from coccinelle.handoffs import api as handoffs_api
from coccinelle.house import House
from coccinelle.insights import api as insights_api
from coccinelle.knowledge import api as knowledge_api
from coccinelle.numbers import api as numbers_api
from coccinelle.onboarding import api as onboarding_api
from coccinelle.tenants.accounts import api as accounts_api
from coccinelle.tenants.accounts import members_api
from coccinelle.tenants.accounts.cookies import OwnPagesOnly
from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.accounts.federation import Federation
from coccinelle.tenants.accounts.mails import Links
from coccinelle.tenants.accounts.model import AccountRules
from coccinelle.tenants.accounts.tickets import Tickets
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

KEY_FILE = "secret_key"
UPLOAD_SECONDS = 300.0


def create_app(house: House, health: Health) -> FastAPI:
    """Every route of the product, over one house."""
    settings = house.settings
    app = FastAPI(
        title="Coccinelle",
        version=coccinelle.__version__,
        summary=coccinelle.__doc__,
        docs_url="/docs" if settings.docs_page else None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs_page else None,
    )
    shapes = {"/webhook/": webhook_v1.error_response, "/v1/": openai_api.error_response}
    refusals = Refusals(shapes | dict.fromkeys(PREFIXES, problem_page))
    problems.install(app, refusals)
    app.add_middleware(
        OwnPagesOnly,
        refusals=refusals,
        proxies=Proxies(settings.trusted_proxies),
        public_url=settings.public_url,
        entrances=(accounts_api.PREFIX, accounts_api.ALIAS, *account_pages.ENTRANCES),
    )
    web.install(app, refusals=refusals, limits=_body_limits(settings))
    app.add_middleware(CountRequests)
    _include_routes(app, house, health)
    return app


def _include_routes(app: FastAPI, house: House, health: Health) -> None:
    settings, db, engine = house.settings, house.db, house.engine
    callers = Callers(
        db,
        proxies=Proxies(settings.trusted_proxies),
        session_idle_days=settings.session_idle_days,
    )
    tokens = VisitorTokens(_secret_key(settings), days=settings.visitor_token_days)
    chars = settings.message_chars
    channels = (
        chat_v2.routes(engine, db, callers, house.limits, tokens=tokens, message_chars=chars),
        webhook_v1.routes(engine, db, callers, house.limits, message_chars=chars),
        openai_api.routes(engine, db, callers, message_chars=chars),
        widget.routes(db, callers, message_chars=chars),
    )
    for router in channels:
        app.include_router(router)
    app.include_router(
        knowledge_api.routes(house, lambda request: callers.of(request, scope="knowledge"))
    )
    app.include_router(widget_assets.routes(widget_assets.read_assets()))
    app.include_router(demo_page.routes(db))
    _include_accounts(app, house, callers)
    _include_management(app, house, callers)
    app.include_router(health_routes(health, settings))


def _include_accounts(app: FastAPI, house: House, callers: Callers) -> None:
    settings = house.settings
    rules = AccountRules(
        session_idle_days=settings.session_idle_days,
        session_days=settings.session_days,
        invitation_days=settings.invitation_days,
        logins_per_minute=settings.logins_per_minute,
        logins_per_email=settings.logins_per_email,
        signups_per_hour=settings.signups_per_hour,
        resets_per_hour=settings.resets_per_hour,
    )
    links = Links(settings.public_url, has_mail=settings.smtp_url is not None)
    entrance = Entrance(house.db, house.passwords, rules)
    app.include_router(accounts_api.routes(house.db, callers, entrance, rules, links))
    app.include_router(members_api.routes(house.db, callers))
    reception = accounts_api.Reception(house.db, callers, rules, links)
    pages = Pages(house.db, callers)
    _include_pages(app, house, pages, entrance, reception)
    public_url = settings.public_url
    app.include_router(channel_pages.routes(pages, house.db, callers, public_url=public_url))
    app.include_router(
        onboarding_pages.routes(
            pages, house.db, callers, public_url=public_url, voices=house.voices
        )
    )
    app.include_router(agent_pages.routes(pages, _workshop(house)))
    app.include_router(knowledge_pages.routes(pages, house))
    app.include_router(question_pages.routes(pages, house, passages=settings.passages))


def _include_pages(
    app: FastAPI, house: House, pages: Pages, entrance: Entrance, reception: accounts_api.Reception
) -> None:
    db, issuer = house.db, _issuer(house, entrance)
    name = issuer.name if issuer else None
    app.include_router(rendering.static_routes())
    app.include_router(account_pages.routes(pages, db, entrance, reception, issuer=name))
    app.include_router(oidc_pages.routes(pages, db, reception, issuer))
    app.include_router(home_page.routes(pages, db))
    app.include_router(conversation_pages.routes(pages, db))
    app.include_router(inbox_pages.routes(pages, db))
    app.include_router(insight_pages.routes(pages, db))
    app.include_router(operator_page.routes(pages, db, house.settings.operator_token))
    app.include_router(settings_pages.routes(pages, db, entrance, reception, issuer=name))
    app.include_router(limit_pages.routes(pages, db, house.settings, house.limits))
    app.include_router(member_pages.routes(pages, db, reception))
    app.include_router(key_pages.routes(pages, db))


def _workshop(house: House) -> agent_pages.Workshop:
    rehearsals = Rehearsals(
        house.views,
        house.orchestrator,
        answer_model=house.answer_model,
        settings=house.engine_settings,
    )
    return agent_pages.Workshop(
        db=house.db,
        publishing=Publishing(house.db, house.views),
        rehearsals=rehearsals,
        voices=house.voices,
        has_models=house.settings.has_language_models,
    )


def _issuer(house: House, entrance: Entrance) -> oidc_pages.Issuer | None:
    if house.oidc is None:
        return None
    settings = house.settings
    return oidc_pages.Issuer(
        name=settings.oidc_name,
        provider=house.oidc,
        federation=Federation(house.db, entrance, accepts_unknown=settings.oidc_signup),
        tickets=Tickets(_secret_key(settings)),
    )


def _include_management(app: FastAPI, house: House, callers: Callers) -> None:
    async def manager(request: Request) -> Caller:
        return await callers.of(request, scope="manage")

    async def admin(request: Request) -> Caller:
        return await callers.session_of(request, at_least="admin")

    async def teammate(request: Request) -> Caller:
        return await callers.session_in(request) or await manager(request)

    publishing = Publishing(house.db, house.views)
    app.include_router(agents_api.routes(house.db, manager, publishing))
    app.include_router(voices_api.routes(manager, house.voices))
    app.include_router(numbers_api.routes(house.db, manager))
    app.include_router(onboarding_api.routes(house.db, admin))
    app.include_router(conversations_api.routes(house.db, teammate))
    app.include_router(handoffs_api.routes(house.db, teammate))
    app.include_router(insights_api.routes(house.db, teammate))


def _body_limits(settings: Settings) -> BodyLimits:
    chat = BodyLimit(settings.chat_body_bytes)
    uploads = BodyLimit(settings.upload_body_bytes, UPLOAD_SECONDS)
    return BodyLimits(
        by_prefix=(
            ("/api/v1/sources/upload", uploads),
            ("/onboarding/knowledge", uploads),
            ("/dashboard/knowledge/files", uploads),
            ("/api/v1/", BodyLimit(settings.json_body_bytes)),
            ("/api/", chat),
            ("/webhook/", chat),
            ("/v1/chat/", BodyLimit(settings.json_body_bytes)),
        ),
        otherwise=BodyLimit(settings.json_body_bytes),
    )


def _secret_key(settings: Settings) -> str:
    """The operator's key, or one of our own, made once and kept beside the data."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.data / KEY_FILE
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _make_once(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="ascii")


def _make_once(file: Path, content: str) -> None:
    """Write a private file that appears whole; of two processes at once, the first one's stays."""
    made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    made.touch(mode=0o600)
    made.write_text(content, encoding="ascii")
    with contextlib.suppress(FileExistsError):
        file.hardlink_to(made)
    made.unlink()
