"""The widget in a real browser: its size, how soon it can be used, how soon a token is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tests.browser import chromium
from tests.browser.scripted import Event, Part, Pause, Scripted, answer, delta, open_scripted, uid
from tests.browser.site import Site, embed, open_site

from benchmarks.results import Figure, Section, median, percentile
from coccinelle.channels.widget import assets

VISITS = 20
SLOW_VISITS = 3
MESSAGES = 15
GIVE_UP_SECONDS = 60
LONG_ANSWER = " ".join(f"**Étape {n}** : ouvrez la page des réglages." for n in range(100))[:4000]
FIRST_WORD = "Premier"
# Chrome's own preset of the name: 400 ms there and back, 400 kbit/s, and what protocols cost.
SLOW_3G = {"offline": False, "latency": 400, "downloadThroughput": 51_200}
SLOW_3G["uploadThroughput"] = SLOW_3G["downloadThroughput"]

# Notes when the first token has arrived, when it is painted, and every long task.
WATCH = """
window.seen = { tasks: [] };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
const painted = (then) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => then(performance.now());
  port2.postMessage(0);
});
const plainFetch = window.fetch;
window.fetch = async (...args) => {
  const response = await plainFetch(...args);
  if (!String(args[0]?.url ?? args[0]).endsWith("/api/chat")) return response;
  const decoder = new TextDecoder();
  const noted = response.body.pipeThrough(new TransformStream({
    transform(chunk, controller) {
      if (!seen.arrived && decoder.decode(chunk).includes("event: delta")) {
        seen.arrived = performance.now();
      }
      controller.enqueue(chunk);
    },
  }));
  return new Response(noted, response);
};
window.watchFor = (word) => {
  Object.assign(seen, { arrived: 0, painted: 0 });
  const shadows = document.querySelector("coccinelle-widget").shadowRoot.querySelectorAll("*");
  const root = [...shadows].find((element) => element.shadowRoot).shadowRoot;
  const observer = new MutationObserver(() => {
    if (seen.found || !root.querySelector(".log").textContent.includes(word)) return;
    seen.found = true;
    observer.disconnect();
    painted((at) => { seen.painted = at; });
  });
  seen.found = false;
  observer.observe(root, { subtree: true, childList: true, characterData: true });
};
window.openAndType = () => new Promise((resolve) => {
  const root = document.querySelector("coccinelle-widget").shadowRoot;
  const began = performance.now();
  const look = () => {
    let field = document.activeElement;
    while (field?.shadowRoot) field = field.shadowRoot.activeElement;
    if (field?.tagName === "TEXTAREA" && !field.disabled) {
      painted((at) => resolve(at - began));
    } else requestAnimationFrame(look);
  };
  root.querySelector("button").click();
  look();
});
"""


@dataclass(frozen=True)
class Ground:
    """What every measurement stands on."""

    browser: Browser
    scripted: Scripted
    site: Site


def run() -> list[Section]:
    """Sizes as sent, then times in Chromium against a server that answers at once."""
    return [Section("The widget", [*_sizes(), *asyncio.run(_times())], NOTES)]


NOTES = """\
Sizes are of the files as they are sent, compressed by gzip. Opening is from the click until the
visitor can type (modules, configuration, disclosure, paint), in a fresh profile with empty caches.
A token is seen when the frame that shows it has been painted; it has arrived when the page's
`fetch` hands over the bytes. Slow 3G is Chrome's preset (400 ms, 400 kbit/s)."""


def _sizes() -> list[Figure]:
    served = assets.read_assets()
    assert served.launcher is not None
    launcher = len(served.launcher.gzipped)
    modules = sum(len(f.gzipped) for name, f in served.files.items() if name.endswith(".js"))
    return [
        Figure("before it is opened", "<= 6 kB", f"{launcher:,} bytes", "1", launcher <= 6144),
        Figure(
            "in all, once opened",
            "<= 30 kB",
            f"{launcher + modules:,} bytes",
            "1",
            launcher + modules <= 30720,
        ),
    ]


async def _times() -> list[Figure]:
    async with async_playwright() as playwright, open_scripted() as scripted, open_site() as site:
        path = chromium.found(playwright)
        if path is None:
            raise SystemExit(chromium.MISSING)
        browser = await chromium.launch(playwright, path)
        ground = Ground(browser, scripted, site)
        site.put("/", f"<!doctype html><html lang=fr><body><h1>Salon</h1>{embed(scripted.url)}")
        found = [
            _figure("from the click until one can type", await _openings(ground, VISITS)),
            _figure("the same, slow 3G", await _openings(ground, SLOW_VISITS, slow=True)),
            *[await _token(ground, slowdown) for slowdown in (1, 4)],
            *[await _long_tasks(ground, slowdown) for slowdown in (1, 4)],
        ]
        await browser.close()
        return found


def _figure(what: str, times_ms: Sequence[float]) -> Figure:
    measured = f"p50 {median(times_ms):.0f} ms, p95 {percentile(times_ms, 0.95):.0f} ms"
    return Figure(what, "none", measured, str(len(times_ms)))


async def _openings(ground: Ground, visits: int, *, slow: bool = False) -> list[float]:
    times_ms = []
    for _ in range(visits):
        async with _visit(ground) as page:
            if slow:
                session = await page.context.new_cdp_session(page)
                await session.send("Network.emulateNetworkConditions", SLOW_3G)
            times_ms.append(await _open(page))
    return times_ms


async def _token(ground: Ground, slowdown: int) -> Figure:
    """From the arrival of the first token until it is on the screen."""
    times_ms = []
    async with _visit(ground, slowdown) as page:
        await _open(page)
        for number in range(MESSAGES):
            word = f"{FIRST_WORD}{number}"
            ground.scripted.stream(*_streamed(f"{word} mot, puis la suite.", gap_seconds=0.03))
            await page.evaluate("watchFor", word)
            await _say(page, f"Question {number} ?")
            await page.wait_for_function("seen.painted > 0 && seen.arrived > 0")
            times_ms.append(await page.evaluate("seen.painted - seen.arrived"))
            await page.wait_for_timeout(300)
    p95 = percentile(times_ms, 0.95)
    measured = f"p50 {median(times_ms):.1f} ms, p95 {p95:.1f} ms"
    what = "from the arrival of the first token until it is painted"
    if slowdown > 1:
        return Figure(f"{what}, {slowdown} times slower CPU", "none", measured, str(len(times_ms)))
    return Figure(what, "<= 30 ms", measured, str(len(times_ms)), p95 <= 30)


async def _long_tasks(ground: Ground, slowdown: int) -> Figure:
    async with _visit(ground, slowdown) as page:
        await _open(page)
        ground.scripted.stream(*_streamed(LONG_ANSWER, gap_seconds=0.005))
        await _say(page, "Racontez-moi tout.")
        await page.get_by_role("button", name="Copier").first.wait_for()
        tasks_ms: list[float] = await page.evaluate("seen.tasks")
    longest_ms = max(tasks_ms, default=0)
    measured = f"{longest_ms:.0f} ms" if tasks_ms else "none over 50 ms"
    what = "longest task while loading, opening and streaming 4,000 characters"
    if slowdown > 1:
        return Figure(f"{what}, {slowdown} times slower CPU", "none", measured, "1")
    return Figure(what, "<= 50 ms", measured, "1", longest_ms <= 50)


@asynccontextmanager
async def _visit(ground: Ground, slowdown: int = 1) -> AsyncIterator[Page]:
    """A fresh profile on the site's page, with the launcher drawn."""
    ground.scripted.reset()
    context: BrowserContext = await ground.browser.new_context(locale="fr-FR")
    await context.add_init_script(WATCH)
    page = await context.new_page()
    if slowdown > 1:
        session = await context.new_cdp_session(page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    await page.goto(ground.site.url + "/")
    await page.locator("coccinelle-widget button").first.wait_for()
    yield page
    await context.close()


async def _open(page: Page) -> float:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        found: float = await page.evaluate("openAndType()")
    return found


async def _say(page: Page, text: str) -> None:
    field = page.get_by_role("textbox").first
    await field.fill(text)
    await field.press("Enter")


def _streamed(text: str, *, gap_seconds: float) -> list[Part]:
    done = answer(text)
    parts: list[Part] = [Event("turn", {"turn_id": uid()}), Event("agent", AGENT)]
    for start in range(0, len(text), 12):
        parts += [delta(text[start : start + 12]), Pause(gap_seconds)]
    return [*parts, Event("done", done)]


AGENT = {"agent": "audrey", "name": "Audrey", "confidence": 0.93}
