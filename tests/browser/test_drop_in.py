"""A page of the replaced system talks to `/webhook/chat` as it always did."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import House
from tests.browser.site import Site, document

QUESTION = "Comment automatiser mes emails de bienvenue ?"
MOST_MESSAGES = 10  # of a conversation in a minute

# What such a page has: its own form and log, and an address that was all there was to change.
OLD_PAGE = """
<form>
  <label>Message <input name="message" autocomplete="off"></label>
  <button>Envoyer</button>
</form>
<div role="log"></div>
<script>
  const endpoint = "%s/webhook/chat";
  const conversationId = "conv_" + Date.now() + "_" + Math.random().toString(36).slice(2, 11);
  const userId = "user_" + Math.random().toString(36).slice(2, 11);
  const log = document.querySelector("[role=log]");
  const show = (className, text) => {
    const line = document.createElement("p");
    line.className = className;
    line.textContent = text;
    log.append(line);
  };
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = event.target.elements.message;
    const message = field.value;
    field.value = "";
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        conversationId, userId, message, timestamp: new Date().toISOString(),
      }),
    });
    const data = await response.json();
    if (response.ok) {
      document.title = [data.agentType, data.conversationId === conversationId].join();
      show("bot", data.response);
    } else {
      document.title = [data.type, response.headers.get("Retry-After")].join();
      show("error", data.error);
    }
  });
</script>
"""


async def visit(page: Page, site: Site, house: House) -> None:
    await page.goto(site.put("/ancien", document(OLD_PAGE % house.url_of(house.rivoli))))


async def say(page: Page, text: str) -> None:
    lines = page.get_by_role("log").locator("p")
    before = await lines.count()
    await page.get_by_label("Message").fill(text)
    await page.get_by_role("button", name="Envoyer").click()
    await expect(lines).to_have_count(before + 1)


async def test_an_old_page_gets_its_answer_from_the_business_that_owns_the_host_name(
    page: Page, site: Site, house: House
) -> None:
    await visit(page, site, house)
    await say(page, QUESTION)
    await expect(page.locator(".bot")).to_contain_text(house.rivoli.canary)
    assert await page.title() == "automation,true"


async def test_an_old_page_shows_the_french_sentence_when_it_sends_too_much(
    page: Page, site: Site, house: House
) -> None:
    await visit(page, site, house)
    for number in range(MOST_MESSAGES):
        await say(page, f"Bonjour {number}")
    await expect(page.locator(".bot")).to_have_count(MOST_MESSAGES)
    await say(page, "Et encore une")
    await expect(page.locator(".error")).to_have_text(
        "Trop de messages envoyés. Attendez quelques instants."
    )
    assert await page.title() == "RATE_LIMIT,60"


async def test_a_page_that_the_business_does_not_list_is_not_answered(
    page: Page, site: Site, house: House, uncaught: list[str]
) -> None:
    site.put("/ancien", document(OLD_PAGE % house.url_of(house.rivoli)))
    await page.goto(site.url.replace("127.0.0.1", "localhost") + "/ancien")
    async with page.expect_event("pageerror"):
        await page.get_by_label("Message").fill(QUESTION)
        await page.get_by_role("button", name="Envoyer").click()
    assert uncaught == ["Failed to fetch"]
    uncaught.clear()
