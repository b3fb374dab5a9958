"""The account pages as people use them: on a phone, at a desk, by keyboard, in the dark."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.accounts import PASSWORD, Account, signed_up
from tests.browser.axe import findings
from tests.browser.conftest import DESKTOP, PHONE, House, Visiting

ON_PHONE = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
AT_DESK = {"viewport": DESKTOP}
IN_THE_DARK = {**ON_PHONE, "color_scheme": "dark"}
OUTSIDE = ("/signup", "/login", "/password/forgot", "/reset?token=none", "/invitation?token=none")
INSIDE = (
    "",
    "/settings",
    "/settings/company",
    "/settings/members",
    "/settings/keys",
    "/settings/account",
    "/settings/audit",
    "/settings/limits",
    "/settings/businesses",
    "/nothing",
)
PWN = '"><img src=x onerror="window.__pwn=1"><script>window.__pwn=1</script>'

Entering = Callable[..., Awaitable[tuple[Page, Account]]]


def local(house: House) -> str:
    """The server as one reaches it on this machine."""
    return house.url.replace("127.0.0.1", "localhost")


async def let_in(context: BrowserContext, house: House, token: str) -> None:
    await context.add_cookies([{"name": "coccinelle_session", "value": token, "url": local(house)}])


async def account_of(house: House, **named: str) -> Account:
    async with httpx2.AsyncClient(base_url=house.url, timeout=30) as client:
        return await signed_up(client, **named)


@pytest.fixture
def entering(house: House, visiting: Visiting) -> Entering:
    """Opens a page, on a phone unless told, of an owner who is signed in."""

    async def enter(**options: object) -> tuple[Page, Account]:
        account = await account_of(house)
        context = await visiting(base_url=local(house), **{**ON_PHONE, **options})
        await let_in(context, house, account.token)
        return await context.new_page(), account

    return enter


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def fits(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return not wide


async def test_an_owner_comes_goes_and_comes_back_on_her_phone(
    house: House, visiting: Visiting, complaints: list[str]
) -> None:
    context = await visiting(base_url=local(house), **ON_PHONE)
    page = await context.new_page()
    email = f"{uuid4().hex[:12]}@example.com"
    await page.goto("/dashboard")
    await page.get_by_role("link", name="Créer mon assistant").tap()
    await page.get_by_label("Votre nom", exact=True).fill("Léa Martin")
    await page.get_by_label("Votre entreprise").fill("Garage du Port")
    await page.get_by_label("Votre e-mail").fill(email)
    await page.get_by_label("Choisissez un mot de passe").fill(PASSWORD)
    await press(page, "Créer mon compte")
    await page.wait_for_url(re.compile("/onboarding"))

    await page.goto("/dashboard")
    await expect(page.get_by_role("heading", name="Bonjour Léa Martin")).to_be_visible()
    await page.get_by_role("link", name="Réglages").tap()
    await press(page, "Se déconnecter")
    await expect(page.get_by_role("status")).to_contain_text("À bientôt")

    await page.get_by_label("Votre e-mail").fill(email)
    await page.get_by_label("Votre mot de passe").fill(PASSWORD)
    await press(page, "Se connecter")
    await page.wait_for_url(re.compile("/dashboard$"))
    assert [said for said in complaints if "Content Security Policy" in said] == []


async def test_a_mistake_is_told_where_it_is_and_has_the_focus(
    house: House, visiting: Visiting
) -> None:
    context = await visiting(base_url=local(house), **ON_PHONE)
    page = await context.new_page()
    await page.goto("/signup")
    await page.get_by_label("Votre nom", exact=True).fill("Léa")
    await page.get_by_label("Votre e-mail").fill("lea@example.com")
    await page.get_by_label("Choisissez un mot de passe").fill("motdepasse")
    await press(page, "Créer mon compte")
    password = page.get_by_label("Choisissez un mot de passe")

    await expect(password).to_be_focused()
    await expect(password).to_have_accessible_description(re.compile("trop facile à deviner"))
    await expect(page.get_by_label("Votre nom", exact=True)).to_have_value("Léa")


async def test_a_password_can_be_looked_at(house: House, visiting: Visiting) -> None:
    context = await visiting(base_url=local(house), **ON_PHONE)
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("Votre mot de passe").fill("secret")
    await press(page, "Afficher")

    await expect(page.get_by_label("Votre mot de passe")).to_have_attribute("type", "text")


async def test_she_invites_somebody_who_joins_on_his_own_phone(
    house: House, visiting: Visiting, entering: Entering
) -> None:
    page, _ = await entering()
    await page.goto("/dashboard/settings/members")
    await page.get_by_label("Son e-mail").fill(f"{uuid4().hex[:12]}@example.com")
    await page.get_by_label("Son rôle").select_option("admin")
    await press(page, "Inviter")
    await expect(page.get_by_role("heading", name="Invitation prête")).to_be_focused()
    link = await page.locator("#invitation-link").inner_text()

    his = await (await visiting(base_url=local(house), **ON_PHONE)).new_page()
    await his.goto(link)
    await expect(his.get_by_role("heading", name="Rejoignez Garage du Port")).to_be_visible()
    await his.get_by_label("Votre nom").fill("Paul Petit")
    await his.get_by_label("Choisissez un mot de passe").fill(PASSWORD)
    await press(his, "Accepter l’invitation")
    await expect(his.get_by_role("heading", name="Bonjour Paul Petit")).to_be_visible()
    await page.goto("/dashboard/settings/members")
    await expect(page.get_by_role("listitem").filter(has_text="Paul Petit")).to_be_visible()


async def test_a_key_is_copied_once_and_revoked_by_two_taps(entering: Entering) -> None:
    page, _ = await entering(permissions=["clipboard-read", "clipboard-write"])
    await page.goto("/dashboard/settings/keys")
    await page.get_by_text("Ajouter une clé de programme").tap()
    await page.locator("#api-name").fill("Caisse")
    await press(page, "Créer la clé de programme")
    secret = await page.locator("#new-secret").inner_text()
    await page.get_by_role("button", name="Copier").first.click()
    await expect(page.get_by_role("button", name="Copié")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == secret

    await page.goto("/dashboard/settings/keys")
    assert secret not in await page.content()
    await page.get_by_text("Révoquer Caisse").tap()
    await press(page, "Révoquer pour toujours")
    await expect(page.get_by_role("status")).to_contain_text("révoquée")
    await expect(page.get_by_text("Caisse", exact=True)).to_have_count(0)


async def test_a_button_that_is_pressed_twice_does_one_thing(entering: Entering) -> None:
    page, _ = await entering()
    await page.goto("/dashboard/settings/keys")
    await page.locator("#public-name").fill("Mon site")
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    button = page.get_by_role("button", name="Créer la clé du site")
    twice = "(b) => new Promise((done) => { b.click(); setTimeout(() => done(b.click()), 1); })"
    await button.evaluate(twice)
    await expect(page.get_by_role("status")).to_contain_text("La clé est prête")

    assert sent.count("POST") == 1
    await expect(page.locator("#public .lines > li")).to_have_count(1)


@pytest.mark.parametrize("options", [ON_PHONE, AT_DESK, IN_THE_DARK], ids=["phone", "desk", "dark"])
async def test_axe_finds_nothing_and_every_page_fits(
    house: House, visiting: Visiting, entering: Entering, options: dict[str, object]
) -> None:
    found = []
    outside = await (await visiting(base_url=local(house), **options)).new_page()
    inside, _ = await entering(**options)
    pages = [(outside, path) for path in OUTSIDE]
    pages += [(inside, f"/dashboard{path}") for path in INSIDE]
    for page, path in pages:
        await page.goto(path)
        found += [f"{path}: {finding}" for finding in await findings(page)]
        found += [] if await fits(page) else [f"{path} is too wide"]

    assert found == []


async def test_axe_finds_nothing_where_something_was_refused_or_opened(
    house: House, visiting: Visiting, entering: Entering
) -> None:
    outside = await (await visiting(base_url=local(house), **ON_PHONE)).new_page()
    await outside.goto("/signup")
    await press(outside, "Créer mon compte")
    await expect(outside.locator(".error").first).to_be_visible()
    refused = await findings(outside)
    page, _ = await entering()
    await page.goto("/dashboard/settings/members")
    await page.locator("summary").first.tap()
    opened = await findings(page)

    assert refused + opened == []


async def test_every_target_is_large_enough_for_a_thumb(entering: Entering) -> None:
    page, _ = await entering()
    small = []
    for path in INSIDE:
        await page.goto(f"/dashboard{path}")
        small += await page.evaluate(
            """path => [...document.querySelectorAll("button, input, select, summary, li > a")]
              .filter((one) => one.type !== "checkbox" && one.checkVisibility())
              .map((one) => [path, one.outerHTML.slice(0, 90), one.getBoundingClientRect().height])
              .filter(([, , height]) => height > 1 && height < 43.5)""",
            path,
        )

    assert small == []


async def test_she_logs_in_by_keyboard_alone(house: House, visiting: Visiting) -> None:
    account = await account_of(house)
    page = await (await visiting(base_url=local(house), **AT_DESK)).new_page()
    await page.goto("/login")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Aller au contenu")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type(account.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(account.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/dashboard$"))

    for name in ("Aller au contenu", "Garage du Port", "Mon activité"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name=name)).to_be_focused()
    ring = await page.evaluate(
        "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
        "(getComputedStyle(document.activeElement))"
    )
    assert ring == ["solid", "3px"]


async def test_the_pages_work_without_javascript(house: House, visiting: Visiting) -> None:
    account = await account_of(house)
    context = await visiting(base_url=local(house), java_script_enabled=False, **ON_PHONE)
    page = await context.new_page()
    await page.goto("/dashboard/settings/keys")
    await page.get_by_label("Votre e-mail").fill(account.email)
    await page.get_by_label("Votre mot de passe").fill(account.password)
    await press(page, "Se connecter")
    await page.wait_for_url(re.compile("/dashboard/settings/keys$"))
    await page.locator("#public-name").fill("Mon site")
    await press(page, "Créer la clé du site")
    await expect(page.get_by_role("status")).to_contain_text("La clé est prête")
    await press(page, "English")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()


async def test_what_people_write_never_runs(
    house: House, visiting: Visiting, complaints: list[str]
) -> None:
    account = await account_of(house, name=PWN, company_name=PWN)
    context = await visiting(base_url=local(house), user_agent=PWN, **AT_DESK)
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("Votre e-mail").fill(account.email)
    await page.get_by_label("Votre mot de passe").fill(account.password)
    await press(page, "Se connecter")
    await page.wait_for_url(re.compile("/dashboard$"))
    ran = []
    for path in INSIDE[:-1]:
        await page.goto(f"/dashboard{path}")
        ran += [path] if await page.evaluate("window.__pwn") else []

    assert ran == []
    assert complaints == []
