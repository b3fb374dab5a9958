"""Draws the owner's guides: screens of a phone, in French.

python -m tests.browser.owner_pictures docs/howto
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from playwright.async_api import Browser, Page, ViewportSize

from tests.accounts import PASSWORD
from tests.browser.picture import encoded, main, quantised
from tests.cli.conftest import Cli, Served

SCREEN: ViewportSize = {"width": 390, "height": 780}
# Kept for fiction by the regulator (ARCEP), like every number of the tests.
NUMBER = "01 99 00 12 34"
GARAGE = "garage-des-tilleuls"
ASKED = "Combien coûte une vidange pour une citadine diesel ?"
OUTSIDE = "Quel temps fera-t-il samedi ?"
FRAME = """<!doctype html><style>
body {{ margin: 0; padding: 40px; display: flex; gap: 36px; width: max-content;
  background: #f3ece2; }}
figure {{ margin: 0; overflow: hidden; border: 10px solid #211d1a; border-radius: 44px;
  box-shadow: 0 18px 44px #2e201033; }}
img {{ display: block; width: 312px; }}
</style>{phones}"""
PHONE = '<figure><img src="data:image/png;base64,{shown}"></figure>'


async def onboarding(_: Cli, served: Served, browser: Browser) -> bytes:
    """Hours, assistant, and the assistant at work."""
    async with _phone(served, browser) as page:
        return await _side_by_side(browser, await _screens(page))


async def customers(cli: Cli, served: Served, browser: Browser) -> bytes:
    """Who asks for a person, an answer being written, and why the assistant said what it said."""
    async with _phone(served, browser) as page, _visitor(served) as visitor:
        await _ask_for_a_person(visitor, "visite-7f3a", "claire@lesmartin.example")
        await _invited(cli, page)
        await page.goto("/dashboard/inbox")
        waiting = await page.screenshot()
        await page.get_by_role("link", name="claire@lesmartin.example").click()
        await page.get_by_role("button", name="Je m’en occupe").click()
        await page.get_by_label("Votre réponse").fill("Bonjour Claire, votre voiture est prête.")
        await page.get_by_role("button", name="Envoyer").click()
        await page.locator("#lines .person").wait_for()
        await page.locator("#lines .person").evaluate("e => e.scrollIntoView({block: 'center'})")
        answered = await page.screenshot()
        await page.goto("/dashboard/conversations")
        await page.locator("#talks > li a").first.click()
        await page.get_by_text("Pourquoi cette réponse").first.click()
        await page.locator("details[open]").first.evaluate("e => e.scrollIntoView()")
        return await _side_by_side(browser, [waiting, answered, await page.screenshot()])


async def agents(cli: Cli, served: Served, browser: Browser) -> bytes:
    """What an assistant is, what differs in its draft, and the draft being tried."""
    async with _phone(served, browser) as page:
        await _invited(cli, page)
        await page.goto("/dashboard/agents/mado")
        form = await page.screenshot()
        await page.get_by_label("Son nom").fill("Mado du Tilleul")
        await page.get_by_role("button", name="Enregistrer le brouillon").click()
        await page.get_by_role("heading", name="Brouillon non publié").wait_for()
        changed = await page.screenshot()
        await page.get_by_label("Votre question").fill(ASKED)
        await page.get_by_role("button", name="Demander").click()
        said = page.get_by_role("log")
        await said.get_by_text("D’après").wait_for()
        await said.evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 120)")
        return await _side_by_side(browser, [form, changed, await page.screenshot()])


async def knowledge(cli: Cli, served: Served, browser: Browser) -> bytes:
    """What was given, a question tried, and a question that nobody could answer."""
    async with _phone(served, browser) as page, _visitor(served) as visitor:
        await _say(visitor, "visite-2c9e", OUTSIDE)
        await _invited(cli, page)
        await page.goto("/dashboard/knowledge")
        given = await page.screenshot()
        await page.goto("/dashboard/knowledge/search")
        await page.get_by_label("La question").fill(ASKED)
        await page.get_by_role("button", name="Essayer").click()
        await page.get_by_role("heading", name="Il répondrait").wait_for()
        tried = await page.screenshot()
        await page.goto("/dashboard/knowledge/questions")
        return await _side_by_side(browser, [given, tried, await page.screenshot()])


@asynccontextmanager
async def _phone(served: Served, browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(
        locale="fr-FR",
        timezone_id="Europe/Paris",
        reduced_motion="reduce",
        device_scale_factor=2,
        viewport=SCREEN,
        base_url=f"http://localhost:{served.port}",
    )
    yield await context.new_page()
    await context.close()


@asynccontextmanager
async def _visitor(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    url = f"http://127.0.0.1:{served.port}"
    async with httpx2.AsyncClient(base_url=url, headers={"Host": "garage.localhost"}) as client:
        yield client


async def _side_by_side(browser: Browser, shown: list[bytes]) -> bytes:
    phones = "".join(PHONE.format(shown=encoded(png)) for png in shown)
    frame = await browser.new_page(viewport={"width": 1200, "height": 900})
    await frame.set_content(FRAME.format(phones=phones))
    return quantised(await frame.locator("body").screenshot())


async def _say(visitor: httpx2.AsyncClient, who: str, message: str) -> httpx2.Response:
    body = {"user_id": who, "conversation_id": f"chez-{who}", "message": message}
    answer = await visitor.post("/api/chat", json=body)
    answer.raise_for_status()
    return answer


async def _ask_for_a_person(visitor: httpx2.AsyncClient, who: str, email: str) -> None:
    token = (await _say(visitor, who, ASKED)).headers["X-Visitor-Token"]
    note = {"email": email, "note": "Ma voiture est-elle prête ?"}
    address = f"/api/conversations/chez-{who}/handoff"
    answer = await visitor.post(address, json=note, headers={"X-Visitor-Token": token})
    answer.raise_for_status()


async def _invited(cli: Cli, page: Page) -> None:
    """Somebody of the garage, logged in on this phone."""
    email = f"mado{id(page)}@garage.example"
    told = cli.run("accounts", "invite", email, "--tenant", GARAGE)
    await page.goto(told.stdout.strip())
    await page.get_by_label("Votre nom").fill("Mado Tilleul")
    await page.locator("input[type=password]").fill(PASSWORD)
    await page.locator("main form button.main, main form button:not(.reveal)").last.click()
    await page.wait_for_url(re.compile("/dashboard"))


async def _screens(page: Page) -> list[bytes]:
    await _sign_up(page)
    await page.goto("/onboarding")
    await page.get_by_label("Votre activité").select_option("automobile")
    await _go_on(page, "staff")
    hours = await page.screenshot()
    await _go_on(page, "assistant")
    await page.get_by_label("Le nom de votre assistant").fill("Leyna")
    await page.locator("#greets").get_by_text("Je suis Leyna").wait_for()
    await page.get_by_label("Le nom de votre assistant").blur()
    assistant = await page.screenshot()
    await page.get_by_label("Le numéro auquel il répondra").fill(NUMBER)
    await _go_on(page, "knowledge")
    await _go_on(page, "exam")
    await page.goto("/onboarding/done")
    await page.get_by_role("button", name="Mettre Leyna en service").click()
    chat = page.locator("coccinelle-chat")
    await chat.get_by_text("Je suis Leyna").first.wait_for()
    await chat.evaluate("element => scrollTo(0, element.offsetTop - 90)")
    return [hours, assistant, await page.screenshot()]


async def _sign_up(page: Page) -> None:
    await page.goto("/signup")
    await page.get_by_label("Votre nom").fill("Léa Martin")
    await page.get_by_label("Votre entreprise").fill("Garage Dupont")
    await page.get_by_label("Votre e-mail").fill("lea@garage-dupont.example")
    await page.locator("input[type=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Créer mon compte").click()
    await page.wait_for_url(re.compile("/(onboarding|dashboard)"))


async def _go_on(page: Page, step: str) -> None:
    await page.get_by_role("button", name="Continuer").click()
    await page.wait_for_url(re.compile(f"/onboarding/{step}$"))


if __name__ == "__main__":
    drawn = {draw.__name__: draw for draw in (onboarding, customers, agents, knowledge)}
    main(drawn, __doc__)
