"""Nothing holds the visitor's page up: no task over 50 ms, and a long history comes in pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.browser.scripted import Event, Part, Pause, Scripted, answer, delta, uid
from tests.browser.site import Site
from tests.browser.test_panel import bubbles, say, sent, visit

LONGEST_MS = 50
PAGE = 30
AGENT = {"agent": "audrey", "name": "Audrey", "confidence": 0.93}
LONG = "Voici **ce que** nous proposons, avec la [page](https://agence-des-copines.example).\n\n"


@asynccontextmanager
async def watched(browser: Browser, page: Page) -> AsyncIterator[list[float]]:
    """Tasks of the page's main thread that were too long, in ms, once it is over.

    What counts is the time that the thread worked: others may work on this machine, too.
    """
    found: list[float] = []
    await browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    yield found
    trace = json.loads(await browser.stop_tracing())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in trace
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event.get("tdur", 0) / 1000 for event in trace if (event["pid"], event["tid"]) in mains
    ]
    assert tasks
    found.extend(worked for worked in tasks if worked > LONGEST_MS)


def streamed(text: str) -> list[Part]:
    parts: list[Part] = [Event("turn", {"turn_id": uid()}), Event("agent", AGENT)]
    for start in range(0, len(text), 12):
        parts += [delta(text[start : start + 12]), Pause(0.002)]
    return [*parts, Event("done", answer(text))]


async def long_conversation(page: Page, site: Site, scripted: Scripted, turns: int) -> None:
    """A visitor who comes back to `turns` more turns than the first."""
    await visit(page, site, scripted)
    await say(page, "Le tout début")
    await expect(page.get_by_role("button", name="Copier")).to_be_visible()
    conversation = sent(scripted)[0]["conversation_id"]
    for number in range(1, turns + 1):
        turn = uid()
        scripted.remember(conversation, "customer", f"Question {number} ?", turn_id=turn)
        scripted.remember(conversation, "agent", LONG, turn_id=turn, name="Audrey")
    await page.reload()
    await expect(page.get_by_text(f"Question {turns} ?")).to_be_in_viewport()


async def test_no_task_is_long_while_it_loads_opens_and_streams(
    browser: Browser, page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.stream(*streamed(LONG * 30))
    async with watched(browser, page) as long_tasks:
        await visit(page, site, scripted)
        await say(page, "Racontez-moi tout.")
        await expect(page.get_by_role("button", name="Copier")).to_be_visible()
    assert not long_tasks


async def test_no_task_is_long_while_two_thousand_messages_come_back(
    browser: Browser, page: Page, site: Site, scripted: Scripted
) -> None:
    await long_conversation(page, site, scripted, 1000)
    async with watched(browser, page) as long_tasks:
        await page.reload()
        await expect(page.get_by_text("Question 1000 ?")).to_be_in_viewport()
    assert not long_tasks


async def test_what_is_older_comes_when_the_reader_looks_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await long_conversation(page, site, scripted, 40)
    await expect(bubbles(page)).to_have_count(PAGE)
    log = page.get_by_role("region", name="Messages")
    first = bubbles(page).first
    await expect(first).to_contain_text("Question 26 ?")
    before = await first.element_handle()
    assert before
    await log.evaluate("e => { e.scrollTop = 0; }")
    await expect(bubbles(page)).to_have_count(2 * PAGE)
    top, seen = await log.bounding_box(), await before.bounding_box()
    assert top
    assert seen
    assert abs(seen["y"] - top["y"]) < 400
    for _ in range(2):
        await log.evaluate("e => { e.scrollTop = 0; }")
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    await expect(bubbles(page)).to_have_count(82)
    await expect(bubbles(page).first).to_contain_text("Le tout début")
    asked = await page.locator(".mine .bubble").all_inner_texts()
    assert asked[1:] == [f"Question {number} ?" for number in range(1, 41)]
    await expect(page.locator(".day")).to_have_count(1)


async def test_what_is_older_is_in_the_transcript(
    page: Page, site: Site, scripted: Scripted, tmp_path: Path
) -> None:
    await long_conversation(page, site, scripted, 40)
    await page.get_by_role("button", name="Plus d'options").click()
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Télécharger").click()
    download = await coming.value
    await download.save_as(tmp_path / "said.txt")
    text = (tmp_path / "said.txt").read_text("utf-8")
    assert all(f"Question {number} ?" in text for number in range(1, 41))
    assert "Le tout début" in text
