"""Conversations and the inbox as people use them: on a phone, and by keyboard at a desk."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, Route, expect

from coccinelle.conversations.model import Arrival
from coccinelle.foundation.ids import HandoffId
from coccinelle.handoffs import actions as handoffs
from tests.accounts import Account, joined
from tests.browser.axe import findings
from tests.browser.conftest import House, Visiting
from tests.browser.test_dashboard import AT_DESK, ON_PHONE, fits, let_in, local, press
from tests.living import Business, client, move_in

EMAILS = "Comment automatiser mes emails de bienvenue ?"
OUTSIDE = "Quelle est la capitale de l'Australie ?"

Working = Callable[..., Awaitable[tuple[Page, Business, Account]]]


@pytest.fixture
def working(house: House, visiting: Visiting) -> Working:
    """Opens a page of somebody who works for a business that customers have written to."""

    async def work(**options: object) -> tuple[Page, Business, Account]:
        business = await move_in(house.running, "rivoli")
        for name, message in (("outside", OUTSIDE), ("emails", EMAILS)):
            await ask(house, business, name, message)
        person = await joined(house.running, business.id, role="member")
        context = await visiting(base_url=local(house), **options)
        await let_in(context, house, person.token)
        return await context.new_page(), business, person

    return work


async def ask(house: House, business: Business, name: str, message: str) -> None:
    async with client(house.url, business) as customer:
        body = {"user_id": f"u-{name}", "conversation_id": name, "message": message}
        assert (await customer.post("/api/chat", json=body)).status_code == 200


async def wanted(house: House, business: Business, name: str) -> HandoffId:
    said_in = Arrival(business.id, "chat_v2", "", name, "").conversation_uuid
    async with house.running.db.tenant(business.id) as tx:
        return await handoffs.open(
            tx, conversation_id=said_in, reason="asked", email="ana@example.com"
        )


async def broken(route: Route) -> None:
    await route.fulfill(status=503, content_type="text/html", body="<h1>panne</h1>")


async def test_an_owner_searches_on_her_phone_and_reads_why(
    working: Working, complaints: list[str]
) -> None:
    page, _, _ = await working(**ON_PHONE)
    await page.goto("/dashboard/conversations")
    rows = page.locator("#talks > li")
    await expect(rows).to_have_count(2)
    found = await findings(page)
    await page.get_by_label("Chercher dans ce qui a été dit").press_sequentially("austral")
    await expect(rows).to_have_count(1)
    await expect(page).to_have_url(re.compile("q=austral"))
    await expect(page.locator("#told")).to_have_text("1 conversation")
    await page.get_by_text("Filtrer").tap()
    await page.get_by_label("Résultat").select_option("answered")
    await expect(page.get_by_text("Aucune conversation ne correspond")).to_be_visible()
    found += await findings(page)
    await page.get_by_label("Résultat").select_option("escalated")
    await rows.get_by_role("link").tap()
    await page.get_by_text("Pourquoi cette réponse").tap()
    await expect(page.get_by_text("Rien de ce que sait votre assistant")).to_be_visible()
    found += await findings(page)

    assert found == []
    assert await fits(page)
    assert [said for said in complaints if "Content Security Policy" in said] == []


async def test_a_teammate_takes_care_of_a_customer_by_keyboard(
    house: House, working: Working
) -> None:
    page, business, person = await working(**AT_DESK)
    handoff_id = await wanted(house, business, "emails")
    await page.goto("/dashboard/inbox")
    found = await findings(page)
    await page.get_by_role("link", name="ana@example.com").press("Enter")
    await expect(page.get_by_role("heading", name="Ce client attend une personne")).to_be_visible()
    found += await findings(page)
    await page.get_by_role("button", name="Je m’en occupe").press("Enter")
    box = page.get_by_label("Votre réponse")
    await expect(box).to_be_focused()
    await page.keyboard.type("Bonjour Ana, je regarde.")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#lines .person")).to_have_text(re.compile("je regarde"))
    await expect(box).to_be_focused()
    await page.keyboard.type("Un brouillon")
    await page.route(re.compile("/dashboard/inbox/"), broken)
    async with page.expect_response(re.compile("after=")):
        pass
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Votre texte est toujours là")
    await page.unroute(re.compile("/dashboard/inbox/"))
    await ask(house, business, "emails", "Merci à vous !")
    await expect(page.locator("#lines .customer").last).to_have_text(re.compile("Merci à vous"))
    await expect(box).to_be_focused()
    await page.reload()
    await expect(box).to_have_value("Un brouillon")
    found += await findings(page)
    async with house.running.db.tenant(business.id) as tx:
        held = await handoffs.one(tx, handoff_id)
        said = await tx.records(
            "SELECT author, text FROM messages WHERE tenant_id = %s AND user_id = %s",
            [business.id, person.user_id],
        )

    boss = await joined(house.running, business.id, role="owner")
    async with house.running.db.tenant(business.id) as tx:
        await handoffs.claim(tx, handoff_id, by=boss.user_id, take_over=True)
    await expect(page.get_by_role("heading", name="Paul Petit s’en occupe")).to_be_visible()
    await expect(box).to_have_value("Un brouillon")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#reply")).to_contain_text("Un brouillon")
    await expect(box).to_have_count(0)

    assert await page.get_by_text("panne").count() == 0
    assert held.claimed_by == person.user_id
    assert said == [{"author": "person", "text": "Bonjour Ana, je regarde."}]
    await press(page, "Terminer et rendre la parole à l’assistant")
    await expect(page.get_by_role("heading", name="Terminée")).to_be_visible()
    assert found == []


async def test_the_inbox_fits_a_phone_and_thumbs(house: House, working: Working) -> None:
    page, business, _ = await working(**ON_PHONE)
    handoff_id = await wanted(house, business, "emails")
    small = []
    for path in ("/inbox", f"/inbox/{handoff_id}", "/conversations"):
        await page.goto(f"/dashboard{path}")
        assert await fits(page), path
        assert await findings(page) == [], path
        small += await page.evaluate(
            """[...document.querySelectorAll("main button, main input, main summary, main li > a")]
              .filter((one) => one.type !== "hidden" && one.checkVisibility())
              .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect().height])
              .filter(([, height]) => height < 43.5)"""
        )

    assert small == []
