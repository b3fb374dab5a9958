"""The pages of knowledge in a browser: what is added is read while she watches, and tried."""

from __future__ import annotations

import re

import httpx2
from playwright.async_api import Page, expect

from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.knowledge import actions
from tests.accounts import Account
from tests.browser.axe import findings
from tests.browser.conftest import DESKTOP, PHONE, House
from tests.browser.test_onboarding import SignedIn, local, press, signed_in
from tests.knowledge.test_sources import agent

__all__ = ["signed_in"]

KNOWLEDGE = "/dashboard/knowledge"
PARKING = "Où puis-je garer ma voiture ?"


async def read_all(house: House, addresses: Addresses) -> None:
    async with queue(addresses.login) as running:
        await work(running, house.running, concurrency=1, until_idle=True)


async def ask(house: House, account: Account, question: str) -> str:
    """What a customer is told, by the API."""
    async with httpx2.AsyncClient(base_url=local(house), headers=account.headers) as client:
        made = await client.post("/api/v1/api-keys", json={"name": "tests", "scopes": ["chat"]})
        key = {"Authorization": f"Bearer {made.json()['secret']}"}
        body = {"user_id": "u", "conversation_id": "c", "message": question}
        answer = await client.post("/api/chat", json=body, headers=key)
    return str(answer.json()["message"])


async def fits(page: Page, width: int) -> None:
    """Nothing is too wide, and nobody is kept out."""
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await findings(page) == [], page.url


async def test_what_is_added_is_learnt_tried_and_completed(
    house: House,
    signed_in: SignedIn,
    addresses: Addresses,
    complaints: list[str],
) -> None:
    page, account = await signed_in()
    await agent(house.running.db, account.tenant_id, "leyna")
    await page.goto(KNOWLEDGE)
    await fits(page, PHONE["width"])
    await page.get_by_text("Une question et sa réponse").click()
    await page.get_by_label("La question").fill("Prenez-vous la carte bancaire ?")
    await page.get_by_label("Votre réponse").fill("Oui, la carte bancaire est acceptée.")
    await press(page, "Enregistrer la réponse")
    given = page.locator("#sources").get_by_role("listitem")
    await expect(given).to_contain_text("En attente")
    await read_all(house, addresses)
    await expect(given).to_contain_text("Appris")
    await fits(page, PHONE["width"])

    await page.goto(f"{KNOWLEDGE}/search")
    await page.get_by_label("La question").fill("Prenez-vous la carte bancaire ?")
    await press(page, "Essayer")
    await expect(page.get_by_role("heading", name="Il répondrait")).to_be_focused()
    await expect(page.get_by_text("la carte bancaire est acceptée").first).to_be_visible()
    await page.get_by_text("Tous les chiffres").click()
    await expect(page.get_by_role("columnheader", name="Certitude")).to_be_visible()
    await fits(page, PHONE["width"])
    await page.get_by_role("link", name="Réponses de l’équipe").first.click()
    await fits(page, PHONE["width"])
    await page.get_by_role("link", name="Réponses de l’équipe").first.click()
    await expect(page.get_by_role("heading", name="1 réponse")).to_be_visible()
    await fits(page, PHONE["width"])
    await page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})
    await fits(page, DESKTOP["width"])
    await page.goto(KNOWLEDGE)
    await fits(page, DESKTOP["width"])
    assert complaints == []


async def test_a_question_without_an_answer_gets_one_and_what_else_was_typed_stays(
    house: House,
    signed_in: SignedIn,
    addresses: Addresses,
    complaints: list[str],
) -> None:
    page, account = await signed_in()
    await agent(house.running.db, account.tenant_id, "leyna")
    async with house.running.db.tenant(account.tenant_id) as tx:
        for question in ("Faites-vous les pneus ?", PARKING):
            await actions.record_gap(tx, question=question, best_score=0.1)
    await page.goto(f"{KNOWLEDGE}/questions")
    boxes = page.get_by_label("Que doit-il répondre ?")
    await boxes.nth(1).fill("Oui, toutes marques.")
    await press_in(page, PARKING, "Enregistrer la réponse")
    wrong = page.locator("form").filter(has_text=PARKING)
    await expect(wrong).to_contain_text("ne peut pas être vide", timeout=15_000)
    await expect(wrong.get_by_label("Que doit-il répondre ?")).to_be_focused()
    await wrong.get_by_label("Que doit-il répondre ?").fill("Vous pouvez la garer dans la cour.")
    await press_in(page, PARKING, "Enregistrer la réponse")
    await expect(page.get_by_role("heading", name=PARKING)).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text="C’est noté")).to_be_focused()
    await expect(boxes).to_have_value("Oui, toutes marques.")
    await expect(page.get_by_text("1 question", exact=True)).to_be_visible()
    await fits(page, PHONE["width"])
    await read_all(house, addresses)
    assert "dans la cour" in await ask(house, account, PARKING)
    await press(page, "Écarter")
    await expect(page.get_by_text("Aucune question n’attend de réponse")).to_be_visible()
    await expect(page.get_by_text("1 question", exact=True)).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text="écartée")).to_be_visible()
    await press(page, "La remettre")
    await expect(page.get_by_role("heading", name="Faites-vous les pneus ?")).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile("corriger"))).to_be_visible()
    assert [one for one in complaints if "status of 422" not in one] == []


async def press_in(page: Page, question: str, name: str) -> None:
    form = page.locator("form").filter(has=page.get_by_role("heading", name=question))
    await form.get_by_role("button", name=name).click()
