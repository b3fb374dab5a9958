"""The figures in a browser: charts drawn of their tables, on a phone, and without a script."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from playwright.async_api import Page, expect

from coccinelle.foundation.clock import now
from tests.browser.axe import findings
from tests.browser.conftest import House, Visiting
from tests.browser.test_dashboard import ON_PHONE, account_of, fits, let_in, local
from tests.insights.setting import agent, turn

PAGE = "/dashboard/insights"
INK = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] === 255) colours.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
  }
  return [...colours];
}"""
GREEN, AMBER, RED = "44,102,56", "192,122,18", "179,38,30"


async def drawn(page: Page) -> list[list[str]]:
    """The colours of each chart."""
    await expect(page.locator("canvas")).to_have_count(3)
    canvases = await page.locator("canvas").all()
    return [await canvas.evaluate(INK) for canvas in canvases]


async def test_charts_are_drawn_of_their_tables_and_read_without_them(
    house: House, visiting: Visiting, complaints: list[str]
) -> None:
    account = await account_of(house)
    async with house.running.db.tenant(account.tenant_id) as tx:
        leyna = await agent(tx, "leyna")
        for days in (0, 1, 1, 3):
            at = now() - timedelta(days=days)
            await turn(tx, at, agent_id=leyna, first_text_ms=900, cost_microeur=20_000)
        await turn(tx, now() - timedelta(days=1), "escalated", first_text_ms=2_000)
    context = await visiting(base_url=local(house), **ON_PHONE)
    await let_in(context, house, account.token)
    page = await context.new_page()
    await page.goto(f"{PAGE}?days=7")

    questions, waits, costs = await drawn(page)
    assert {GREEN, AMBER} <= {*questions}
    assert {GREEN, AMBER} <= {*waits}
    assert RED in costs
    assert await fits(page)
    await expect(page.locator("#by-agent")).to_contain_text("leyna")
    await expect(page).to_have_title("Chiffres – Coccinelle")

    first = page.locator("figure.chart").first
    over = first.locator(".u-over")
    await over.scroll_into_view_if_needed()
    box = await over.bounding_box()
    assert box
    await page.touchscreen.tap(box["x"] + box["width"] * 5.6 / 7.2, box["y"] + 20)
    await expect(first.locator(".pointed")).to_contain_text("Trouvées sans vous 2")

    await first.locator("summary").focus()
    await page.keyboard.press("Enter")
    row = first.get_by_role("row").nth(6)
    assert await row.get_by_role("cell").all_inner_texts() == ["2", "1", "0", "0"]
    assert await findings(page) == []
    await page.emulate_media(color_scheme="dark")
    async with asyncio.timeout(10):
        while GREEN in (await drawn(page))[0]:  # Until the charts are drawn anew.
            await page.evaluate("() => new Promise(requestAnimationFrame)")
    assert await findings(page) == []
    assert await fits(page)
    assert complaints == []

    plain = await visiting(base_url=local(house), java_script_enabled=False, **ON_PHONE)
    await let_in(plain, house, account.token)
    bare = await plain.new_page()
    await bare.goto(f"{PAGE}?days=7")
    await bare.locator("figure.chart summary").first.click()
    await expect(bare.get_by_role("table").first).to_be_visible()
    await bare.get_by_role("link", name="Voir chaque assistant").click()
    await expect(bare.get_by_role("heading", name="Chiffres par assistant")).to_be_visible()
