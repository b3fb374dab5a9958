"""A person of the business answers in the widget, live; the assistant is silent meanwhile."""

from __future__ import annotations

from typing import Any

import httpx2
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.accounts import joined
from tests.browser.axe import findings
from tests.browser.conftest import House
from tests.browser.site import Site, document, embed
from tests.living import client

EMAILS = "Comment automatiser mes emails de bienvenue ?"
WISH = "Je voudrais parler à une personne"
REPLY = "Bonjour, je regarde cela tout de suite."
THANKS = "Merci, j'attends."
HOURS = "Quels sont vos horaires ?"
ASKED_POLL_MS = 15_000
CLAIMED_POLL_MS = 3_000


async def test_a_person_answers_live_and_the_assistant_is_silent_until_they_leave(
    context: BrowserContext, page: Page, site: Site, house: House
) -> None:
    canary = house.rivoli.canary
    await page.clock.install()
    await visit(page, site, house)
    await say(page, EMAILS)
    await expect(turns(page, "agent").filter(has_text=canary)).to_have_count(1)
    await say(page, WISH)
    await expect(notice(page)).to_contain_text("Demande transmise")
    paul = await joined(house.running, house.rivoli.id, role="member")

    async with client(house.url, None, **paul.headers) as team:
        await acted(team, "claim")
        await page.clock.run_for(ASKED_POLL_MS)
        await expect(notice(page)).to_contain_text("Paul vous répond · Rivoli")
        await expect(page.locator(".presence")).to_have_text("Paul · une personne de l'équipe")
        await acted(team, "reply", text=REPLY)
        await page.clock.run_for(CLAIMED_POLL_MS)
        await expect(turns(page, "person").filter(has_text=REPLY)).to_contain_text("Paul")
        await expect(page.get_by_role("log")).to_contain_text(f"Paul : {REPLY}")

        assert await findings(page) == []
        answers = await turns(page, "agent").count()
        await say(page, THANKS)
        await expect(turns(page, "mine").filter(has_text=THANKS)).to_contain_text(
            "Remis à l'équipe"
        )
        await expect(turns(page, "mine").filter(has_text=THANKS)).to_be_in_viewport()
        await expect(turns(page, "agent")).to_have_count(answers)
        assert (await waiting(team))["last_message"] == THANKS

        other = await context.new_page()
        for shown in (page, other):
            await visit(shown, site, house)
            await expect(notice(shown)).to_contain_text("Paul vous répond")
            await expect(turns(shown, "person").filter(has_text=REPLY)).to_have_count(1)
            await expect(turns(shown, "mine").last).to_contain_text("Remis à l'équipe")
            await expect(shown.get_by_text("Je cherche la réponse")).to_have_count(0)
        await say(other, "Êtes-vous encore là ?")
        await expect(turns(page, "mine").last).to_contain_text("Êtes-vous encore là ?")

        await acted(team, "close")
    await page.clock.run_for(CLAIMED_POLL_MS)
    await expect(notice(page)).to_have_text("L'assistance virtuelle reprend")
    await expect(page.locator(".presence")).to_have_text("Audrey · assistance virtuelle")
    await say(page, HOURS)
    await expect(turns(page, "agent").last).to_contain_text(canary)
    await expect(page.get_by_text("coupée")).to_have_count(0)


async def visit(page: Page, site: Site, house: House) -> None:
    """Open the widget on the business's site."""
    await page.goto(site.put("/", document(embed(house.url, house.rivoli.public_key))))
    await page.wait_for_function("Boolean(customElements.get('coccinelle-widget'))")
    await page.evaluate("Coccinelle.open()")
    await expect(page.get_by_role("textbox")).to_be_enabled()


async def say(page: Page, text: str) -> None:
    """Say something as the visitor."""
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


def turns(page: Page, kind: str) -> Locator:
    """What was said: `mine`, by an `agent`, or by a `person`; the greeting left out."""
    return page.locator(f".log > ol > .turn.{kind}")


def notice(page: Page) -> Locator:
    """What is said of the person who was asked for."""
    return page.locator(".notice.good")


async def waiting(team: httpx2.AsyncClient) -> dict[str, Any]:
    """The newest request of the business."""
    found: dict[str, Any] = (await team.get("/api/v1/handoffs")).json()["items"][0]
    return found


async def acted(team: httpx2.AsyncClient, verb: str, **body: Any) -> None:
    """Claim, reply to or close the newest request."""
    path = f"/api/v1/handoffs/{(await waiting(team))['id']}/{verb}"
    answer = await team.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
