"""From sign-up to a working assistant, as an owner does it on her phone, in French."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from coccinelle.agents import store as agents_store
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from tests.accounts import Account, signed_up
from tests.browser.axe import findings
from tests.browser.conftest import DESKTOP, PHONE, House, Visiting
from tests.onboarding.setting import number

STEPS = ("business", "staff", "assistant", "knowledge", "exam", "done")
CONTINUE = "Continuer"

SignedIn = Callable[..., Awaitable[tuple[Page, Account]]]


def shown(e164: str) -> str:
    """A French number as the pages write it."""
    national = "0" + e164.removeprefix("+33")
    return " ".join(national[place : place + 2] for place in range(0, 10, 2))


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def arrived(page: Page, step: str) -> None:
    await page.wait_for_url(re.compile(f"/onboarding/{step}$"))


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(re.compile(f"^{label}"))


async def let_in(context: BrowserContext, house: House, token: str) -> None:
    """Give a profile somebody's session."""
    await context.add_cookies([{"name": "coccinelle_session", "value": token, "url": local(house)}])


def local(house: House) -> str:
    """The server as one reaches it on this machine."""
    return house.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def signed_in(house: House, visiting: Visiting) -> SignedIn:
    """Opens a page, on a phone unless told, of an owner who has just signed up."""

    async def enter(**options: object) -> tuple[Page, Account]:
        async with httpx2.AsyncClient(base_url=house.url, timeout=30) as client:
            account = await signed_up(client, company_name="Garage Dupont")
        wanted = {"viewport": PHONE, "has_touch": True, **options}
        context = await visiting(base_url=local(house), **wanted)
        await let_in(context, house, account.token)
        return await context.new_page(), account

    return enter


async def fill(page: Page, step: str, *, called: str = "") -> None:
    """Say on a screen what Garage Dupont says."""
    if step == "business":
        await field(page, "Le nom de votre entreprise").fill("Garage Dupont")
        await field(page, "Votre activité").select_option("automobile")
        await field(page, "Votre site web").fill("www.garage-dupont.example")
    if step == "assistant":
        await field(page, "Le nom de votre assistant").fill("Leyna")
        await field(page, "Le numéro auquel il répondra").fill(called)
    if step == "knowledge":
        await field(page, "Votre site web").fill("")
        await field(page, "Question 1").fill("Prenez-vous la carte bancaire ?")
        await field(page, "Votre réponse").first.fill("Oui, la carte bancaire est acceptée.")


async def go_through(page: Page, *, called: str, until: str = "done") -> None:
    """From the first screen to the one named."""
    await page.goto("/onboarding")
    for step in STEPS:
        await arrived(page, step)
        if step == until:
            return
        await fill(page, step, called=called)
        await press(page, CONTINUE)


async def names(house: House, tenant_id: TenantId) -> list[tuple[str, str]]:
    """Name and greeting of the agents that answer, from the rows."""
    async with house.running.db.tenant(tenant_id) as tx:
        live = await agents_store.live_agents(tx)
    return [(agent.name, agent.configuration.greeting) for agent in live]


async def test_leyna_is_called_leyna_wherever_one_looks(
    house: House, visiting: Visiting, complaints: list[str]
) -> None:
    """The acceptance of the system being replaced: at phone size, in French, from sign-up on."""
    context = await visiting(base_url=local(house), viewport=PHONE, has_touch=True)
    page, called = await context.new_page(), number()
    await page.goto("/signup")
    await field(page, "Votre nom").fill("Léa Martin")
    await field(page, "Votre entreprise").fill("Garage Dupont")
    await field(page, "Votre e-mail").fill(f"lea-{uuid4().hex}@example.com")
    await page.locator("input[type=password]").fill("trois chats sur un toit")
    await press(page, "Créer mon compte")
    await page.wait_for_url(re.compile("/(onboarding|dashboard)"))
    await go_through(page, called=called)
    await press(page, "Mettre Leyna en service")

    await expect(page.get_by_role("heading", level=1)).to_have_text("Leyna est en service")
    await expect(page.get_by_text("Déclaré, ne répond pas encore")).to_be_visible()
    await page.goto("/dashboard/settings/channels/phone")
    await expect(field(page, "Son nom")).to_have_value("Leyna")
    await expect(field(page, "Son numéro")).to_have_value(shown(called))
    (agent,) = (await (await page.request.get("/api/v1/agents")).json())["items"]
    assert agent["name"] == agent["live_version"]["name"] == "Leyna"
    me = await (await page.request.get("/api/v1/auth/me")).json()
    ((name, greeting),) = await names(house, TenantId(me["tenant"]["id"]))
    assert name == "Leyna"
    assert greeting.startswith("Garage Dupont, bonjour ! Je suis Leyna")
    await page.goto("/onboarding")
    await arrived(page, "done")
    assert complaints == []


async def test_her_assistant_answers_in_the_test_chat(
    house: House, signed_in: SignedIn, addresses: Addresses, complaints: list[str]
) -> None:
    page, _ = await signed_in()
    await go_through(page, called=number())
    await press(page, "Mettre Leyna en service")
    async with queue(addresses.login) as running:
        await work(running, house.running, concurrency=1, until_idle=True)
    await page.reload()
    chat = page.locator("coccinelle-chat")
    await chat.scroll_into_view_if_needed()
    await expect(chat).to_contain_text("Garage Dupont, bonjour ! Je suis Leyna")
    await chat.get_by_role("textbox").fill("Prenez-vous la carte bancaire ?")
    await page.keyboard.press("Enter")
    await expect(chat).to_contain_text("la carte bancaire est acceptée")
    assert complaints == []


async def test_the_greeting_is_shown_while_she_types(signed_in: SignedIn) -> None:
    page, _ = await signed_in()
    await go_through(page, called="", until="assistant")
    preview = page.locator("#greets")
    await field(page, "Le nom de votre assistant").press_sequentially("Leyna")
    await expect(preview).to_contain_text("Garage Dupont, bonjour ! Je suis Leyna")
    await page.get_by_role("radio", name="Accueil immobilier").check()
    await expect(preview).to_contain_text("estimer un bien")
    asked = await page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert not [address for address in asked if "phone_number" in address]


async def test_the_same_hours_for_all_weekdays_are_typed_once(signed_in: SignedIn) -> None:
    page, _ = await signed_in()
    await go_through(page, called="", until="staff")
    await expect(page.get_by_role("group", name="Du lundi au vendredi")).to_be_visible()
    await expect(page.get_by_role("group", name="Mardi")).to_be_hidden()
    monday = page.get_by_role("group", name="Du lundi au vendredi")
    await monday.get_by_role("radio", name="Ouvert", exact=True).check()
    await monday.get_by_label("Lundi, ouvre à").first.fill("10:00")
    await monday.get_by_label("Lundi, ferme à").first.fill("19:00")
    await press(page, CONTINUE)
    await arrived(page, "assistant")
    await page.goto("/onboarding/staff")
    await page.get_by_label("Les mêmes horaires du lundi au vendredi").uncheck()
    tuesday = page.get_by_role("group", name="Mardi")
    await expect(tuesday.get_by_label("Mardi, ouvre à").first).to_have_value("10:00")


async def test_what_is_learnt_is_shown_without_reloading(
    house: House, signed_in: SignedIn, addresses: Addresses
) -> None:
    page, _ = await signed_in()
    await go_through(page, called="", until="knowledge")
    await fill(page, "knowledge")
    await press(page, "Enregistrer et en ajouter")
    found = page.locator("#found").get_by_role("listitem").filter(has_text="Questions fréquentes")
    await expect(found).to_contain_text("En attente")
    async with queue(addresses.login) as running:
        await work(running, house.running, concurrency=1, until_idle=True)
    await expect(found).to_contain_text("Appris")


async def test_two_tabs_at_once_make_one_agent_and_one_number(
    house: House, signed_in: SignedIn
) -> None:
    first, account = await signed_in()
    called = number()
    await go_through(first, called="", until="assistant")
    second = await first.context.new_page()
    await second.goto("/onboarding/assistant")
    for page in (first, second):
        await fill(page, "assistant", called=called)
    pressing = [page.get_by_role("button", name=CONTINUE) for page in (first, second)]
    for button in pressing:
        await button.evaluate("button => { setTimeout(() => button.click(), 0); }")
    for page in (first, second):
        await arrived(page, "knowledge")
    assert len(await names(house, account.tenant_id)) == 1
    async with house.running.db.tenant(account.tenant_id) as tx:
        rows = await tx.records("SELECT e164 FROM phone_numbers")
    assert [row["e164"] for row in rows] == [called]


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_on_any_step(signed_in: SignedIn, viewport: dict[str, int]) -> None:
    page, _ = await signed_in(viewport=viewport)
    await page.goto("/onboarding")
    for step in STEPS:
        await arrived(page, step)
        assert await findings(page) == [], step
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        if step == "done":
            await press(page, "Mettre Leyna en service")
            break
        await fill(page, step, called=number())
        await press(page, CONTINUE)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Leyna est en service")
    assert await findings(page) == []
    for channel in ("phone", "web"):
        await page.goto(f"/dashboard/settings/channels/{channel}")
        assert await findings(page) == [], channel


async def test_what_is_wrong_is_said_beside_its_field_and_has_the_focus(
    signed_in: SignedIn,
) -> None:
    page, _ = await signed_in()
    await go_through(page, called="", until="business")
    await field(page, "Le nom de votre entreprise").fill("")
    await field(page, "Le téléphone").fill("12")
    await press(page, CONTINUE)
    name = field(page, "Le nom de votre entreprise")
    await expect(name).to_be_focused()
    await expect(name).to_have_accessible_description(re.compile("ne peut pas être vide"))
    assert await findings(page) == []


async def test_a_colour_is_shown_before_it_is_saved(signed_in: SignedIn) -> None:
    page, _ = await signed_in()
    await page.goto("/dashboard/settings/channels/web")
    await field(page, "Couleur").fill("#ffe08a")
    await expect(page.locator("#sample circle")).to_have_attribute("fill", "#ffe08a")
    await expect(page.locator("#sample")).to_contain_text("choisissez plus foncé")


async def test_the_enter_key_goes_on(signed_in: SignedIn) -> None:
    page, _ = await signed_in()
    await go_through(page, called="", until="staff")
    await field(page, "Personne 1").press("Enter")
    await arrived(page, "assistant")
    await field(page, "Le nom de votre assistant").fill("Leyna")
    await page.keyboard.press("Enter")
    await arrived(page, "knowledge")


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_the_exam_is_held_and_its_gaps_are_answered(
    house: House,
    signed_in: SignedIn,
    addresses: Addresses,
    complaints: list[str],
    viewport: dict[str, int],
) -> None:
    page, _ = await signed_in(viewport=viewport)
    await go_through(page, called="", until="exam")
    assert await findings(page) == []
    await press(page, "Commencer l’examen")
    await expect(page.get_by_text("L’examen commence dès que")).to_be_visible()
    async with queue(addresses.login) as running:
        await work(running, house.running, concurrency=1, until_idle=True)
    needs = page.get_by_role("heading", name=re.compile("ont besoin de vous"))
    await expect(needs).to_be_visible()
    before = await page.locator("form.card").count()
    assert await findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    first = page.locator("form.card").first
    question = await first.get_by_role("heading").inner_text()
    await first.get_by_label("Que doit-il répondre ?").fill("Oui, sous quatorze jours.")
    await first.get_by_role("button", name="Enregistrer la réponse").click()
    await expect(page.locator("form.card")).to_have_count(before - 1)
    await expect(page.locator("form.card").get_by_text(question, exact=True)).to_have_count(0)
    await press(page, CONTINUE)
    await arrived(page, "done")
    assert complaints == []
