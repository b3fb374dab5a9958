"""What a page's own scripts can do with the widget: the API, its events and the custom elements."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

import coccinelle
from coccinelle.channels.widget import assets
from tests.browser.axe import findings
from tests.browser.scripted import Gate, Refusal, Scripted
from tests.browser.site import Site, document, embed
from tests.browser.test_launcher import no_stream_is_left

HMAC = "0f" * 32
NOTE_EVENTS = """() => {
  window.told = [];
  for (const name of ["open", "close", "message", "turn", "handoff", "error"]) {
    Coccinelle.on(name, (detail) => told.push([name, detail]));
  }
}"""
IS_ASKED_FOR = "/api/widget/config"


async def visit(
    page: Page,
    site: Site,
    scripted: Scripted,
    body: str = "",
    head: str = "",
    key: str | None = "pk_x",
    **data: object,
) -> None:
    """Show a page with the widget's script, and wait until it has run."""
    html = document(body + embed(scripted.url, key, **data), head=head)
    await page.goto(site.put("/", html))
    await page.wait_for_function("Boolean(customElements.get('coccinelle-widget'))")


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def names_told(page: Page) -> list[str]:
    """The names of the events so far, in order."""
    return [name for name, _ in await page.evaluate("told")]


async def told(page: Page, name: str) -> Any:
    """The detail of the first event of that name, once there is one."""
    await page.wait_for_function("(name) => told.some(([one]) => one === name)", arg=name)
    return next(detail for one, detail in await page.evaluate("told") if one == name)


# window.Coccinelle


async def test_it_opens_closes_and_toggles(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await page.evaluate(NOTE_EVENTS)
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()
    await page.evaluate("Coccinelle.open()")
    await page.evaluate("Coccinelle.close()")
    await expect(dialog(page)).to_be_hidden()
    await page.evaluate("Coccinelle.close()")
    await page.evaluate("Coccinelle.toggle()")
    await expect(dialog(page)).to_be_visible()
    await page.evaluate("Coccinelle.toggle()")
    await expect(dialog(page)).to_be_hidden()
    assert await names_told(page) == ["open", "close", "open", "close"]
    assert len(scripted.asked(IS_ASKED_FOR)) == 1


async def test_closed_before_it_was_open_it_stays_closed(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    gate = Gate()
    scripted.script(".js", gate)
    await page.evaluate(NOTE_EVENTS)
    await page.evaluate("() => { Coccinelle.open(); }")
    await gate.reached.wait()
    await page.evaluate("Coccinelle.close()")
    gate.open()
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()
    assert await names_told(page) == ["open"]


async def test_the_pages_own_button_gets_the_focus_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    own = '<button id="own" onclick="Coccinelle.open()">Une question ?</button>'
    await visit(page, site, scripted, own)
    await page.locator("#own").focus()
    await page.keyboard.press("Enter")
    await expect(dialog(page)).to_be_visible()
    await expect(dialog(page).get_by_role("textbox")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#own")).to_be_focused()


async def test_who_writes_elsewhere_by_then_keeps_the_focus(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, "<input>")
    gate = Gate()
    scripted.script(".js", gate)
    await page.locator("coccinelle-widget").get_by_role("button").click()
    await page.locator("input").focus()
    gate.open()
    await expect(dialog(page)).to_be_visible()
    await page.keyboard.type("abc")
    await expect(page.locator("input")).to_have_value("abc")


async def test_it_says_something_for_the_visitor_and_tells_what_is_answered(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.evaluate(NOTE_EVENTS)
    sources = [{"title": "Tarifs", "url": None, "score": 0.8}]
    done = scripted.say("Nos tarifs **ici**.", sources=sources)
    await page.evaluate("Coccinelle.send('Quels sont vos tarifs ?')")
    assert await told(page, "turn") == {
        "turnId": done["turn_id"],
        "agent": "audrey",
        "name": "Audrey",
        "text": "Nos tarifs **ici**.",
        "sources": sources,
        "handoff": False,
    }
    message = await told(page, "message")
    sent = scripted.asked("/api/chat")[0].body
    assert message == {"id": sent["message_id"], "text": "Quels sont vos tarifs ?"}
    assert await names_told(page) == ["open", "message", "turn"]


async def test_no_longer_listening_it_is_told_nothing(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    heard = await page.evaluate(
        """async () => {
          const heard = [];
          const off = Coccinelle.on("open", () => heard.push("a"));
          Coccinelle.on("open", () => { throw new Error("of the page"); });
          Coccinelle.on("open", () => heard.push("b"));
          off();
          addEventListener("error", (event) => event.preventDefault());
          await Coccinelle.open();
          return heard;
        }"""
    )
    assert heard == ["b"]
    await expect(dialog(page)).to_be_visible()


@pytest.fixture(autouse=True)
def _expected(uncaught: list[str]) -> Any:
    yield
    uncaught[:] = [error for error in uncaught if "of the page" not in error]


async def test_ready_is_told_to_who_listens_early_and_late(
    page: Page, site: Site, scripted: Scripted
) -> None:
    head = """<script>
      window.early = [];
      addEventListener("coccinelle:ready", () => early.push(Coccinelle.version));
    </script>"""
    await visit(page, site, scripted, head=head)
    late = "new Promise((resolve) => Coccinelle.on('ready', () => resolve('late')))"
    assert await page.evaluate(late) == "late"
    assert await page.evaluate("early") == [coccinelle.__version__]


async def test_events_are_also_dom_events(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    heard = await page.evaluate(
        """async () => {
          const heard = [];
          const widget = document.querySelector("coccinelle-widget");
          widget.on("open", () => heard.push("element"));
          document.addEventListener("coccinelle:open", ({target}) => heard.push(target.localName));
          await widget.open();
          return heard;
        }"""
    )
    assert heard == ["element", "coccinelle-widget"]


@pytest.mark.parametrize("is_given_by_the_page", [True, False])
async def test_who_the_visitor_is_is_told_to_the_server_once_they_talk(
    page: Page, site: Site, scripted: Scripted, is_given_by_the_page: bool
) -> None:
    user = {"id": "client-1", "email": "lea@example.com", "hmac": HMAC}
    await visit(page, site, scripted, user=user if is_given_by_the_page else None)
    if not is_given_by_the_page:
        await page.evaluate("(user) => Coccinelle.identify(user)", user)
    assert len(scripted.requests) == 1
    async with page.expect_response("**/identity"):
        await page.evaluate("Coccinelle.send('Bonjour')")
    assert scripted.asked("/identity")[0].body == user


async def test_a_user_who_is_no_json_is_ignored(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted, user="{id: léa")
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()


async def test_reset_forgets_the_conversation_before_and_after_the_opening(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    kept = "localStorage.getItem('coccinelle:pk_x')"
    await page.evaluate("Coccinelle.send('Bonjour')")
    answer = page.get_by_role("region", name="Messages").get_by_text("Voici la réponse")
    await expect(answer).to_be_visible()
    first = await page.evaluate(kept)
    await page.evaluate("Coccinelle.reset()")
    await expect(answer).to_have_count(0)
    assert await page.evaluate(kept) != first
    await page.evaluate("Coccinelle.close()")
    await page.reload()
    await page.wait_for_function("window.Coccinelle")
    await page.evaluate("Coccinelle.reset()")
    assert await page.evaluate(kept) is None


async def test_remove_takes_it_away(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await page.evaluate("Coccinelle.remove()")
    assert await page.locator("coccinelle-widget").count() == 0
    calls = "['open', 'close', 'toggle', 'send', 'identify', 'reset', 'remove']"
    assert await page.evaluate(f"{calls}.map((name) => Coccinelle[name]())") == [None] * 7


async def test_what_the_page_calls_coccinelle_is_left_alone(
    page: Page, site: Site, scripted: Scripted
) -> None:
    head = "<script>var Coccinelle = 'à nous';</script>"
    await visit(page, site, scripted, head=head)
    await page.evaluate("document.querySelector('coccinelle-widget').open()")
    await expect(dialog(page)).to_be_visible()
    assert await page.evaluate("Coccinelle") == "à nous"


async def test_it_cannot_be_changed(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    assert await page.evaluate("Object.isFrozen(Coccinelle)")
    assert await page.evaluate("Coccinelle.version") == coccinelle.__version__


async def test_every_method_has_a_type(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    types = assets.read_assets().files["coccinelle.d.ts"].content.decode()
    body = types.split("interface Controls {")[1].split("\n  }")[0]
    typed = set(re.findall(r"^    (\w+)[<(]", body, re.MULTILINE))
    assert typed == set(await page.evaluate("Object.keys(Coccinelle)")) - {"version"}
    missing = await page.evaluate(
        """(names) => names.filter((name) =>
          typeof document.querySelector("coccinelle-widget")[name] !== "function")""",
        sorted(typed),
    )
    assert missing == []


# Custom elements


async def test_a_launcher_placed_by_hand_is_the_only_one(
    page: Page, site: Site, scripted: Scripted
) -> None:
    by_hand = '<coccinelle-widget key="pk_y" lang="en" color="#06c" position="left">'
    await visit(page, site, scripted, f"<div>{by_hand}</coccinelle-widget></div>")
    assert await page.locator("coccinelle-widget").count() == 1
    button = page.get_by_role("button", name="Chat with us")
    await expect(button).to_have_css("background-color", "rgb(0, 102, 204)")
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()
    assert scripted.asked(IS_ASKED_FOR)[0].query == {"key": "pk_y", "lang": "en"}


async def test_placed_by_hand_it_goes_and_comes_with_its_parent(
    page: Page, site: Site, scripted: Scripted
) -> None:
    body = '<div id="app"><coccinelle-widget key="pk_y"></coccinelle-widget></div>'
    await visit(page, site, scripted, body)
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()
    await page.evaluate("() => { window.app = document.querySelector('#app'); app.remove(); }")
    await page.wait_for_timeout(100)
    assert await page.locator("coccinelle-widget").count() == 0
    await page.evaluate("document.body.append(app)")
    await expect(dialog(page)).to_be_visible()
    assert len(scripted.asked(IS_ASKED_FOR)) == 2
    await page.evaluate("Coccinelle.close()")
    await expect(dialog(page)).to_be_hidden()


async def test_its_attributes_can_change(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    widget = page.locator("coccinelle-widget")
    await widget.evaluate(
        """(widget) => {
          widget.setAttribute("color", "#ffd400");
          widget.setAttribute("lang", "en");
          widget.setAttribute("position", "left");
        }"""
    )
    button = page.get_by_role("button", name="Chat with us")
    await expect(button).to_have_css("background-color", "rgb(255, 212, 0)")
    await expect(button).to_have_css("left", "20px")


async def test_without_a_key_the_host_name_says_whose_it_is(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, key=None)
    await page.evaluate("Coccinelle.open()")
    await expect(dialog(page)).to_be_visible()
    assert scripted.asked(IS_ASKED_FOR)[0].query == {"lang": "fr"}


async def test_a_page_that_only_wants_the_elements_gets_no_launcher(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, launcher="none")
    assert await page.locator("coccinelle-widget").count() == 0
    await page.evaluate("document.body.append(document.createElement('coccinelle-widget'))")
    await expect(page.get_by_role("button", name="Discuter avec nous")).to_be_visible()


async def test_what_is_placed_by_hand_counts_wherever_the_script_is(
    page: Page, site: Site, scripted: Scripted
) -> None:
    at_once = embed(scripted.url).replace(" async", "")
    await page.goto(site.put("/", document("<coccinelle-chat></coccinelle-chat>", head=at_once)))
    await expect(page.locator("coccinelle-chat").get_by_role("textbox")).to_be_visible()
    assert await page.locator("coccinelle-widget").count() == 0


BOX = (
    '<div style="{style}"><coccinelle-chat key="pk_x" style="block-size: 500px"></coccinelle-chat>'
    "</div>"
)


async def test_an_inline_chat_fills_its_box_and_draws_no_launcher(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, BOX.format(style="inline-size: 480px"))
    chat = page.locator("coccinelle-chat")
    await expect(chat.get_by_role("textbox")).to_be_visible()
    assert await page.locator("coccinelle-widget").count() == 0
    await expect(page.locator("#launcher")).to_be_hidden()
    await expect(dialog(page)).to_have_count(0)
    assert await page.evaluate("document.activeElement.localName") == "body"
    box, region = await chat.bounding_box(), await chat.get_by_role("region").first.bounding_box()
    assert box == region
    assert box is not None
    assert (box["width"], box["height"]) == (480, 500)
    await chat.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Voici la réponse").first).to_be_visible()
    assert await findings(page) == []
    await page.keyboard.press("Escape")
    await page.evaluate("Coccinelle.close()")
    await expect(chat.get_by_role("region").first).to_be_visible()


async def test_an_inline_chat_asks_for_nothing_until_it_is_seen(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, BOX.format(style="margin-top: 3000px"))
    await page.wait_for_timeout(200)
    assert [request.path for request in scripted.requests] == ["/widget.js"]
    assert await page.evaluate("localStorage.length") == 0
    await page.locator("coccinelle-chat").scroll_into_view_if_needed()
    await expect(page.get_by_role("textbox")).to_be_visible()


@pytest.mark.parametrize("body", ["", "<coccinelle-chat key=pk_x></coccinelle-chat>"])
async def test_a_chat_that_the_page_opened_stores_nothing_until_the_visitor_says_something(
    page: Page, site: Site, scripted: Scripted, body: str
) -> None:
    await visit(page, site, scripted, body, open=True)
    await expect(page.get_by_role("textbox")).to_be_enabled()
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    await page.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Voici la réponse").first).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Voici la réponse").first).to_be_visible()


async def test_an_inline_chat_that_cannot_load_offers_to_try_again(
    page: Page, site: Site, scripted: Scripted
) -> None:
    modules = [name for name in assets.read_assets().files if name.endswith(".js")]
    gate = Gate()
    scripted.script("/widget.js", gate)
    html = document(BOX.format(style="") + embed(scripted.url))
    await page.goto(site.put("/", html), wait_until="domcontentloaded")
    await gate.reached.wait()
    scripted.script(".js", *[Refusal(503, "unavailable", "Indisponible.")] * len(modules))
    gate.open()
    await expect(page.get_by_role("status")).to_contain_text("n'est pas joignable")
    await page.locator("#launcher").click()
    await expect(page.get_by_role("textbox")).to_be_visible()


async def test_an_inline_chat_that_is_removed_stops(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, BOX.format(style=""))
    gate = Gate()
    scripted.say(before=[gate])
    await page.evaluate("Coccinelle.send('Bonjour')")
    await gate.reached.wait()
    await page.evaluate("document.querySelector('coccinelle-chat').parentNode.remove()")
    await no_stream_is_left(page, scripted)
