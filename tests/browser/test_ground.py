"""What the browser tests stand on: servers that fail as told, and a browser that shows it."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import Page

from tests.browser.conftest import House
from tests.browser.scripted import Cut, Event, Gate, Scripted, answer, delta
from tests.browser.site import Canary, Site, document

ASK = """async ({base, id, after}) => {
  const headers = {"Content-Type": "application/json", "X-Coccinelle-Key": "pk_x"};
  if (after) headers["Last-Event-ID"] = after;
  const body = {user_id: "u", conversation_id: "c", message: "Bonjour", message_id: id};
  const answer = await fetch(base + "/api/chat",
    {method: "POST", headers, body: JSON.stringify(body)});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", cut = false;
  try {
    for (let part; !(part = await reader.read()).done;) text += part.value;
  } catch { cut = true; }
  return {status: answer.status, token: answer.headers.get("X-Visitor-Token"), text, cut};
}"""


async def ask(page: Page, scripted: Scripted, message: str, after: str = "") -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(
        ASK, {"base": scripted.url, "id": message, "after": after}
    )
    return found


async def test_a_cut_stream_goes_on_after_the_last_event(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.goto(site.put("/", document("")))
    scripted.stream(delta("Bon"), Cut(), delta("jour"), Event("done", answer("Bonjour")))
    first = await ask(page, scripted, "m1")
    assert first["cut"]
    assert "Bon" in first["text"]
    assert "jour" not in first["text"]
    rest = await ask(page, scripted, "m1", after="1")
    assert not rest["cut"]
    assert rest["text"].startswith('id: 2\nevent: delta\ndata: {"text": "jour"}')


async def test_a_refusal_is_readable_by_the_page(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.goto(site.put("/", document("")))
    scripted.refuse(429, "rate_limited", retry_after=7)
    assert (await ask(page, scripted, "m1"))["status"] == 429
    answered = await ask(page, scripted, "m1")
    assert answered["status"] == 200
    assert answered["token"].startswith("token.c.")


async def test_a_gate_holds_the_answer_until_it_opens(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await page.goto(site.put("/", document("")))
    gate = Gate()
    scripted.say("Bonjour", before=[gate])
    asking = page.evaluate(ASK, {"base": scripted.url, "id": "m1", "after": ""})
    asked = asyncio.ensure_future(asking)
    await gate.reached.wait()
    assert not asked.done()
    gate.open()
    assert "Bonjour" in (await asked)["text"]


async def test_an_uncaught_exception_is_noticed(
    page: Page, site: Site, uncaught: list[str]
) -> None:
    await page.goto(site.put("/", document("<script>throw new Error('oups')</script>")))
    assert [error for error in uncaught if "oups" in error]
    uncaught.clear()


async def test_the_canary_hears_a_page(page: Page, site: Site, canary: Canary) -> None:
    await page.goto(site.put("/", document(f'<img src="{canary.url}/x">')))
    assert canary.hits == ["GET /x HTTP/1.1"]


async def test_no_other_name_is_known(page: Page, site: Site) -> None:
    await page.goto(site.put("/", document("")))
    reach = "fetch('https://example.com', {mode: 'no-cors'}).then(() => 'reached', () => 'not')"
    assert await page.evaluate(reach) == "not"


async def test_the_plain_site_is_no_secure_context(page: Page, site: Site) -> None:
    site.put("/", document(""))
    await page.goto(site.plain_url + "/")
    assert not await page.evaluate("isSecureContext")


async def test_a_business_of_the_house_answers_the_site(
    page: Page, site: Site, house: House
) -> None:
    await page.goto(site.put("/", document("")))
    body = (
        '{"user_id": "u", "conversation_id": "ground",'
        ' "message": "Comment automatiser mes emails de bienvenue ?"}'
    )
    said = await page.evaluate(
        """async ([base, key, body]) => {
          const headers = {"Content-Type": "application/json", "X-Coccinelle-Key": key};
          const answer = await fetch(base + "/api/chat", {method: "POST", headers, body});
          return answer.text();
        }""",
        [house.url, house.rivoli.public_key, body],
    )
    assert house.rivoli.canary in said
