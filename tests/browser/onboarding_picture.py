"""Draws the owner's guide: three screens of the way to an assistant, on a phone, in French.

python -m tests.browser.onboarding_picture docs/howto/onboarding.png
"""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, ViewportSize

from tests.accounts import PASSWORD
from tests.browser.picture import encoded, main, quantised
from tests.cli.conftest import Served

SCREEN: ViewportSize = {"width": 390, "height": 780}
# Kept for fiction by the regulator (ARCEP), like every number of the tests.
NUMBER = "01 99 00 12 34"
FRAME = """<!doctype html><style>
body {{ margin: 0; padding: 40px; display: flex; gap: 36px; width: max-content;
  background: #f3ece2; }}
figure {{ margin: 0; overflow: hidden; border: 10px solid #211d1a; border-radius: 44px;
  box-shadow: 0 18px 44px #2e201033; }}
img {{ display: block; width: 312px; }}
</style>{phones}"""
PHONE = '<figure><img src="data:image/png;base64,{shown}"></figure>'


async def draw(served: Served, browser: Browser) -> bytes:
    """Hours, assistant, and the assistant at work."""
    context = await browser.new_context(
        locale="fr-FR",
        timezone_id="Europe/Paris",
        reduced_motion="reduce",
        device_scale_factor=2,
        viewport=SCREEN,
        base_url=f"http://localhost:{served.port}",
    )
    page = await context.new_page()
    shown = [encoded(png) for png in await _screens(page)]
    frame = await browser.new_page(viewport={"width": 1200, "height": 900})
    await frame.set_content(FRAME.format(phones="".join(PHONE.format(shown=s) for s in shown)))
    return quantised(await frame.locator("body").screenshot())


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
    main(draw, __doc__)
