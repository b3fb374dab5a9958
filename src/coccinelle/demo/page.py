"""`/demo`: the home page of each demo business, with the widget on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from coccinelle.demo import content
from coccinelle.demo.content import DemoTenant
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid, NotFound
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store
from coccinelle.tenants.model import host_name

PATH = "/demo"
STYLE = "page.css"
# Nothing from elsewhere, nothing inline: what the widget asks of the strictest page.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def routes(db: Database) -> APIRouter:
    """The page of the demo business whose host name is asked, and its stylesheet.

    Under any other host name there is no such page.
    """
    router = APIRouter(include_in_schema=False)

    async def page(request: Request) -> Response:
        html = _pages().get(await _slug(db, request) or "")
        if html is None:
            raise NotFound
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        return Response(html, headers=headers, media_type="text/html")

    async def style(request: Request) -> Response:
        if await _slug(db, request) not in _pages():
            raise NotFound
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(_style(), headers=headers, media_type="text/css")

    router.add_api_route(PATH, page, methods=["GET"])
    router.add_api_route(f"{PATH}/{STYLE}", style, methods=["GET"])
    return router


async def _slug(db: Database, request: Request) -> str | None:
    """Short name of the business that the request's host name is bound to."""
    try:
        host = host_name(request.headers.get("host", ""))
    except Invalid:
        return None
    caller = await tenants.caller_by_host(db, host)
    if caller is None:
        return None
    async with db.tenant(caller.tenant_id) as tx:
        tenant = await store.tenant(tx)
    return tenant.slug if tenant else None


@cache
def _pages() -> Mapping[str, str]:
    return {tenant.slug: _rendered(tenant) for tenant in content.tenants()}


@cache
def _style() -> str:
    return resources.files("coccinelle.demo").joinpath("pages", STYLE).read_text("utf-8")


@cache
def _templates() -> Environment:
    loader = PackageLoader("coccinelle.demo", "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


def _rendered(tenant: DemoTenant) -> str:
    template = _templates().get_template(f"{tenant.slug}.html")
    return template.render(name=tenant.company_name, color=tenant.widget["color"], **tenant.facts)
