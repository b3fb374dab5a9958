"""What models, sources and strangers write is data: nothing of it runs, nor is fetched."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.scripted import Event, Scripted, answer, delta, uid
from tests.browser.site import Canary, Site, document, embed, opened

RUN = "window.__pwn=1"
XSS = [
    f"<script>{RUN}</script>",
    f"<SCRIPT>{RUN}</SCRIPT>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'//",
    f'<img src="x" onerror="{RUN}">',
    f"<IMG SRC=x OnErRoR={RUN}>",
    f"<img/src=x/onerror={RUN}>",
    f"<img src=x\nonerror={RUN}>",
    f'<img """><script>{RUN}</script>">',
    f"<svg onload={RUN}>",
    f"<svg/onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg><a xlink:href='javascript:{RUN}'><text y=20>x</text></a></svg>",
    f"<math><maction actiontype=statusline xlink:href='javascript:{RUN}'>x</maction></math>",
    f"<body onload={RUN}>",
    f"<iframe src='javascript:{RUN}'></iframe>",
    f"<iframe srcdoc='<script>parent.{RUN[7:]}</script>'></iframe>",
    f"<object data='javascript:{RUN}'></object>",
    f"<embed src='javascript:{RUN}'>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>",
    f"<select autofocus onfocus={RUN}></select>",
    f"<textarea autofocus onfocus={RUN}></textarea>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}></audio>",
    f"<marquee onstart={RUN}>x</marquee>",
    f"<div onmouseover={RUN}>survolez</div>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"<a href='jAvAsCrIpT:{RUN}'>x</a>",
    f"<a href='java\nscript:{RUN}'>x</a>",
    f"<a href='&#106;avascript:{RUN}'>x</a>",
    f"<form action='javascript:{RUN}'><button>x</button></form>",
    f"<button formaction='javascript:{RUN}'>x</button>",
    f"<base href='javascript:{RUN}//'>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    f"<link rel=stylesheet href='javascript:{RUN}'>",
    "<style>@import 'javascript:1';*{display:none!important}</style>",
    f"<style onload={RUN}></style>",
    f"<template><script>{RUN}</script></template><x onfocus={RUN} tabindex=0 autofocus>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"</textarea><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"--><script>{RUN}</script><!--",
    f"\"><script>{RUN}</script>",
    f"'\"/onfocus={RUN} autofocus x='",
    f"`${{{RUN}}}`",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"javascript:{RUN}",
    f"[x](javascript:{RUN})",
    f"[x](  jAvAsCrIpT:{RUN})",
    "[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cuX19wd249MTwvc2NyaXB0Pg==)",
    f"[x](https://agence-des-copines.example/\"onmouseover=\"{RUN})",
    f"![x](x\"onerror=\"{RUN})",
    f"[<img src=x onerror={RUN}>](https://agence-des-copines.example/)",
    f"```html\n<img src=x onerror={RUN}>\n```",
    f"`<img src=x onerror={RUN}>`",
    f"**<svg onload={RUN}>**\n- <img src=x onerror={RUN}>\n> <script>{RUN}</script>",
    f"<coccinelle-widget user='{{}}' onclick={RUN}></coccinelle-widget>",
]  # fmt: skip
LEAKS = [
    "![x]({url}/?d=secret)",
    "![]({url}/p.png)",
    "![x]({tls}/?d=secret)",
    "![x][1]\n\n[1]: {url}/r.png",
    "[![x]({url}/nested.png)](https://agence-des-copines.example/)",
    "[un lien]({url}/?d=secret)",
    "[un lien]({tls}/?d=secret)",
    "<{url}/auto?d=secret>",
    "<{tls}/auto?d=secret>",
    "{url}/bare?d=secret",
    "{tls}/bare?d=secret",
    "//{host}/relative?d=secret",
    "<img src={url}/img>",
    "<img srcset='{url}/srcset 1x'>",
    "<picture><source srcset={url}/picture><img></picture>",
    "<video poster={url}/poster src={url}/video autoplay></video>",
    "<audio src={url}/audio autoplay></audio>",
    "<link rel=stylesheet href={url}/css>",
    "<link rel=prefetch href={url}/prefetch>",
    "<link rel=dns-prefetch href=//{host}>",
    "<link rel=preconnect href={url}>",
    "<script src={url}/script></script>",
    "<iframe src={url}/iframe></iframe>",
    "<object data={url}/object></object>",
    "<embed src={url}/embed>",
    "<style>@import '{url}/import';</style>",
    "<div style='background:url({url}/background)'>x</div>",
    "<svg><image href={url}/svg /><use href={url}/use#x /></svg>",
    "<meta http-equiv=refresh content='0;url={url}/refresh'>",
    "<form action={url}/form><input autofocus></form><body background={url}/body>",
    "<a href={url}/ping ping={url}/ping>x</a>",
    "```css\nurl({url}/fence)\n```",
]
ALLOWED = {"section", "header", "footer", "div", "span", "h2", "h3", "p", "ol", "ul", "li",
           "blockquote", "strong", "em", "code", "pre", "sup", "br", "a", "button", "svg", "path",
           "i", "small", "time", "form", "label", "input", "textarea"}  # fmt: skip
ROOTS = """const roots = [document];
  for (const root of roots) {
    for (const one of root.querySelectorAll("*")) if (one.shadowRoot) roots.push(one.shadowRoot);
  }
  const all = roots.at(-1).querySelectorAll("*");"""
PROVOKE = f"""() => {{
  {ROOTS}
  for (const one of all) {{
    for (const name of ["mouseover", "mouseenter", "error", "load", "toggle", "animationstart"]) {{
      one.dispatchEvent(new Event(name));
    }}
    if (one.localName === "a") one.focus();
  }}
}}"""
DRAWN = f"() => {{ {ROOTS} return [...new Set([...all].map((one) => one.localName))]; }}"
ATTRIBUTES = f"""() => {{
  {ROOTS}
  return [...all].flatMap((one) => one.getAttributeNames())
    .filter((name) => name.startsWith("on") || ["src", "srcset", "ping"].includes(name));
}}"""
LINKS = f"() => {{ {ROOTS} return [...all].map((one) => one.href).filter(Boolean); }}"


def carriers(canary: Canary) -> list[str]:
    """Everything, aimed at the canary."""
    host = canary.url.removeprefix("http://")
    return XSS + [leak.format(url=canary.url, tls=f"https://{host}", host=host) for leak in LEAKS]


def watch(page: Page) -> list[str]:
    """The dialogs and windows that a page opens by itself."""
    seen: list[str] = []
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    page.on("popup", lambda popup: seen.append(popup.url))
    return seen


async def harmless(page: Page, canary: Canary, seen: list[str]) -> None:
    """Nothing ran, nothing was fetched, nothing was drawn that is not ours."""
    await page.evaluate(PROVOKE)
    await page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 300))")
    assert await page.evaluate("window.__pwn") is None
    assert canary.hits == []
    assert seen == []
    assert set(await page.evaluate(DRAWN)) <= ALLOWED
    assert await page.evaluate(ATTRIBUTES) == []


async def visit(page: Page, site: Site, scripted: Scripted, **data: Any) -> None:
    await page.goto(site.put("/", document("", head=embed(scripted.url, **data))))
    await opened(page)


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.get_by_role("textbox").press("Enter")


def copies(page: Page) -> Locator:
    return page.get_by_role("button", name="Copier la réponse")


async def test_the_payloads_are_live_where_markup_is_believed(
    page: Page, site: Site, canary: Canary
) -> None:
    """If this fails, the other tests of this file prove nothing."""
    await page.goto(site.put("/", document("<div></div>")))
    ran = 0
    for payload in carriers(canary):
        await page.evaluate("(t) => { document.querySelector('div').innerHTML = t; }", payload)
        await page.wait_for_timeout(20)
        ran += await page.evaluate(
            "() => { const ran = window.__pwn; delete window.__pwn; return ran ?? 0; }"
        )
    assert ran >= 10
    assert len(canary.hits) >= 8
    assert len(XSS) >= 60
    assert len(LEAKS) >= 30


async def test_answers_and_what_visitors_write_are_text(
    page: Page, site: Site, scripted: Scripted, canary: Canary
) -> None:
    seen = watch(page)
    scripted.config["link_hosts"].append(canary.url.removeprefix("http://"))
    every = carriers(canary)
    for start in range(0, len(every), 10):
        text = "\n\n".join(every[start : start + 10])
        done = answer(text, turn_id=uid())
        pieces = [delta(text[at : at + 7]) for at in range(0, len(text), 7)]
        scripted.stream(Event("turn", {"turn_id": done["turn_id"]}), *pieces, Event("done", done))
    await visit(page, site, scripted)
    for start in range(0, len(every), 10):
        await say(page, "\n\n".join(every[start : start + 10])[:2000])
        await expect(copies(page)).to_have_count(start // 10 + 1)
    await harmless(page, canary, seen)
    text = await page.get_by_role("region", name="Messages").inner_text()
    assert f"<img src=x onerror={RUN}>" in text
    assert f"[x](javascript:{RUN})" in text
    links = await page.evaluate(LINKS)
    assert links
    assert all(link.startswith("https://") for link in links)


async def test_histories_titles_addresses_and_names_are_text(
    page: Page, site: Site, scripted: Scripted, canary: Canary
) -> None:
    seen = watch(page)
    every = carriers(canary)
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(copies(page)).to_have_count(1)
    conversation = scripted.asked("/api/chat")[0].body["conversation_id"]
    for payload in every:
        sources = [{"title": payload, "url": payload, "score": 1}]
        sources.append({"title": payload, "url": f"javascript:{RUN}", "score": 1})
        said = {"turn_id": uid(), "agent": payload, "name": payload, "sources": sources}
        scripted.remember(conversation, "customer", payload)
        scripted.remember(conversation, "agent", payload, **said, outcome=payload)
        scripted.remember(conversation, "person", payload, name=payload)
    await page.reload()
    await expect(copies(page)).not_to_have_count(0)
    log = page.get_by_role("region", name="Messages")
    for _ in range(3 * len(every) // 30 + 1):
        await log.evaluate("e => { e.scrollTop = 0; }")
        await page.wait_for_timeout(60)
    await expect(copies(page)).to_have_count(len(every) + 1)
    await harmless(page, canary, seen)
    assert all(link.startswith("https://") for link in await page.evaluate(LINKS))


async def test_what_a_business_is_called_and_says_is_text(
    page: Page, site: Site, scripted: Scripted, canary: Canary
) -> None:
    seen = watch(page)
    everything = "\n".join(carriers(canary))
    scripted.config.update(
        company=everything,
        greeting=everything,
        disclosure=everything,
        reply_promise=everything,
        agent={"key": everything, "name": everything},
        color=f"red;}} * {{ background: url({canary.url}/colour) }} x {{",
        position=f'left" onclick="{RUN}',
        link_hosts=[canary.url.removeprefix("http://"), everything, None, 7],
    )
    scripted.say("Bonjour.", name=everything, handoff=True)
    await visit(page, site, scripted, user={"id": everything, "email": everything})
    await say(page, "Bonjour")
    await expect(copies(page)).to_have_count(1)
    await page.get_by_role("button", name="Parler à une personne").click()
    await expect(page.get_by_role("form")).to_be_visible()
    await harmless(page, canary, seen)


async def test_what_errors_say_is_text(
    page: Page, site: Site, scripted: Scripted, canary: Canary
) -> None:
    seen = watch(page)
    everything = "\n".join(carriers(canary))
    scripted.refuse(503, "answer_failed", everything)
    scripted.refuse(503, everything, everything)
    await visit(page, site, scripted)
    await say(page, "Un")
    await expect(page.get_by_role("button", name="Réessayer")).to_have_count(1)
    await say(page, "Deux")
    await expect(page.get_by_role("button", name="Réessayer")).to_have_count(2)
    scripted.refuse(422, everything, everything, path="/handoff")
    await harmless(page, canary, seen)


async def test_a_name_never_hides_where_a_link_leads(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say(
        "[https://banque.example](https://agence-des-copines.example/piege)"
        " [ma banque](https://agence-des-copines.example/x)"
    )
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(copies(page)).to_have_count(1)
    links = await page.locator(".words a").all()
    assert [await link.inner_text() for link in links] == [
        "https://agence-des-copines.example/piege",
        "https://agence-des-copines.example/x",
    ]


async def test_nobody_is_listened_to_by_post_message(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.add_init_script(
        """window.listened = [];
        const add = EventTarget.prototype.addEventListener;
        EventTarget.prototype.addEventListener = function (name, ...rest) {
          if (name === "message" && (this === window || this === document)) listened.push(name);
          return add.call(this, name, ...rest);
        };"""
    )
    site.put(
        "/frame",
        "<script>for (const said of ['open', {type: 'coccinelle:send', text: 'Bonjour'},"
        " {method: 'send', args: ['Bonjour']}, {event: 'close'}, JSON.stringify({type: 'open'})])"
        " for (const to of [parent, top]) to.postMessage(said, '*')</script>",
    )
    page_html = document('<iframe src="/frame"></iframe>', head=embed(scripted.url))
    await page.goto(site.put("/", page_html))
    await page.get_by_role("button", name="Discuter avec nous").wait_for()
    await page.evaluate("() => postMessage({type: 'coccinelle:open'}, '*')")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await opened(page)
    await expect(page.get_by_role("textbox")).to_be_enabled()
    asked = len(scripted.requests)
    await page.evaluate("() => { document.querySelector('iframe').src = '/frame?2'; }")
    await page.evaluate("() => { for (const said of ['close', {type: 'send', text: 'x'}])"
                        " postMessage(said, '*'); }")  # fmt: skip
    await page.wait_for_timeout(300)
    assert await page.evaluate("listened") == []
    assert len(scripted.requests) == asked
    await expect(page.get_by_role("dialog")).to_be_visible()
