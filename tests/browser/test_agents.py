"""An owner changes her assistant on her phone: she writes, compares, tries, publishes."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
import pytest
from playwright.async_api import Page, expect

from coccinelle.agents import actions as agents
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import Question, faq_source
from coccinelle.tenants import actions as tenants
from tests.accounts import Account
from tests.browser.axe import findings
from tests.browser.conftest import House
from tests.browser.test_dashboard import AT_DESK, Entering, entering, fits, press
from tests.living import configuration

__all__ = ["entering"]

QUESTION = "Comment automatiser mes emails de bienvenue ?"


@dataclass(frozen=True)
class Customer:
    """Somebody who asks the assistant that is live."""

    url: str
    key: str

    async def greeted(self) -> str:
        """What a customer reads who asks who answers."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"user_id": "u", "conversation_id": "c", "message": QUESTION}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            answer = await client.post(
                "/api/chat", json=body, headers={"Accept": "text/event-stream"}
            )
        return answer.text


async def employed(house: House, account: Account) -> Customer:
    """An agent who knows one answer, and a customer of hers."""
    async with house.running.db.tenant(account.tenant_id) as tx:
        said = configuration("Audrey", "emails", QUESTION, "Aide-moi avec les emails")
        await agents.create(tx, key="audrey", position=0, configuration=said)
        pairs = [Question(QUESTION, "Avec une séquence de trois messages.")]
        added = await knowledge.add(tx, faq_source(pairs, title="Questions"))
        key = await tenants.create_api_key(tx, name="tests")
    await run_ingest(house.running, account.tenant_id, added.source.id, added.source.generation)
    return Customer(house.url, key.secret)


async def test_what_she_writes_is_tried_before_anybody_meets_it(
    house: House, entering: Entering, complaints: list[str]
) -> None:
    page, account = await entering()
    customer = await employed(house, account)
    await page.goto("/dashboard/agents")
    await page.get_by_role("link", name="Modifier et essayer Audrey").tap()

    await page.get_by_label("Son nom").fill("Camille")
    await ask(page, QUESTION)
    said = page.get_by_role("log")
    await expect(said).to_contain_text("séquence de trois messages")
    await expect(said).to_contain_text("Camille")
    await expect(said).to_contain_text("D’après")
    await expect(page.get_by_label("Votre question")).to_have_value("")
    await expect(page.get_by_label("Votre question")).to_be_focused()
    await ask(page, "Merci !")
    await expect(said.locator(".bubble")).to_have_count(5)
    assert '"name":"Audrey"' in await customer.greeted()

    await press(page, "Enregistrer le brouillon")
    await expect(page.get_by_role("heading", name="Brouillon non publié")).to_be_visible()
    await expect(page.locator("del").first).to_contain_text("Audrey")
    await expect(page.locator("ins").first).to_contain_text("Camille")
    assert await findings(page) == []
    assert await fits(page)
    assert '"name":"Audrey"' in await customer.greeted()

    await press(page, "Publier")
    await expect(page.get_by_text("C’est publié")).to_be_visible()
    assert '"name":"Camille"' in await customer.greeted()
    await page.get_by_role("link", name="Toutes ses versions").tap()
    await expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    assert await findings(page) == []
    assert await fits(page)
    await press(page, "Remettre en service la version 1")
    await expect(page.get_by_text("Cette version répond de nouveau")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("options", [AT_DESK, {"java_script_enabled": False}])
async def test_the_page_works_at_a_desk_and_without_script(
    house: House, entering: Entering, options: dict[str, object]
) -> None:
    page, account = await entering(**options)
    await employed(house, account)
    await page.goto("/dashboard/agents/audrey")

    await ask(page, QUESTION)

    await expect(page.get_by_role("log")).to_contain_text("séquence de trois messages")
    assert "java_script_enabled" in options or (await findings(page) == [] and await fits(page))


async def ask(page: Page, text: str) -> None:
    await page.get_by_label("Votre question").fill(text)
    await press(page, "Demander")
