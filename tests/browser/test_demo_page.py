"""`/demo` as a newcomer sees it: the page of each demo business, and its agents in the corner."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import findings
from tests.browser.site import opened
from tests.cli.conftest import Cli, Served

AGENCE, GARAGE = "localhost", "garage.localhost"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What `make run` starts."""
    cli = Cli(tmp_path_factory.mktemp("demo"))
    with cli.serving("--demo") as server:
        server.until("/health")
        yield server
    cli.forget()


async def visit(page: Page, served: Served, host: str) -> None:
    await page.goto(f"http://{host}:{served.port}/demo")


async def ask(page: Page, question: str) -> None:
    await page.get_by_role("dialog").get_by_role("textbox").fill(question)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("host", "question", "name", "said"),
    [
        (AGENCE, "Comment automatiser mes emails de bienvenue ?", "Audrey", "bienvenue"),
        (GARAGE, "Combien coûte une vidange diesel pour une berline ?", "Mado", "107"),
    ],
)
async def test_the_page_s_own_agent_answers_with_its_sources(
    page: Page,
    served: Served,
    complaints: list[str],
    host: str,
    question: str,
    name: str,
    said: str,
) -> None:
    await visit(page, served, host)
    await opened(page)
    await ask(page, question)
    said_so_far = page.get_by_role("region", name="Messages")
    await expect(said_so_far).to_contain_text(said)
    await expect(said_so_far.get_by_text(name, exact=True).last).to_be_visible()
    await expect(said_so_far.get_by_text(re.compile("^Sources?$"))).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("host", [AGENCE, GARAGE])
async def test_axe_finds_nothing(page: Page, served: Served, host: str) -> None:
    await visit(page, served, host)
    every = ("minor", "moderate", "serious", "critical")
    assert await findings(page, *every) == []


@pytest.mark.parametrize("host", [AGENCE, GARAGE])
async def test_axe_finds_nothing_on_a_phone(phone: Page, served: Served, host: str) -> None:
    await visit(phone, served, host)
    assert await findings(phone, "minor", "moderate", "serious", "critical") == []
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("host", [AGENCE, GARAGE])
async def test_the_page_asks_nobody_else(page: Page, served: Served, host: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await visit(page, served, host)
    await page.locator("coccinelle-widget").get_by_role("button").wait_for()
    own = f"http://{host}:{served.port}"
    assert asked == [f"{own}/demo", f"{own}/demo/page.css", f"{own}/widget.js"]


async def test_the_launcher_has_the_colour_of_the_page(page: Page, served: Served) -> None:
    await visit(page, served, AGENCE)
    launcher = page.locator("coccinelle-widget").get_by_role("button")
    colour = await page.locator("main .button").first.evaluate(
        "element => getComputedStyle(element).backgroundColor"
    )
    await expect(launcher).to_have_css("background-color", colour)
