"""A conversation across reloads and tabs, and where nothing can be stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import House
from tests.browser.headless import Talk, module, set_up, talk
from tests.browser.scripted import Gate, Scripted
from tests.browser.site import Site, document

QUESTION = "Comment automatiser mes emails de bienvenue ?"
OTHER = "Comment créer un reel viral sur Instagram ?"
STORED = "coccinelle:pk_x"


async def conversation_of(visitor: Talk) -> str:
    found: str = await visitor.run("() => chat.conversation.conversationId")
    return found


async def history(visitor: Talk) -> list[str]:
    found: list[str] = await visitor.run(
        "() => chat.history().then((items) => items.map((item) => item.text))"
    )
    return found


async def stored(visitor: Talk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await visitor.run("(k) => localStorage.getItem(k)", STORED))
    return found


async def store(visitor: Talk, value: str) -> None:
    await visitor.run("([k, v]) => localStorage.setItem(k, v)", [STORED, value])


async def test_a_reload_shows_the_conversation_from_the_server(
    context: BrowserContext, site: Site, house: House
) -> None:
    key = house.rivoli.public_key
    visitor = await talk(context, site, house.url, key=key)
    said = (await visitor.ask(QUESTION)).shown
    conversation = await conversation_of(visitor)
    await visitor.page.reload()
    again = await set_up(visitor.page, site, house.url, key=key)
    assert await history(again) == [QUESTION, said]
    assert await conversation_of(again) == conversation
    assert (await again.ask(OTHER)).kinds[-1] == "done"
    assert len(await history(again)) == 4


async def test_nothing_is_stored_before_the_visitor_begins(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.run("() => chat.config()")
    await visitor.run("() => chat.identify({id: 'lea', hmac: 'ab'})")
    looked = await visitor.run(
        "() => [chat.conversation, localStorage.length, sessionStorage.length, document.cookie]"
    )
    assert looked == [None, 0, 0, ""]
    begun = await visitor.run("() => chat.begin()")
    assert begun == await visitor.run("() => chat.begin()")
    kept = await stored(visitor)
    assert begun == {name: kept[name] for name in ("userId", "conversationId")}
    assert await visitor.run("() => Object.keys(localStorage)") == [STORED]
    assert len(scripted.requests) == 1


async def test_a_conversation_that_never_began_has_no_history(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    assert await history(visitor) == []
    assert scripted.requests == []


@pytest.mark.parametrize("status", [401, 404])
async def test_a_conversation_that_the_server_does_not_know_has_no_history(
    context: BrowserContext, site: Site, scripted: Scripted, status: int
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    scripted.refuse(status, "gone", path="/messages")
    assert await history(visitor) == []


async def test_a_history_that_cannot_be_read_is_an_error(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    scripted.refuse(503, "database_unavailable", "Un instant.", retry_after=3, path="/messages")
    tried = await visitor.run("() => trying(() => chat.history())")
    assert tried["error"]["code"] == "database_unavailable"
    assert tried["error"]["retryAfterSeconds"] == 3


async def test_a_long_history_is_read_to_its_end(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    conversation = await conversation_of(visitor)
    added = [f"Message {number}" for number in range(450)]
    for text in added:
        scripted.remember(conversation, "customer", text)
    assert (await history(visitor))[2:] == added
    asked = scripted.asked("/messages")
    assert [request.query.get("cursor") for request in asked] == [None, "200", "400"]
    assert {request.query["limit"] for request in asked} == {"200"}


async def test_two_tabs_show_one_conversation(
    context: BrowserContext, site: Site, house: House
) -> None:
    key = house.rivoli.public_key
    first = await talk(context, site, house.url, key=key)
    said = (await first.ask(QUESTION)).shown
    second = await talk(context, site, house.url, key=key)
    assert await history(second) == [QUESTION, said]
    other = (await second.ask(OTHER)).shown
    await first.until("changes.includes('message')")
    assert await history(first) == [QUESTION, said, OTHER, other]
    assert await conversation_of(first) == await conversation_of(second)


async def test_what_one_tab_writes_the_other_is_told(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    second = await talk(context, site, scripted.url)
    for visitor in (first, second):
        await visitor.run("() => chat.begin()")
    gate = Gate()
    scripted.say("Voilà.", before=[gate])
    await first.start(QUESTION)
    await gate.reached.wait()
    await second.until("changes.length === 1")
    gate.open()
    await first.ended()
    await second.until("changes.length === 2")
    assert await second.run("() => changes") == ["message", "message"]
    assert await first.run("() => changes") == []
    assert await history(second) == [QUESTION, "Voilà."]


async def test_a_closed_transport_is_told_nothing(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    second = await talk(context, site, scripted.url)
    third = await talk(context, site, scripted.url)
    for visitor in (first, second, third):
        await visitor.run("() => chat.begin()")
    await second.run("() => chat.close()")
    await first.ask(QUESTION)
    await first.run("() => chat.reset()")
    await third.until("changes.includes('conversation')")
    assert await second.run("() => changes") == []


async def test_a_token_that_another_tab_renewed_is_used(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    await first.ask(QUESTION)
    second = await talk(context, site, scripted.url)
    await second.ask(OTHER)
    renewed = (await stored(second))["token"]
    await first.ask(QUESTION)
    assert scripted.requests[-1].headers["x-visitor-token"] == renewed
    assert (await stored(first))["token"] != renewed


async def test_tabs_that_begin_at_once_end_with_the_same_conversation(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    second = await talk(context, site, scripted.url)
    await first.run("() => chat.begin()")
    # The second one did not see yet what the first one stored.
    await first.run("() => localStorage.clear()")
    await second.until("localStorage.length === 0")
    await second.run("() => chat.begin()")
    await first.until("changes.includes('conversation')")
    assert await first.run("() => chat.conversation") == await second.run("() => chat.conversation")
    assert await second.run("() => changes") == []


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_tab_where_something_was_said_keeps_its_conversation(
    context: BrowserContext, site: Site, scripted: Scripted, is_answered: bool
) -> None:
    first = await talk(context, site, scripted.url)
    second = await talk(context, site, scripted.url)
    gate = Gate()
    if is_answered:
        await first.ask(QUESTION)
    else:
        scripted.script("/api/chat", gate)
        await first.start(QUESTION)
        await gate.reached.wait()
    mine = await conversation_of(first)
    await first.run("() => localStorage.clear()")
    await second.until("localStorage.length === 0")
    await second.run("() => chat.begin()")
    gate.open()
    await first.ended()
    await second.until("changes.includes('conversation')")
    assert await conversation_of(first) == await conversation_of(second) == mine
    assert (await stored(second))["conversationId"] == mine
    assert "conversation" not in await first.run("() => changes")


async def test_first_messages_of_two_tabs_at_once_are_one_conversation(
    context: BrowserContext, site: Site, house: House
) -> None:
    key = house.rivoli.public_key
    first = await talk(context, site, house.url, key=key)
    second = await talk(context, site, house.url, key=key)
    await first.run("() => chat.begin()")
    await second.run("() => chat.begin()")
    turns = await asyncio.gather(first.ask(QUESTION), second.ask(OTHER))
    assert [turn.kinds[-1] for turn in turns] == ["done", "done"]
    assert await conversation_of(first) == await conversation_of(second)
    assert await history(first) == await history(second)
    assert {QUESTION, OTHER} <= set(await history(first))


async def test_a_tab_that_comes_second_uses_the_first_ones_token(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    second = await talk(context, site, scripted.url)
    gates = [Gate(), Gate()]
    for visitor, text, gate in zip((first, second), (QUESTION, OTHER), gates, strict=True):
        scripted.script("/api/chat", gate)
        await visitor.start(text)
        await gate.reached.wait()
    gates[0].open()
    await first.ended()
    scripted.refuse(401, "visitor_token_required")
    gates[1].open()
    assert (await second.ended()).kinds[-1] == "done"
    opened, refused, again = scripted.asked("/api/chat")
    assert again.body["conversation_id"] == opened.body["conversation_id"]
    assert again.body == refused.body
    assert "x-visitor-token" not in refused.headers
    assert again.headers["x-visitor-token"]
    assert "conversation" not in await second.run("() => changes")


async def test_a_reset_counts_in_every_tab(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    await first.ask(QUESTION)
    second = await talk(context, site, scripted.url)
    await second.ask(OTHER)
    before = await first.run("() => chat.conversation")
    await first.run("() => chat.reset()")
    await second.until("changes.includes('conversation')")
    after = await second.run("() => chat.conversation")
    assert after == await first.run("() => chat.conversation")
    assert after["userId"] == before["userId"]
    assert after["conversationId"] != before["conversationId"]
    assert await history(second) == []
    assert "token" not in await stored(first)


async def test_an_answer_to_a_conversation_that_was_reset_does_not_bring_it_back(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    first = await talk(context, site, scripted.url)
    await first.ask(QUESTION)
    second = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.script("/api/chat", gate)
    number = await second.start(OTHER)
    await gate.reached.wait()
    await first.run("() => chat.reset()")
    await second.until("changes.includes('conversation')")
    gate.open()
    assert (await second.ended(number)).kinds[-1] == "done"
    now = await conversation_of(first)
    assert await conversation_of(second) == now
    assert (await stored(second))["conversationId"] == now


async def test_a_token_that_the_server_does_not_take_begins_anew(
    context: BrowserContext, site: Site, house: House
) -> None:
    key = house.rivoli.public_key
    visitor = await talk(context, site, house.url, key=key)
    await visitor.ask(QUESTION)
    before = await conversation_of(visitor)
    await visitor.run(
        """(name) => {
          const kept = JSON.parse(localStorage.getItem(name));
          localStorage.setItem(name, JSON.stringify({...kept, token: "forged"}));
        }""",
        f"coccinelle:{key}",
    )
    await visitor.page.reload()
    again = await set_up(visitor.page, site, house.url, key=key)
    assert await history(again) == []
    turn = await again.ask(OTHER)
    assert turn.kinds[-1] == "done"
    assert await again.run("() => changes") == ["conversation"]
    assert await conversation_of(again) != before
    assert await history(again) == [OTHER, turn.shown]


@pytest.mark.parametrize(
    "corrupt",
    ["", "{", "null", "7", "[]", "{}", '{"userId": "u"}', '{"userId": "u", "conversationId": 7}',
     '{"userId": "", "conversationId": ""}', '{"userId": "u", "conversationId": "é\\u0000"}',
     '{"userId": "u", "conversationId": "c", "token": "é\\n"}'],
)  # fmt: skip
async def test_what_is_corrupt_in_the_storage_is_dropped(
    context: BrowserContext, site: Site, scripted: Scripted, corrupt: str
) -> None:
    visitor = await talk(context, site, scripted.url)
    await store(visitor, corrupt)
    turn = await visitor.ask(QUESTION)
    assert turn.kinds[-1] == "done"
    kept = await stored(visitor)
    assert len(kept["conversationId"]) == 32
    assert kept["token"]


async def test_a_storage_that_is_full_is_done_without(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    full = """() => {
      const fits = (name, size) => {
        try { localStorage.setItem(name, "x".repeat(size)); return true; } catch { return false; }
      };
      let keys = 0;
      for (let size = 1 << 23; size >= 1; size >>= 1) if (fits(`k${keys}`, size)) keys += 1;
      return keys;
    }"""
    keys = await visitor.run(full)
    await visitor.ask(QUESTION)
    await visitor.ask(OTHER)
    first, second = scripted.asked("/api/chat")
    assert first.body["conversation_id"] == second.body["conversation_id"]
    assert second.headers["x-visitor-token"]
    assert len(await history(visitor)) == 4
    assert await visitor.run("() => Object.keys(localStorage).length") == keys


async def test_a_storage_that_is_blocked_is_done_without(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    page = await context.new_page()
    frame = f'<iframe sandbox="allow-scripts" src="{site.put("/inner", document(""))}"></iframe>'
    await page.goto(site.put("/", document(frame)))
    inner = page.frames[1]
    blocked = "() => { try { return !localStorage; } catch (error) { return error.name; } }"
    assert await inner.evaluate(blocked) == "SecurityError"
    said = await inner.evaluate(
        """async ([module, base]) => {
          const {Transport} = await import(module);
          const chat = new Transport({base, key: "pk_x"});
          for (const text of ["Un", "Deux"]) for await (const event of chat.send(text));
          chat.reset();
          for await (const event of chat.send("Trois"));
          return (await chat.history()).map((item) => item.text);
        }""",
        [module(site), scripted.url],
    )
    assert [text for text in said if text in ("Un", "Deux", "Trois")] == ["Trois"]
    first, second, third = scripted.asked("/api/chat")
    assert first.body["conversation_id"] == second.body["conversation_id"]
    assert first.body["conversation_id"] != third.body["conversation_id"]


async def test_a_transport_that_is_told_so_stores_nothing(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, storage="memory")
    await visitor.ask(QUESTION)
    assert len(await history(visitor)) == 2
    assert await visitor.run("() => localStorage.length") == 0
