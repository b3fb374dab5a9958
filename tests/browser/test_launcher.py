"""The launcher, a guest in somebody else's page: what it takes, leaves, and looks like."""

from __future__ import annotations

import re
from itertools import product

import pytest
from playwright.async_api import Locator, Page, expect

from coccinelle.channels.widget import assets
from tests.browser.axe import findings
from tests.browser.conftest import Visiting
from tests.browser.scripted import Gate, Refusal, Scripted
from tests.browser.site import Canary, Site, document, embed, opened

MODULES = sorted(path.name for path in assets.STATIC.iterdir() if path.name.endswith(".js"))
MODULES.remove(assets.LAUNCHER)
LADYBIRD = "rgb(179, 38, 30)"

KEPT = """async () => ({
  cookie: document.cookie,
  local: localStorage.length,
  session: sessionStorage.length,
  databases: (await indexedDB.databases()).length,
  caches: (await caches.keys()).length,
})"""
SHIFTED = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntries().length))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve(0), 300);
})"""
FACE = """(button) => {
  const {backgroundColor, color, borderTopColor, boxShadow, outlineStyle, outlineWidth,
    transitionDuration, position, opacity, width, height} = getComputedStyle(button);
  const {fill} = getComputedStyle(button.querySelector("path"));
  return {backgroundColor, color, fill, borderTopColor, boxShadow, outlineStyle, outlineWidth,
    transitionDuration, position, opacity, width, height};
}"""
COLORED = """(colors) => {
  const widget = document.querySelector("coccinelle-widget");
  const button = widget.shadowRoot.querySelector("button");
  return colors.map((color) => {
    widget.setAttribute("color", color);
    const {backgroundColor, fill} = getComputedStyle(button.querySelector("path"));
    return [getComputedStyle(button).backgroundColor, fill];
  });
}"""


def launcher(page: Page) -> Locator:
    return page.locator("coccinelle-widget").get_by_role("button").first


async def visit(
    page: Page,
    site: Site,
    scripted: Scripted,
    body: str = "",
    head: str = "",
    key: str = "pk_x",
    **data: object,
) -> None:
    """Show a page with the widget, and wait for the launcher."""
    html = document(body + embed(scripted.url, key, **data), head=head)
    await page.goto(site.put("/", html))
    await expect(launcher(page)).to_be_visible()


async def no_stream_is_left(page: Page, scripted: Scripted) -> None:
    """The server notices that nobody listens any more."""
    for _ in range(100):
        if not scripted.open_streams:
            return
        await page.wait_for_timeout(50)
    pytest.fail("somebody still listens")


def luminance(color: str) -> float:
    """Relative luminance of `rgb(…)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (((p + 0.055) / 1.055) ** 2.4 if p > 0.04045 else p / 12.92 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


# Before the click


def test_the_launcher_is_at_most_six_kilobytes() -> None:
    served = assets.read_assets().launcher
    assert served is not None
    assert len(served.gzipped) <= 6000


def test_the_launcher_asks_for_every_module_by_its_content() -> None:
    served = assets.read_assets().launcher
    assert served is not None
    named = re.findall(r'"\./widget/([a-z]+)\.[0-9a-f]{16}\.js"', served.content.decode())
    assert sorted(f"{name}.js" for name in named) == MODULES


async def test_one_request_and_nothing_kept_before_the_click(
    page: Page, site: Site, scripted: Scripted
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await visit(page, site, scripted)
    await launcher(page).hover()
    await page.keyboard.press("Tab")
    await page.wait_for_timeout(300)
    assert [url for url in asked if not url.endswith("favicon.ico")] == [
        f"{site.url}/",
        f"{scripted.url}/widget.js",
    ]
    assert [request.path for request in scripted.requests] == ["/widget.js"]
    assert await page.evaluate(KEPT) == {
        "cookie": "",
        "local": 0,
        "session": 0,
        "databases": 0,
        "caches": 0,
    }
    assert await page.context.cookies() == []


async def test_the_page_keeps_its_own_names_and_handlers(
    page: Page, site: Site, scripted: Scripted
) -> None:
    names = "Object.getOwnPropertyNames(window).sort()"
    await page.goto(site.put("/without", document("")))
    before = await page.evaluate(names)
    head = """<script>
      function ours() {}
      onload = onerror = onmessage = onpopstate = onbeforeunload = onhashchange = ours;
      document.onclick = document.onkeydown = document.onreadystatechange = ours;
    </script>"""
    await visit(page, site, scripted, head=head)
    assert set(await page.evaluate(names)) - set(before) == {"Coccinelle", "ours"}
    assert await page.evaluate(
        """[onload, onerror, onmessage, onpopstate, onbeforeunload, onhashchange,
          document.onclick, document.onkeydown, document.onreadystatechange]
            .every((handler) => handler === ours)"""
    )


async def test_nothing_moves_when_the_launcher_appears(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.script("/widget.js", gate)
    html = document(embed(scripted.url) + "<p>Un paragraphe.</p>" * 40)
    await page.goto(site.put("/", html), wait_until="domcontentloaded")
    size = await page.evaluate("document.documentElement.scrollHeight")
    gate.open()
    await expect(launcher(page)).to_be_visible()
    assert await page.evaluate(SHIFTED) == 0
    assert await page.evaluate("document.documentElement.scrollHeight") == size


async def test_a_script_in_the_head_waits_for_the_page(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.goto(site.put("/", document("", head=embed(scripted.url))))
    await expect(launcher(page)).to_be_visible()


async def test_included_twice_it_is_there_once(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted, embed(scripted.url), head=embed(scripted.url))
    await page.evaluate(
        """(src) => new Promise((resolve) => {
          const script = document.createElement("script");
          Object.assign(script, {src, onload: resolve}).dataset.key = "pk_y";
          document.head.append(script);
        })""",
        f"{scripted.url}/widget.js?again",
    )
    assert await page.locator("coccinelle-widget").count() == 1


async def test_messages_from_other_windows_do_nothing(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.evaluate(
        """() => ["open", "coccinelle:open", {type: "coccinelle:open"}, {action: "open"}]
          .forEach((message) => postMessage(message, "*"))"""
    )
    await page.wait_for_timeout(200)
    assert len(scripted.requests) == 1


# How it looks


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("position", [None, "left", "right", "top"])
async def test_it_is_at_the_end_of_a_line_or_at_the_side_that_is_asked_for(
    page: Page, site: Site, scripted: Scripted, direction: str, position: str | None
) -> None:
    head = f"<style>html {{ direction: {direction}; }}</style>"
    await visit(page, site, scripted, head=head, position=position)
    by_default = "left" if direction == "rtl" else "right"
    box = await launcher(page).bounding_box()
    assert box is not None
    side = "left" if box["x"] < 640 else "right"
    assert side == (position if position in ("left", "right") else by_default)
    assert box == {"x": 20 if side == "left" else 1200, "y": 720, "width": 60, "height": 60}


HOSTILE = """<style>
  body > *, body *, coccinelle-widget { all: unset !important; display: none !important;
    opacity: 0 !important; visibility: hidden !important; transform: scale(0) !important;
    z-index: -1 !important; pointer-events: none !important; clip-path: inset(50%) !important;
    inset: auto auto 0 0 !important; position: static !important; filter: blur(9px) !important; }
  button, svg, path { all: unset !important; width: 1px !important; fill: red !important; }
  #launcher, #note { display: none !important; }
  * { --launcher: none; font: 99px serif !important; transition: all 9s !important; }
  #cover { all: initial !important; display: block !important; position: fixed !important;
    inset: 0 !important; z-index: 2147483647 !important; background: #fff !important; }
</style>"""


async def test_hostile_styles_change_nothing(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    face = await launcher(page).evaluate(FACE)
    html = document(embed(scripted.url), head=HOSTILE)
    html = html.replace("</main>", '</main><div id="cover"></div>')
    await page.goto(site.put("/hostile", html))
    await expect(launcher(page)).to_be_visible()
    assert await launcher(page).evaluate(FACE) == face
    assert await launcher(page).bounding_box() == {"x": 1200, "y": 720, "width": 60, "height": 60}
    hit = "[[9, 9], [1230, 750]].map(([x, y]) => document.elementFromPoint(x, y).localName)"
    assert await page.evaluate(hit) == ["div", "coccinelle-widget"]
    assert await page.locator("coccinelle-widget").evaluate(
        """(host) => {
          const {opacity, visibility, transform, filter, clipPath} = getComputedStyle(host);
          return [opacity, visibility, transform, filter, clipPath];
        }"""
    ) == ["1", "visible", "none", "none", "none"]


async def test_any_colour_has_a_readable_icon(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    steps = [f"{part:02x}" for part in range(0, 256, 17)]
    colors = ["#" + "".join(parts) for parts in product(steps, repeat=3)]
    colors += [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in range(256)]
    colors += ["#f0a", "#777", "#767676", "#FFD400", "#e67e22", "#1abc9c"]
    drawn = await page.evaluate(COLORED, colors)
    assert len({background for background, _ in drawn}) > 4000
    unreadable = [pair for pair in drawn if contrast(*pair) < 4.5]
    assert not unreadable


@pytest.mark.parametrize(
    "color",
    [
        "red; background: url(CANARY/a)",
        "url(CANARY/b)",
        "#b00; } :host { background: url(CANARY/c)",
        "#fff} @import url(CANARY/d);",
        "#12345",
        "#12",
        "b3261e",
        "var(--color)",
        "#ggg",
        "#fff\n",
        "",
    ],
)
async def test_what_is_no_colour_is_ignored(
    page: Page, site: Site, scripted: Scripted, canary: Canary, color: str
) -> None:
    await visit(page, site, scripted, color=color.replace("CANARY", canary.url))
    face = await launcher(page).evaluate(FACE)
    assert face["backgroundColor"] == LADYBIRD
    assert contrast(face["backgroundColor"], face["fill"]) >= 4.5
    assert canary.hits == []


async def test_with_less_motion_nothing_moves(page: Page, site: Site, scripted: Scripted) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await visit(page, site, scripted)
    gate = Gate()
    scripted.script("/api/widget/config", gate)
    scripted.script(".js", gate)
    assert (await launcher(page).evaluate(FACE))["transitionDuration"] == "0s"
    await launcher(page).click()
    await expect(launcher(page)).to_have_attribute("aria-busy", "true")
    moving = "(host) => host.shadowRoot.getAnimations().length"
    assert await page.locator("coccinelle-widget").evaluate(moving) == 0
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.locator("coccinelle-widget").evaluate(moving) > 0
    gate.open()


async def test_on_paper_there_is_no_launcher(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await page.emulate_media(media="print")
    await expect(launcher(page)).to_be_hidden()


async def test_forced_colours_draw_its_edge(page: Page, site: Site, scripted: Scripted) -> None:
    await page.emulate_media(forced_colors="active")
    await visit(page, site, scripted, color="#ffd400")
    face = await launcher(page).evaluate(FACE)
    assert face["backgroundColor"] != "rgb(255, 212, 0)"
    assert contrast(face["backgroundColor"], face["fill"]) >= 4.5
    assert contrast(face["backgroundColor"], face["borderTopColor"]) >= 3
    await page.keyboard.press("Tab")
    assert (await launcher(page).evaluate(FACE))["outlineStyle"] == "solid"


async def test_the_page_can_hide_it_for_a_while(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await page.locator("coccinelle-widget").evaluate("(widget) => { widget.hidden = true; }")
    await expect(launcher(page)).to_be_hidden()


# For everybody


@pytest.mark.parametrize(
    ("lang", "told", "locale", "name"),
    [
        ("fr", None, "en-GB", "Discuter avec nous"),
        ("fr-CA", None, "en-GB", "Discuter avec nous"),
        ("en-US", None, "fr-FR", "Chat with us"),
        ("fr", "en", "fr-FR", "Chat with us"),
        ("en", "fr", "en-GB", "Discuter avec nous"),
        ("de", None, "fr-FR", "Chat with us"),
        ("", None, "fr-FR", "Discuter avec nous"),
        ("", None, "de-DE", "Chat with us"),
    ],
)
async def test_its_name_is_in_the_language_of_the_page(
    visiting: Visiting,
    site: Site,
    scripted: Scripted,
    lang: str,
    told: str | None,
    locale: str,
    name: str,
) -> None:
    page = await (await visiting(locale=locale)).new_page()
    await page.goto(site.put("/", document(embed(scripted.url, lang=told), lang=lang)))
    button = page.get_by_role("button", name=name, exact=True)
    await expect(button).to_be_visible()
    assert await button.evaluate("(button) => button.lang") == ("fr" if name[0] == "D" else "en")


async def test_the_keyboard_finds_it_and_shows_where_it_is(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.keyboard.press("Tab")
    await expect(launcher(page)).to_be_focused()
    face = await launcher(page).evaluate(FACE)
    assert (face["outlineStyle"], face["outlineWidth"]) == ("solid", "3px")
    assert "6px" in face["boxShadow"]
    await expect(launcher(page)).to_have_attribute("aria-haspopup", "dialog")
    await expect(launcher(page)).to_have_attribute("aria-expanded", "false")


async def test_axe_finds_nothing_serious(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    assert await findings(page) == []


async def test_it_stays_on_the_screen_at_four_times_the_size(
    visiting: Visiting, site: Site, scripted: Scripted
) -> None:
    page = await (await visiting(viewport={"width": 320, "height": 200})).new_page()
    await visit(page, site, scripted)
    assert await launcher(page).bounding_box() == {"x": 240, "y": 120, "width": 60, "height": 60}
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


# The click


async def test_it_is_busy_until_the_panel_is_there(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    gate = Gate()
    scripted.script(".js", gate)
    await launcher(page).dblclick()
    await expect(launcher(page)).to_have_attribute("aria-busy", "true")
    await expect(launcher(page)).to_have_attribute("aria-expanded", "false")
    gate.open()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(launcher(page)).to_have_attribute("aria-busy", "false")
    await expect(launcher(page)).to_have_attribute("aria-expanded", "true")
    assert len(scripted.asked("/api/widget/config")) == 1
    assert len(scripted.asked(".js")) == 1 + len(MODULES)


async def test_without_its_modules_it_says_so_and_a_click_tries_again(
    page: Page, site: Site, scripted: Scripted, complaints: list[str]
) -> None:
    await visit(page, site, scripted)
    await page.evaluate("() => { Coccinelle.on('error', (told) => { window.told = told; }); }")
    scripted.script(".js", *[Refusal(503, "unavailable", "Indisponible.")] * len(MODULES))
    # By the keyboard: a pointer that goes down asks for them before the click does.
    await launcher(page).press("Enter")
    note = page.get_by_role("status")
    await expect(note).to_contain_text("Le chat n'est pas joignable")
    await expect(launcher(page)).to_have_attribute("aria-busy", "false")
    assert (await page.evaluate("told"))["code"] == "widget_unreachable"
    assert await findings(page) == []
    await launcher(page).press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(note.first).to_be_empty()
    assert len(complaints) == len(MODULES)


async def test_the_tenants_colour_and_side_come_with_the_opening(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.config |= {"color": "#ffd400", "position": "left"}
    await visit(page, site, scripted)
    assert (await launcher(page).evaluate(FACE))["backgroundColor"] == LADYBIRD
    await opened(page)
    await expect(launcher(page)).to_have_css("background-color", "rgb(255, 212, 0)")
    await expect(launcher(page)).to_have_css("color", "rgb(0, 0, 0)")
    box = await launcher(page).bounding_box()
    assert box is not None
    assert box["x"] < 640


async def test_the_pages_colour_and_side_win_over_the_tenants(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.config |= {"color": "#ffd400", "position": "left"}
    await visit(page, site, scripted, color="#06c", position="right")
    await opened(page)
    await expect(page.get_by_text(scripted.config["disclosure"]).first).to_be_visible()
    await expect(launcher(page)).to_have_css("background-color", "rgb(0, 102, 204)")
    box = await launcher(page).bounding_box()
    assert box is not None
    assert box["x"] > 640


async def test_on_a_phone_it_makes_room_and_comes_back_with_the_focus(
    phone: Page, site: Site, scripted: Scripted
) -> None:
    await visit(phone, site, scripted)
    await launcher(phone).tap()
    await expect(phone.get_by_role("dialog")).to_be_visible()
    await expect(phone.locator("#launcher")).to_be_hidden()
    await phone.keyboard.press("Escape")
    await expect(phone.locator("#launcher")).to_be_focused()
    await expect(phone.locator("#launcher")).to_be_visible()


async def test_the_keyboard_opens_and_closes_and_the_focus_comes_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(launcher(page)).not_to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(launcher(page)).to_be_focused()


async def test_a_second_click_closes(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await opened(page)
    await launcher(page).click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(launcher(page)).to_be_focused()


# From page to page

ON = "sessionStorage.getItem('coccinelle:open')"
FOCUSED = "document.activeElement.localName"


async def test_what_was_open_is_open_on_the_next_page_without_taking_the_focus(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await opened(page)
    assert await page.evaluate(ON) == "1"
    await page.goto(site.put("/next", document("<input autofocus>" + embed(scripted.url))))
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_enabled()
    await page.keyboard.type("abc")
    await expect(page.locator("main input")).to_have_value("abc")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.reload()
    await expect(launcher(page)).to_have_attribute("aria-expanded", "false")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_what_was_closed_stays_closed_on_the_next_page(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await opened(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert await page.evaluate(ON) is None
    scripted.requests.clear()
    await page.reload()
    await expect(launcher(page)).to_be_visible()
    assert not scripted.asked("/api/widget/config")


async def test_a_page_may_open_it_but_not_after_the_visitor_closed_it(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, open=True)
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.evaluate(FOCUSED) == "body"
    assert await page.evaluate(ON) is None
    await launcher(page).click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    scripted.requests.clear()
    await page.reload()
    await expect(launcher(page)).to_be_visible()
    assert not scripted.asked("/api/widget/config")


@pytest.mark.parametrize("told", ["false", "0"])
async def test_a_page_may_say_that_it_is_not_open(
    page: Page, site: Site, scripted: Scripted, told: str
) -> None:
    await visit(page, site, scripted, open=told)
    await page.wait_for_timeout(200)
    assert not scripted.asked("/api/widget/config")


async def test_a_page_does_not_cover_a_phone_with_it(
    phone: Page, site: Site, scripted: Scripted
) -> None:
    await visit(phone, site, scripted, open=True)
    await phone.wait_for_timeout(200)
    assert not scripted.asked("/api/widget/config")


async def test_blocked_storage_does_not_stop_it(page: Page, site: Site, scripted: Scripted) -> None:
    inner = document(embed(scripted.url)).replace('"', "&quot;")
    frame = f'<iframe sandbox="allow-scripts" width="900" height="780" srcdoc="{inner}"></iframe>'
    await page.goto(site.put("/", document(frame)))
    inside = page.frame_locator("iframe")
    await inside.get_by_role("button", name="Discuter avec nous").click()
    await expect(inside.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(inside.get_by_role("dialog")).to_be_hidden()


# Strict pages


NONCE = "script-src 'nonce-abc' 'strict-dynamic'"


@pytest.mark.parametrize(
    "script_src", ["script-src HOST", NONCE, f"{NONCE}; require-trusted-types-for 'script'"]
)
async def test_a_strict_page_needs_to_allow_two_things(
    page: Page, site: Site, scripted: Scripted, complaints: list[str], script_src: str
) -> None:
    policy = f"default-src 'none'; {script_src}; connect-src HOST; base-uri 'none'"
    header = {"content-security-policy": policy.replace("HOST", scripted.url)}
    script = embed(scripted.url).replace("<script", '<script nonce="abc"')
    await page.goto(site.put("/", document(script), header))
    face = await launcher(page).evaluate(FACE)
    assert face["backgroundColor"] == LADYBIRD
    await opened(page)
    scripted.say("Avec **plaisir**.")
    await page.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("plaisir").first).to_be_visible()
    assert [said for said in complaints if "favicon" not in said] == []


# Single-page applications


async def swap(page: Page, script: str) -> None:
    """Let the page change itself, and wait until everybody noticed."""
    await page.evaluate(f"async () => {{ {script}; await new Promise(requestAnimationFrame); }}")


@pytest.mark.parametrize(
    "script",
    [
        "document.body.innerHTML = '<p>Une autre page</p>'",
        "document.body.replaceChildren()",
        "while (document.body.firstChild) document.body.firstChild.remove()",
        "document.body.replaceWith(document.createElement('body'))",
        "document.body = document.body.cloneNode(true)",
        "document.body.remove(); await 0; document.documentElement.append("
        "document.createElement('body'))",
        "document.documentElement.replaceWith(document.documentElement.cloneNode(true))",
    ],
)
async def test_a_new_page_in_the_same_document_keeps_the_launcher_and_the_conversation(
    page: Page, site: Site, scripted: Scripted, script: str
) -> None:
    await visit(page, site, scripted)
    await opened(page)
    await page.get_by_role("textbox").fill("Un brouillon")
    await swap(page, script)
    assert await page.locator("coccinelle-widget").count() == 1
    await expect(page.get_by_role("textbox")).to_have_value("Un brouillon")
    await launcher(page).click()
    await expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize(
    "script",
    [
        "document.querySelector('coccinelle-widget').remove()",
        "document.querySelector('main').remove(); Coccinelle.remove()",
        "document.body.removeChild(document.querySelector('coccinelle-widget'))",
    ],
)
async def test_removed_on_purpose_it_stops_everything_and_stays_away(
    page: Page, site: Site, scripted: Scripted, script: str
) -> None:
    await visit(page, site, scripted)
    await opened(page)
    gate = Gate()
    scripted.say(before=[gate])
    await page.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await gate.reached.wait()
    await swap(page, script)
    assert await page.locator("coccinelle-widget").count() == 0
    await swap(page, "document.body.innerHTML = ''")
    assert await page.locator("coccinelle-widget").count() == 0
    await no_stream_is_left(page, scripted)


async def test_removed_while_it_loads_it_leaves_nothing_behind(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    gate = Gate()
    scripted.script(".js", gate)
    await launcher(page).click()
    await gate.reached.wait()
    await swap(page, "window.kept = document.querySelector('coccinelle-widget'); kept.remove()")
    gate.open()
    await page.wait_for_timeout(300)
    await swap(page, "document.body.append(kept)")
    await opened(page)
    assert await page.locator("[role=dialog]").count() == 1


async def test_added_again_it_works_again(page: Page, site: Site, scripted: Scripted) -> None:
    await visit(page, site, scripted)
    await opened(page)
    await page.keyboard.press("Escape")
    widget = "document.querySelector('coccinelle-widget')"
    await swap(page, f"window.kept = {widget}; kept.remove()")
    await swap(page, "document.body.append(kept)")
    await opened(page)
    await page.get_by_role("textbox").fill("Bonjour")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Voici la réponse").first).to_be_visible()


async def test_included_again_after_it_was_removed_it_is_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await swap(page, "Coccinelle.remove()")
    await page.evaluate(
        """(src) => {
          const script = document.createElement("script");
          script.dataset.key = "pk_x";
          script.src = src;
          document.body.append(script);
        }""",
        f"{scripted.url}/widget.js",
    )
    await opened(page)
