"""The panel for everybody: by ear, by keyboard alone, at 400 %, in any colour."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import Visiting
from tests.browser.scripted import Event, Gate, Refusal, Scripted, answer, delta
from tests.browser.site import Site, document, embed, opened

COLOURS = ["#b3261e", "#ffffff", "#000000", "#ffe600", "#7f7f7f", "#00b894", "#0d47a1", "#f0a"]
NAMES = {
    "fr": {
        "dialog": "Discuter avec L'Agence des Copines",
        "textbox": "Votre message",
        "send": "Envoyer",
        "person": "Parler à une personne",
        "menu": "Plus d'options",
        "close": "Fermer la discussion",
        "messages": "Messages",
        "copy": "Copier la réponse",
        "up": "Cette réponse m'a été utile",
        "down": "Cette réponse ne m'a pas été utile",
    },
    "en": {
        "dialog": "Chat with L'Agence des Copines",
        "textbox": "Your message",
        "send": "Send",
        "person": "Talk to a person",
        "menu": "More options",
        "close": "Close the chat",
        "messages": "Messages",
        "copy": "Copy the answer",
        "up": "This answer helped me",
        "down": "This answer did not help me",
    },
}
FOCUSED = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  return one.getAttribute("aria-label") ?? one.textContent.trim();
}"""
CONTRAST = """(element) => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => {
      const c = part / 255;
      return c > 0.04045 ? ((c + 0.055) / 1.055) ** 2.4 : c / 12.92;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const { color, backgroundColor } = getComputedStyle(element);
  const [a, b] = [light(color), light(backgroundColor)];
  return Math.max(a, b) / Math.min(a, b);
}"""
HEARD = """() => {
  const roots = [document];
  for (const root of roots) {
    for (const one of root.querySelectorAll("*")) if (one.shadowRoot) roots.push(one.shadowRoot);
  }
  const log = roots.map((root) => root.querySelector("[aria-live=polite]")).find(Boolean);
  window.heard = [];
  new MutationObserver((records) => {
    heard.push(...records.flatMap((one) => [...one.addedNodes]).map((one) => one.textContent));
  }).observe(log, { childList: true });
}"""
AT_REST = """(e) => Promise.allSettled(
  e.getAnimations({ subtree: true })
    .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
    .map((one) => one.finished))"""
SMALL = """() => {
  const roots = [document];
  for (const root of roots) {
    for (const one of root.querySelectorAll("*")) if (one.shadowRoot) roots.push(one.shadowRoot);
  }
  return roots.slice(1).flatMap((root) => [...root.querySelectorAll("button, input, textarea")])
    .filter((one) => one.getClientRects().length && !one.closest("sup"))
    .map((one) => [one.className + one.ariaLabel, one.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name);
}"""


def laid_out(measured_px: float) -> float:
    """What the layout holds of it: a browser keeps lengths in 64ths of a CSS pixel, and measures
    them through floats that say 43.999999 of 44."""
    return round(measured_px * 64) / 64


async def visit(page: Page, site: Site, scripted: Scripted, lang: str = "fr", **data: str) -> None:
    await page.goto(site.put("/", document("", lang=lang, head=embed(scripted.url, **data))))
    await opened(page)


async def say(page: Page, text: str) -> None:
    box = page.get_by_role("textbox")
    await box.fill(text)
    await box.press("Enter")


def shown(page: Page) -> Locator:
    return page.get_by_role("button", name="Copier la réponse")


async def answered(page: Page, site: Site, scripted: Scripted) -> None:
    """A panel with an answer that has everything an answer can have."""
    sources = [{"title": "Aide", "url": "https://agence-des-copines.example/", "score": 0.9}]
    text = (
        "# Titre\n\n- **un** [1]\n- `deux`\n\n> https://agence-des-copines.example/x\n\n```\nx\n```"
    )
    scripted.say(text, sources=sources)
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(shown(page)).to_be_visible()
    await page.get_by_role("dialog").evaluate(AT_REST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_grave_in_any_state(
    visiting: Visiting, site: Site, scripted: Scripted, scheme: str
) -> None:
    context = await visiting(color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    await answered(page, site, scripted)
    assert await findings(page) == []
    scripted.say("Un début", interrupted=True, handoff=True)
    await say(page, "Et encore ?")
    await expect(page.get_by_role("button", name="Reposer")).to_be_visible()
    scripted.refuse(429, "rate_limited", retry_after=60)
    await say(page, "Et encore ?")
    await expect(page.get_by_role("timer")).to_be_visible()
    scripted.refuse(500, "internal")
    await say(page, "Et encore ?")
    await expect(page.get_by_role("button", name="Réessayer")).to_be_visible()
    await page.get_by_role("textbox").fill("mot " * 600)
    assert await findings(page) == []
    await page.get_by_role("button", name="Parler à une personne").click()
    await page.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_text("Indiquez une adresse")).to_be_visible()
    assert await findings(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Plus d'options").click()
    assert await findings(page) == []
    await page.get_by_role("button", name="Nouvelle conversation").click()
    assert await findings(page) == []


async def test_axe_finds_nothing_grave_before_and_without_the_server(
    visiting: Visiting, site: Site, scripted: Scripted
) -> None:
    page = await (await visiting(reduced_motion="reduce")).new_page()
    gate = Gate()
    scripted.script("/api/widget/config", gate, Refusal(503, "unavailable", "Plus tard."))
    await visit(page, site, scripted)
    await gate.reached.wait()
    assert await findings(page) == []
    gate.open()
    await expect(page.get_by_role("heading", name="pas joignable")).to_be_visible()
    assert await findings(page) == []


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_everything_has_a_name_in_the_pages_language(
    page: Page, site: Site, scripted: Scripted, lang: str
) -> None:
    names = NAMES[lang]
    await visit(page, site, scripted, lang=lang)
    dialog = page.get_by_role("dialog", name=names["dialog"], exact=True)
    await expect(dialog).to_have_attribute("lang", lang)
    await expect(dialog).to_have_attribute("aria-modal", "true")
    await dialog.get_by_role("textbox", name=names["textbox"], exact=True).fill("Bonjour")
    await dialog.get_by_role("button", name=names["send"], exact=True).click()
    for name in ("copy", "up", "down", "person", "menu", "close"):
        await expect(dialog.get_by_role("button", name=names[name], exact=True)).to_be_visible()
    await expect(dialog.get_by_role("region", name=names["messages"], exact=True)).to_be_visible()


async def test_the_focus_stays_inside_and_goes_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.goto(site.put("/", document("<a href=#x>Lien</a>", head=embed(scripted.url))))
    await page.get_by_role("button", name="Discuter avec nous").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox", name="Votre message")).to_be_focused()
    seen = []
    for _ in range(8):
        seen.append(await page.evaluate(FOCUSED))
        await page.keyboard.press("Tab")
    around = ["Votre message", "Envoyer", "Parler à une personne", "Plus d'options"]
    around += ["Fermer la discussion", "Messages"]
    assert seen == (around * 2)[:8]
    for _ in range(3):
        await page.keyboard.press("Shift+Tab")
    assert await page.evaluate(FOCUSED) == "Messages"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_role("button", name="Discuter avec nous")).to_be_focused()


async def test_the_keyboard_alone_is_enough(page: Page, site: Site, scripted: Scripted) -> None:
    await answered(page, site, scripted)
    for name in ("Envoyer", "Parler à une personne"):
        await page.keyboard.press("Tab")
        assert await page.evaluate(FOCUSED) == name
    await page.keyboard.press("Enter")
    await page.keyboard.type("lea@example.com")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Demande transmise")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert await page.evaluate(FOCUSED) == "Revenir à la discussion"
    await page.keyboard.press("Enter")
    assert await page.evaluate(FOCUSED) == "Parler à une personne"
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate(FOCUSED) == "Télécharger la conversation"
    await page.keyboard.press("Escape")
    assert await page.evaluate(FOCUSED) == "Plus d'options"
    reached = set()
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate(FOCUSED))
    assert {"Copier la réponse", "Cette réponse m'a été utile", "Messages"} <= reached


async def test_a_screen_reader_hears_sentences_once_and_no_tokens(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    words = ["Une ", "**première** ", "phrase. ", "Puis ", "une ", "autre", " ! ", "Et la ", "fin"]
    parts = [delta(word) for word in words]
    text = "".join(words)
    agent = {"agent": "carole", "name": "Carole", "confidence": 1}
    scripted.stream(Event("agent", agent), *parts, gate, Event("done", answer(text)))
    await visit(page, site, scripted)
    await expect(page.get_by_role("textbox")).to_be_enabled()
    await page.evaluate(HEARD)
    await say(page, "Bonjour")
    await gate.reached.wait()
    await page.wait_for_function("() => heard.length === 2")
    assert await page.evaluate("heard") == ["Carole : Une première phrase.", "Puis une autre !"]
    gate.open()
    await expect(shown(page)).to_be_visible()
    assert (await page.evaluate("heard"))[2:] == ["Et la fin"]


async def test_a_voided_beginning_is_not_finished_aloud(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.stream(
        delta("Un faux dép"),
        Event("reset"),
        delta("La bonne réponse."),
        Event("done", answer("La bonne réponse.")),
    )
    await visit(page, site, scripted)
    await expect(page.get_by_role("textbox")).to_be_enabled()
    await page.evaluate(HEARD)
    await say(page, "Bonjour")
    await expect(shown(page)).to_be_visible()
    assert await page.evaluate("heard") == ["Audrey : La bonne réponse."]


async def test_at_400_percent_everything_can_be_read_and_reached(
    visiting: Visiting, site: Site, scripted: Scripted
) -> None:
    context = await visiting(viewport={"width": 320, "height": 256})
    page = await context.new_page()
    await answered(page, site, scripted)
    dialog = page.get_by_role("dialog")
    log = page.get_by_role("region", name="Messages")
    sideways = "e => e.scrollWidth <= e.clientWidth"
    assert await dialog.evaluate(sideways)
    assert await log.evaluate(sideways)
    assert await log.evaluate("e => e.clientHeight") >= 80
    for name in ("Envoyer", "Parler à une personne", "Plus d'options", "Fermer la discussion"):
        box = await page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 256
    assert await page.evaluate(SMALL) == []
    await page.get_by_role("button", name="Parler à une personne").click()
    form = page.get_by_role("form")
    assert await form.evaluate(sideways)
    await form.get_by_role("button", name="Transmettre").scroll_into_view_if_needed()
    await expect(form.get_by_role("button", name="Transmettre")).to_be_in_viewport()


async def test_what_is_pressed_is_large_enough(
    page: Page, phone: Page, site: Site, scripted: Scripted
) -> None:
    await answered(page, site, scripted)
    assert await page.evaluate(SMALL) == []
    await answered(phone, site, scripted)
    for name in ("Envoyer", "Parler à une personne", "Fermer la discussion", "Copier la réponse"):
        box = await phone.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert laid_out(min(box["width"], box["height"])) >= 44


@pytest.mark.parametrize("colour", COLOURS)
async def test_any_colour_of_a_tenant_can_be_read(
    page: Page, site: Site, scripted: Scripted, colour: str
) -> None:
    scripted.config["color"] = colour
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(shown(page)).to_be_visible()
    assert await page.locator(".mine .bubble").evaluate(CONTRAST) >= 4.5
    assert await page.locator("header .disc").evaluate(CONTRAST) >= 4.5
    await page.get_by_role("textbox").fill("x")
    send = await page.get_by_role("button", name="Envoyer").element_handle()
    await page.wait_for_function(f"(e) => ({CONTRAST})(e) >= 4.5", arg=send)


async def test_nothing_moves_for_who_asked_for_that(
    visiting: Visiting, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.say("Oui.", before=[gate])
    context = await visiting(reduced_motion="reduce")
    page = await context.new_page()
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await gate.reached.wait()
    await expect(page.get_by_text("écrit…")).to_be_visible()
    dots = page.locator(".dots i").first
    assert await dots.evaluate("e => e.getAnimations().length") == 0
    assert await page.get_by_role("dialog").evaluate("e => e.getAnimations().length") == 0
    gate.open()


async def test_forced_colours_keep_edges(
    visiting: Visiting, site: Site, scripted: Scripted
) -> None:
    context = await visiting(forced_colors="active")
    page = await context.new_page()
    await answered(page, site, scripted)
    for part in (".mine .bubble", ".agent .bubble", ".send", ".field", ".disclosure"):
        edge = "e => getComputedStyle(e).borderTopWidth + getComputedStyle(e).borderTopStyle"
        assert await page.locator(part).first.evaluate(edge) in ("1pxsolid", "2pxsolid")


async def test_opened_by_itself_it_is_no_trap(page: Page, site: Site, scripted: Scripted) -> None:
    await page.goto(site.put("/", document("", head=embed(scripted.url, open="true"))))
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await dialog.get_attribute("aria-modal") is None
    assert await page.evaluate("document.activeElement === document.body")


async def test_text_follows_the_readers_size_not_the_pages(
    page: Page, site: Site, scripted: Scripted
) -> None:
    style = "<style>html { font-size: 62.5% } * { letter-spacing: 3px !important }</style>"
    await page.goto(site.put("/", document("", head=style + embed(scripted.url))))
    await opened(page)
    greeting = page.get_by_text("comment puis-je vous aider").first
    look = "e => [getComputedStyle(e).fontSize, getComputedStyle(e).letterSpacing]"
    assert await greeting.evaluate(look) == ["16px", "normal"]
