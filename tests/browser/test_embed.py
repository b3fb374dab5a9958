"""What the guide to embedding tells people to paste works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from coccinelle.tenants import actions as tenants
from tests.browser.conftest import House
from tests.browser.scripted import Scripted
from tests.browser.site import Site, document, embed, opened

GUIDE = (Path(__file__).parents[2] / "docs/howto/embed.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The guide's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def pasted(code: str, base: str, key: str = "pk_x") -> str:
    """As somebody pastes it: with the address of their server, and their key."""
    return code.replace("https://HOST", base).replace("pk_...", key)


LINE, LINE_WITH_NONCE, LINE_WITH_USER = blocks("html")
POLICIES = re.findall(r"Content-Security-Policy: (.+)", GUIDE)


async def test_the_one_line_is_enough(page: Page, site: Site, scripted: Scripted) -> None:
    await page.goto(site.put("/", document(pasted(LINE, scripted.url))))
    await opened(page)
    assert [request.query["key"] for request in scripted.asked("/config")] == ["pk_x"]


@pytest.mark.parametrize(
    ("policy", "line"),
    [(POLICIES[0], LINE), (POLICIES[1], LINE_WITH_NONCE)],
    ids=["hosts", "nonce"],
)
async def test_the_widget_works_under_the_policies(
    page: Page, site: Site, scripted: Scripted, complaints: list[str], policy: str, line: str
) -> None:
    headers = {"Content-Security-Policy": pasted(policy, scripted.url)}
    await page.goto(site.put("/", document(pasted(line, scripted.url)), headers))
    scripted.say("Bonjour **à vous**.")
    await opened(page)
    await page.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Messages")).to_contain_text("Bonjour à vous.")
    assert complaints == []


async def test_a_policy_without_the_server_is_what_keeps_it_out(
    page: Page, site: Site, scripted: Scripted, complaints: list[str]
) -> None:
    headers = {"Content-Security-Policy": POLICIES[0].replace("https://HOST", "")}
    await page.goto(site.put("/", document(pasted(LINE, scripted.url)), headers))
    await expect(page.locator("coccinelle-widget")).to_have_count(0)
    assert [said for said in complaints if "Content Security Policy" in said]


async def test_the_code_for_applications_adds_it_and_hears_of_it(
    page: Page, site: Site, scripted: Scripted
) -> None:
    code = pasted(blocks("js")[0], scripted.url)
    await page.goto(site.put("/", document(f"<button id=ask>?</button><script>{code}</script>")))
    scripted.say("Avec plaisir.")
    await page.locator("coccinelle-widget").get_by_role("button").wait_for()
    await page.locator("#ask").click()
    await page.get_by_role("dialog").wait_for()
    async with page.expect_console_message(lambda said: "Avec plaisir." in said.text):
        await page.get_by_role("textbox").fill("Bonjour")
        await page.keyboard.press("Enter")


async def test_the_line_names_who_is_logged_in(page: Page, site: Site, scripted: Scripted) -> None:
    await page.goto(site.put("/", document(pasted(LINE_WITH_USER, scripted.url))))
    await opened(page)
    await page.get_by_role("textbox").fill("Bonjour")
    async with page.expect_response("**/identity"):
        await page.keyboard.press("Enter")
    told = scripted.asked("/identity")[0].body
    assert told == {"id": "42", "email": "lea@example.com", "hmac": "..."}


@pytest.mark.parametrize(("signed", "status"), [("Léa-42", 200), ("Léa-43", 403)])
async def test_the_proof_in_python_proves_that_id_and_no_other(
    page: Page, site: Site, house: House, signed: str, status: int
) -> None:
    guide: dict[str, Callable[[str, str], str]] = {}
    exec(blocks("python")[0], guide)
    async with house.running.db.tenant(house.rivoli.id) as tx:
        key = await tenants.create_public_key(tx, name="site", origins=[site.url])
        secret = await tenants.identity_secret(tx, key.id)
    user = {"id": "Léa-42", "email": "lea@example.com", "hmac": guide["proof"](secret, signed)}
    await page.goto(site.put("/", document(embed(house.url, key.secret, user=user))))
    await opened(page)
    await page.get_by_role("textbox").fill("Quels sont vos horaires ?")
    async with page.expect_response("**/identity") as told:
        await page.keyboard.press("Enter")
    assert (await told.value).status == status
