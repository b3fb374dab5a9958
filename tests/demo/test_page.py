"""`/demo` of each demo business: its own page, strict, and true to what its agents know."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx2
import pytest

from coccinelle.app import create_app
from coccinelle.demo import content
from coccinelle.foundation.health import Health
from coccinelle.tenants import actions as tenants
from tests.demo.conftest import FirstRun

DEMOS = {tenant.slug: tenant for tenant in content.tenants()}
HOSTS = {slug: tenant.hosts[0] for slug, tenant in DEMOS.items()}
AMOUNT = re.compile(r"(\d[\d ]*) €")
HOUR = re.compile(r"\b\d{1,2} h(?: \d{2})?")
PHONE = re.compile(r"\b0\d(?: \d\d){4}\b")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """What a page says, every tag with its attributes, and those that are left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
async def visitor(first: FirstRun) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(first.house, Health({}))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def page_of(visitor: httpx2.AsyncClient, slug: str) -> Page:
    answer = await visitor.get("/demo", headers={"Host": f"{HOSTS[slug]}:8000"})
    assert answer.status_code == 200
    return Page(answer.text)


def plain(text: str) -> str:
    return re.sub(r"[\s\u00a0\u202f]+", " ", text.replace("’", "'"))


def known(slug: str) -> str:
    """All that the agents of a demo business can read, and its facts."""
    tenant = DEMOS[slug]
    files = b"\n".join(source.new.content or b"" for source in tenant.sources)
    return plain(" ".join(tenant.facts.values()) + files.decode("utf-8", "replace")) + plain(
        files.decode("cp1252", "replace")
    )


@pytest.mark.parametrize("slug", DEMOS)
async def test_each_demo_business_has_its_own_page(visitor: httpx2.AsyncClient, slug: str) -> None:
    page = await page_of(visitor, slug)
    tenant = DEMOS[slug]
    others = [other.company_name for other in DEMOS.values() if other is not tenant]
    said = plain(page.text)
    assert tenant.company_name in said
    assert tenant.facts["address"] in said
    assert "entreprise est inventée" in said
    assert not [name for name in others if name in said]
    assert page.open == []


@pytest.mark.parametrize("slug", DEMOS)
async def test_prices_hours_and_numbers_are_those_that_the_agents_know(
    visitor: httpx2.AsyncClient, slug: str
) -> None:
    said = plain((await page_of(visitor, slug)).text)
    sources = known(slug)
    claims = [f"{amount} €" for amount in AMOUNT.findall(said)]
    claims += HOUR.findall(said) + PHONE.findall(said)
    assert len(claims) > 15
    assert [claim for claim in claims if claim not in sources] == []


@pytest.mark.parametrize("slug", DEMOS)
async def test_nothing_comes_from_elsewhere_and_nothing_is_inline(
    visitor: httpx2.AsyncClient, slug: str
) -> None:
    page = await page_of(visitor, slug)
    sources = [
        value
        for _, attributes in page.tags
        for name in ("src", "href")
        if (value := attributes.get(name))
    ]
    assert "/widget.js" in sources
    assert [s for s in sources if not s.startswith(("/", "#", "mailto:", "data:,"))] == []
    assert not {
        name
        for _, attributes in page.tags
        for name in attributes
        if name == "style" or name.startswith("on")
    }
    assert "style" not in {tag for tag, _ in page.tags}


async def test_a_page_is_served_with_its_policy_and_its_stylesheet(
    visitor: httpx2.AsyncClient,
) -> None:
    page = await visitor.get("/demo")
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["cache-control"] == "no-cache"
    style = await visitor.get("/demo/page.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "url(" not in style.text
    assert "@import" not in style.text


async def test_nobody_else_has_a_demo_page(visitor: httpx2.AsyncClient, first: FirstRun) -> None:
    tenant_id = await tenants.create(first.house.db, slug="autre", company_name="Autre")
    async with first.house.db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host="autre.localhost")
    for host in ("autre.localhost", "personne.localhost", "bad host"):
        for path in ("/demo", "/demo/page.css"):
            answer = await visitor.get(path, headers={"Host": host})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
