"""The headless transport in a real browser: whole answers over broken networks, each once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House as Running
from coccinelle.tenants import actions as tenants
from tests.browser.conftest import House
from tests.browser.headless import cabled, module, talk
from tests.browser.scripted import (
    Cut,
    Drop,
    Event,
    Gate,
    Pause,
    Raw,
    Refusal,
    Reply,
    Scripted,
    answer,
    delta,
    uid,
)
from tests.browser.site import Site
from tests.living import Business, living, move_in
from tests.scripted_llm import Say, ScriptedLLM

QUESTION = "Comment automatiser mes emails de bienvenue ?"
WORDS = ("Commencez ", "par ", "un premier ", "e-mail ✉️, ", "à l'été.")
WHOLE = "".join(WORDS)
SSE = {"content-type": "text/event-stream"}


def framed(*events: tuple[int, str, dict[str, Any]]) -> str:
    return "".join(f"id: {n}\nevent: {name}\ndata: {json.dumps(d)}\n\n" for n, name, d in events)


def words(*texts: str) -> list[Event]:
    return [delta(text) for text in texts]


async def rows_of(running: Running, business: Business, conversation: str) -> tuple[int, int]:
    """How many turns a conversation has, and how many messages of the customer."""
    async with running.db.tenant(business.id) as tx:
        turns = await tx.value(
            "SELECT count(*) FROM turns t JOIN conversations c ON c.id = t.conversation_id"
            " WHERE c.external_id = %s",
            [conversation],
        )
        said = await tx.value(
            "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            " WHERE c.external_id = %s AND m.author = 'customer'",
            [conversation],
        )
    return turns, said


def chats(scripted: Scripted) -> list[dict[str, str]]:
    """The headers of every message that was posted."""
    return [dict(request.headers) for request in scripted.asked("/api/chat")]


async def hung_up(scripted: Scripted) -> None:
    """Wait until the server noticed that nobody reads any more, which silence alone would not."""
    async with asyncio.timeout(15):
        while scripted.open_streams:  # noqa: ASYNC110  (the server notices by itself)
            await asyncio.sleep(0.01)


async def test_deltas_are_handed_over_the_moment_they_arrive(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(delta("Bon"), gate, delta("jour"), Event("done", answer("Bonjour")))
    await visitor.start("Bonjour")
    await visitor.until_event("delta")
    assert (await visitor.turn()).shown == "Bon"
    gate.open()
    assert (await visitor.ended()).shown == "Bonjour"


async def test_every_event_is_told_as_it_is_named(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    turn_id, done = uid(), answer("Oui.", handoff=True)
    scripted.stream(
        Event("turn", {"turn_id": turn_id}),
        Event("agent", {"agent": "audrey", "name": "Audrey", "confidence": 0.93}),
        Event("tool", {"name": "calendar", "state": "started"}),
        delta("Non."),
        Event("reset"),
        delta("Oui."),
        Event("handoff", {"reason": "asked_for_a_person"}),
        Event("invented", {"by": "a later version"}),
        Event("done", done),
    )
    events = (await visitor.ask("Bonjour")).events
    conversation = await visitor.run("() => chat.conversation.conversationId")
    assert events == [
        {"type": "turn", "turnId": turn_id},
        {"type": "agent", "agent": "audrey", "name": "Audrey", "confidence": 0.93},
        {"type": "tool", "name": "calendar", "state": "started"},
        {"type": "delta", "text": "Non."},
        {"type": "reset"},
        {"type": "delta", "text": "Oui."},
        {"type": "handoff", "reason": "asked_for_a_person"},
        {"type": "done", "answer": {**done, "conversation_id": conversation}},
    ]


ODD_STREAM = (
    '\ufeff: a comment\r\nid: 1\revent: turn\ndata: {"turn_id":\r\ndata: "t"}\r\r'
    'retry: 5\nid: 2\nevent:delta\ndata:{"text": "L\'été "}\n\n'
    'data: {"text": "nobody"}\n\nevent\ndata: {}\n\n:\n\nevent: delta\n\n'
    'id: 3\r\nevent: delta\r\ndata: {"text": "🌞 ✉️"}\r\n\r\n'
    ': still here\n\nnonsense\nid: 4\nevent: delta\ndata: {"text": " fin"}\n\r'
    'id: 5\nevent: done\ndata: {"message": "L\'été 🌞 ✉️ fin"}\n\n'
).encode()
ODD_TOLD = [
    {"type": "turn", "turnId": "t"},
    {"type": "delta", "text": "L'été "},
    {"type": "delta", "text": "🌞 ✉️"},
    {"type": "delta", "text": " fin"},
    {"type": "done", "answer": {"message": "L'été 🌞 ✉️ fin"}},
]


def split(data: bytes, seed: int) -> list[bytes]:
    """`data` in a few pieces that begin anywhere, also within a character or a line's end."""
    cuts = sorted(random.Random(seed).sample(range(1, len(data)), 6))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


async def test_fifty_splittings_of_one_stream_give_the_same_events(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    for seed in range(50):
        parts: list[Raw | Pause] = []
        for piece in split(ODD_STREAM, seed):
            parts += [Raw(piece), Pause(0.002)]
        scripted.stream(*parts)
        turn = await visitor.ask("Bonjour")
        assert turn.events == ODD_TOLD, seed


async def test_a_stream_in_single_bytes_gives_the_same_events(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    script = """async ([module, bytes, size]) => {
      const {EventParser} = await import(module);
      const parser = new EventParser();
      const decoder = new TextDecoder();
      const events = [];
      for (let place = 0; place < bytes.length; place += size) {
        const piece = new Uint8Array(bytes.slice(place, place + size));
        events.push(...parser.push(decoder.decode(piece, {stream: true})));
      }
      return events.map(({name, data, id}) => [name ?? null, JSON.parse(data), id ?? null]);
    }"""
    given = [module(site), list(ODD_STREAM)]
    in_one = await visitor.run(script, [*given, len(ODD_STREAM)])
    assert [name for name, _, _ in in_one if name] == ["turn", "delta", "delta", "delta", "done"]
    assert [event_id for name, _, event_id in in_one if name] == ["1", "2", "3", "4", "5"]
    assert await visitor.run(script, [*given, 1]) == in_one
    assert await visitor.run(script, [*given, 2]) == in_one


async def test_a_cut_in_mid_answer_resumes_the_same_answer(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    first, second, third, *rest = words(*WORDS)
    gates = [Gate(), Gate()]
    cuts = [(gates[0], Cut()), (gates[1], Cut())]
    scripted.stream(first, second, *cuts[0], third, *cuts[1], *rest, Event("done", answer(WHOLE)))
    await visitor.start(QUESTION)
    # A reset throws away what the browser has not read yet.
    for gate, seen in zip(gates, (2, 3), strict=True):
        await visitor.until(f"turns[0].events.filter((e) => e.type === 'delta').length === {seen}")
        gate.open()
    turn = await visitor.ended()
    posted = scripted.asked("/api/chat")
    assert turn.kinds == [
        *("delta", "delta", "waiting", "delta", "waiting", "delta", "delta", "done"),
    ]
    assert turn.shown == turn.answer["message"] == WHOLE
    assert [headers.get("last-event-id") for headers in chats(scripted)] == [None, "2", "3"]
    assert posted[0].body["message_id"]
    assert posted[0].body == posted[1].body == posted[2].body


async def test_a_cut_before_the_first_byte_is_no_failure(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    # The first reset may hit a connection that was used before: browsers then post again alone.
    scripted.script("/api/chat", Drop(), Drop())
    scripted.say(WHOLE)
    turn = await visitor.ask(QUESTION)
    assert turn.shown == WHOLE
    assert turn.kinds[0] == "waiting"
    first, *others = scripted.asked("/api/chat")
    assert others == [first, first]


async def test_events_that_were_seen_are_dropped(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Un ", "deux "), gate, Cut())
    await visitor.start(QUESTION)
    await visitor.until("turns[0].events.length === 2")
    all_again = framed(
        *[(n + 1, "delta", {"text": text}) for n, text in enumerate(["Un ", "deux ", "trois"])],
        (4, "done", answer("Un deux trois")),
    )
    scripted.script("/api/chat", Reply(all_again, headers=SSE))
    gate.open()
    turn = await visitor.ended()
    assert turn.kinds == ["delta", "delta", "waiting", "delta", "done"]
    assert turn.shown == "Un deux trois"


async def test_an_answer_that_is_told_again_is_numbered_anew(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Un ", "deux "), gate, Cut())
    await visitor.start(QUESTION)
    await visitor.until("turns[0].events.length === 2")
    anew = framed((2, "reset", {}), (1, "delta", {"text": "Trois"}), (4, "done", answer("Trois")))
    scripted.script("/api/chat", Reply(anew, headers=SSE))
    gate.open()
    turn = await visitor.ended()
    assert turn.kinds == ["delta", "delta", "waiting", "reset", "delta", "done"]
    assert turn.shown == "Trois"


async def test_a_stream_that_ends_without_an_end_is_a_disconnect(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.stream(*words("Bon"), Raw(b'id: 2\nevent: done\ndata: {"message"'))
    await visitor.start(QUESTION)
    await visitor.until_event("waiting")
    rest = framed((2, "delta", {"text": "jour"}), (3, "done", answer("Bonjour")))
    scripted.script("/api/chat", Reply(rest, headers=SSE))
    turn = await visitor.ended()
    assert turn.shown == "Bonjour"
    assert chats(scripted)[-1]["last-event-id"] == "1"


async def test_a_page_of_a_captive_portal_is_a_disconnect(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.script("/api/chat", Reply("<h1>Wi-Fi</h1>", headers={"content-type": "text/html"}))
    scripted.say(WHOLE)
    assert (await visitor.ask(QUESTION)).shown == WHOLE


async def test_malformed_events_are_passed_over(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    oddities = ["{", "null", "7", '"text"', "[]", '{"text": 7}', "{}", ""]
    odd = "".join(f"id: x{n}\nevent: delta\ndata: {odd}\n\n" for n, odd in enumerate(oddities))
    ends = "event: done\ndata: null\n\nevent: done\ndata: {\n\nid: \0\n\n\0\n\n"
    scripted.stream(Raw((odd + ends).encode()), delta("Oui."), Event("done", answer("Oui.")))
    turn = await visitor.ask(QUESTION)
    assert turn.kinds == ["delta", "done"]
    assert turn.shown == "Oui."
    assert len(chats(scripted)) == 1


async def test_silence_without_heartbeats_is_a_disconnect(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, delta("jour"), Event("done", answer("Bonjour")))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    await visitor.page.clock.run_for(39_000)
    assert "waiting" not in (await visitor.turn()).kinds
    await visitor.page.clock.run_for(2_000)
    await visitor.until_event("waiting")
    gate.open()
    await visitor.page.clock.run_for(9_000)
    turn = await visitor.ended()
    assert turn.shown == "Bonjour"
    assert chats(scripted)[-1]["last-event-id"] == "1"


async def test_an_answer_that_never_comes_back_is_given_up(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    async with cabled(scripted.url) as cable:
        visitor = await talk(context, site, cable.url, with_clock=True)
        gate = Gate()
        scripted.stream(*words("Bon"), gate)
        await visitor.start(QUESTION)
        await gate.reached.wait()
        await visitor.until_event("delta")
        cable.cut()
        await visitor.until_event("waiting")
        turn = await visitor.hurried(seconds=62)
    gate.open()
    assert turn.error is not None
    assert turn.error["code"] == "network"
    assert turn.error["retryable"]
    assert turn.kinds.count("waiting") > 5
    seconds = [event["seconds"] for event in turn.events if event["type"] == "waiting"]
    assert max(seconds) <= 8
    assert seconds[0] == 1


async def test_a_server_that_is_not_there_is_given_up_sooner(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    async with cabled(scripted.url) as cable:
        cable.cut()
        visitor = await talk(context, site, cable.url, with_clock=True)
        await visitor.start(QUESTION)
        turn = await visitor.hurried(seconds=17)
    assert turn.error is not None
    assert (turn.error["code"], turn.error["status"]) == ("network", 0)
    assert turn.error["retryable"]


async def test_a_stream_that_is_always_cut_is_given_up(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    parts = [part for number in range(99) for part in (delta(f"{number} "), Cut())]
    scripted.stream(*parts, Event("done", answer("…")))
    await visitor.start(QUESTION)
    turn = await visitor.hurried()
    assert turn.error is not None
    assert turn.error["code"] == "network"
    said = turn.shown.split()
    assert said == [str(number) for number in range(len(said))]
    assert 30 < len(said) < 50


async def test_one_answer_after_another_takes_one_connection(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    async with cabled(scripted.url) as cable:
        visitor = await talk(context, site, cable.url)
        await visitor.ask(QUESTION)
        await visitor.ask(QUESTION)
        connections = cable.connections
        for _ in range(5):
            assert (await visitor.ask(QUESTION)).kinds[-1] == "done"
        assert cable.connections == connections


async def test_offline_in_mid_answer_waits_for_the_network(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, delta("jour"), Event("done", answer("Bonjour")))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    await context.set_offline(True)
    await visitor.until_event("waiting")
    gate.open()
    waiting = await visitor.turn()
    assert waiting.kinds == ["delta", "waiting"]
    assert waiting.events[-1].get("seconds") is None
    await context.set_offline(False)
    assert (await visitor.ended()).shown == "Bonjour"


async def test_time_offline_is_not_counted(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, delta("jour"), Event("done", answer("Bonjour")))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    await context.set_offline(True)
    await visitor.until_event("waiting")
    for _ in range(20):
        await visitor.page.clock.run_for(15_000)
        await asyncio.sleep(0.01)
    gate.open()
    assert not (await visitor.turn()).is_over
    await context.set_offline(False)
    await visitor.page.clock.run_for(10_000)
    assert (await visitor.ended()).shown == "Bonjour"


async def test_slow_3g_loses_nothing(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    network = await context.new_cdp_session(visitor.page)
    slow_3g = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    await network.send("Network.emulateNetworkConditions", {"offline": False, **slow_3g})
    text = "Un mot de plus, encore. " * 60
    scripted.say(text)
    turn = await visitor.ask(QUESTION)
    assert turn.shown == turn.answer["message"] == text
    assert "waiting" not in turn.kinds
    assert len(chats(scripted)) == 1


@pytest.mark.parametrize("seconds", ["7", "0"])
async def test_too_many_messages_says_when_to_come_back(
    context: BrowserContext, site: Site, scripted: Scripted, seconds: str
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.refuse(429, "rate_limited", "Trop de messages.", retry_after=int(seconds))
    turn = await visitor.ask(QUESTION)
    assert turn.events == []
    assert turn.error is not None
    assert turn.error["name"] == "ChatError"
    assert turn.error["message"] == turn.error["detail"] == "Trop de messages."
    assert (turn.error["code"], turn.error["status"]) == ("rate_limited", 429)
    assert turn.error["retryAfterSeconds"] == int(seconds)
    assert turn.error["retryable"]
    assert turn.error["requestId"]
    assert len(chats(scripted)) == 1


async def test_retry_after_may_be_a_date(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    now = await visitor.run("() => Date.now()")
    for header, expected in (
        (formatdate(now // 1000 + 90, usegmt=True), range(85, 92)),
        (formatdate(now // 1000 - 90, usegmt=True), [0]),
    ):
        scripted.script("/api/chat", Reply({}, 429, {"retry-after": header}))
        error = (await visitor.ask(QUESTION)).error
        assert error is not None
        assert error["code"] == "http_429"
        assert error["retryAfterSeconds"] in expected
    scripted.script("/api/chat", Reply({}, 429, {"retry-after": "soon"}))
    error = (await visitor.ask(QUESTION)).error
    assert error is not None
    assert error.get("retryAfterSeconds") is None


@pytest.mark.parametrize(
    ("status", "retry_after", "may_retry"),
    [(409, 5, True), (409, None, False), (422, None, False), (403, None, False), (404, None, False),
     (413, None, False), (500, None, True), (502, None, True), (503, 5, True), (429, None, True)],
)  # fmt: skip
async def test_a_refusal_says_whether_it_may_pass(
    context: BrowserContext,
    site: Site,
    scripted: Scripted,
    status: int,
    retry_after: int | None,
    may_retry: bool,
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.refuse(status, "some_code", retry_after=retry_after)
    error = (await visitor.ask(QUESTION)).error
    assert error is not None
    assert (error["code"], error["status"]) == ("some_code", status)
    assert error["retryable"] is may_retry
    assert len(chats(scripted)) == 1


async def test_what_is_no_problem_is_named_by_its_status(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.script("/api/chat", Reply("<h1>Bad gateway</h1>", 502), Reply("null", 502))
    for _ in range(2):
        error = (await visitor.ask(QUESTION)).error
        assert error is not None
        assert (error["code"], error["detail"]) == ("http_502", "")


async def test_a_busy_server_is_waited_for_while_reconnecting(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, Cut(), delta("jour"), Event("done", answer("Bonjour")))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    scripted.script(
        "/api/chat",
        Refusal(503, "database_unavailable", "Un instant.", 2),
        Refusal(409, "twin_in_flight", "Un instant.", 0),
        Refusal(502, "bad_gateway", "Un instant."),
        Refusal(429, "rate_limited", "Un instant.", 1),
    )
    gate.open()
    turn = await visitor.hurried()
    assert turn.shown == "Bonjour"
    seconds = [event["seconds"] for event in turn.events if event["type"] == "waiting"]
    assert len(seconds) == 5
    assert seconds[1] >= 2
    assert {request.body["message_id"] for request in scripted.asked("/api/chat")} == {
        scripted.asked("/api/chat")[0].body["message_id"]
    }


@pytest.mark.parametrize("status", [401, 403, 404, 422])
async def test_a_reconnect_that_is_refused_gives_up_at_once(
    context: BrowserContext, site: Site, scripted: Scripted, status: int
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, Cut(), delta("jour"))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    scripted.refuse(status, "visitor_token_invalid" if status == 401 else "no")
    gate.open()
    turn = await visitor.ended()
    assert turn.kinds == ["delta", "waiting"]
    assert turn.error is not None
    assert turn.error["status"] == status
    assert not turn.error["retryable"]
    assert len(chats(scripted)) == 2


async def test_a_wait_beyond_all_patience_is_the_visitors_decision(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Bon"), gate, Cut(), delta("jour"))
    await visitor.start(QUESTION)
    await visitor.until_event("delta")
    scripted.refuse(503, "database_unavailable", retry_after=120)
    gate.open()
    error = (await visitor.ended()).error
    assert error is not None
    assert error["retryAfterSeconds"] == 120


async def test_an_answer_that_fails_may_be_asked_for_again(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    failed = {"status": 503, "code": "answer_failed", "detail": "Réessayez.", "request_id": "r-1"}
    scripted.stream(delta("Bon"), Event("error", failed))
    turn = await visitor.ask(QUESTION, messageId="m-1")
    assert turn.kinds == ["delta"]
    assert turn.error is not None
    assert {name: turn.error[name] for name in ("code", "status", "detail", "requestId")} == {
        "code": "answer_failed",
        "status": 503,
        "detail": "Réessayez.",
        "requestId": "r-1",
    }
    assert turn.error["retryable"]
    scripted.script("/api/chat", Reply(framed((9, "done", answer("Oui."))), headers=SSE))
    assert (await visitor.ask(QUESTION, messageId="m-1")).answer["message"] == "Oui."
    assert [headers.get("last-event-id") for headers in chats(scripted)] == [None, None]
    assert [request.body["message_id"] for request in scripted.asked("/api/chat")] == ["m-1"] * 2


async def test_each_message_has_an_id_of_its_own(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    await visitor.ask(QUESTION)
    first, second = scripted.asked("/api/chat")
    assert first.body["message_id"] != second.body["message_id"]
    assert first.body["conversation_id"] == second.body["conversation_id"]


@pytest.mark.parametrize("code", ["visitor_token_required", "visitor_token_invalid"])
async def test_a_conversation_that_cannot_go_on_is_replaced_once(
    context: BrowserContext, site: Site, scripted: Scripted, code: str
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.run("() => chat.begin()")
    scripted.refuse(401, code)
    turn = await visitor.ask(QUESTION)
    first, second = scripted.asked("/api/chat")
    assert turn.kinds[-1] == "done"
    assert first.body["conversation_id"] != second.body["conversation_id"]
    assert first.body["user_id"] == second.body["user_id"]
    assert first.body["message_id"] == second.body["message_id"]
    assert await visitor.run("() => changes") == ["conversation"]
    now = await visitor.run("() => chat.conversation.conversationId")
    assert now == second.body["conversation_id"]
    scripted.script("/api/chat", *[Refusal(401, code, "Non.")] * 2)
    error = (await visitor.ask(QUESTION)).error
    assert error is not None
    assert error["code"] == code
    assert len(scripted.asked("/api/chat")) == 4


async def test_a_key_that_nobody_knows_is_no_lost_conversation(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.refuse(401, "public_key_unknown")
    error = (await visitor.ask(QUESTION)).error
    assert error is not None
    assert error["code"] == "public_key_unknown"
    assert await visitor.run("() => changes") == []


async def test_an_abort_stops_at_once(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gates = [Gate(), Gate()]
    for gate, stop in zip(gates, ("turns[0].stop.abort()", "chat.close()"), strict=True):
        scripted.stream(*words("Bon"), gate, delta("jour"))
        number = await visitor.start(QUESTION)
        await gate.reached.wait()
        await visitor.until_event("delta", number)
        await visitor.run(f"() => {{ {stop} }}")
        error = (await visitor.ended(number)).error
        assert error is not None
        assert error["code"] == "aborted"
        assert not error["retryable"]
        await hung_up(scripted)
        gate.open()
    assert len(chats(scripted)) == 2


async def test_an_abort_ends_a_wait_for_the_network(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    async with cabled(scripted.url) as cable:
        visitor = await talk(context, site, cable.url, with_clock=True)
        cable.cut()
        for stop in ("turns[0].stop.abort()", "chat.close()"):
            number = await visitor.start(QUESTION)
            await visitor.until_event("waiting", number)
            await visitor.run(f"() => {{ {stop} }}")
            error = (await visitor.ended(number)).error
            assert error is not None
            assert error["code"] == "aborted"


async def test_what_is_closed_asks_for_nothing(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    asked = len(scripted.requests)
    await visitor.run("() => chat.close()")
    for act in ("history()", "config()", "feedback('t', 1)", "handoff()"):
        tried = await visitor.run(f"() => trying(() => chat.{act})")
        assert tried["error"]["code"] == "aborted", act
    assert ((await visitor.ask(QUESTION)).error or {})["code"] == "aborted"
    await visitor.run("() => chat.identify({id: 'u', hmac: 'x'})")
    assert len(scripted.requests) == asked


async def test_a_reader_who_leaves_hangs_up(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    gate = Gate()
    scripted.stream(*words("Bon"), gate)
    leave = "async () => { for await (const event of chat.send('Bonjour')) return event.type; }"
    assert await visitor.run(leave) == "delta"
    await hung_up(scripted)
    gate.open()
    assert len(chats(scripted)) == 1


async def test_requests_carry_what_is_needed_and_no_more(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    await context.add_cookies([{"name": "session", "value": "secret", "url": scripted.url}])
    visitor = await talk(context, site, scripted.url, path="/account/secret")
    await visitor.ask(QUESTION)
    await visitor.run("() => chat.history()")
    for request in scripted.requests:
        assert "cookie" not in request.headers
        assert request.headers["origin"] == site.url
        assert request.headers["referer"] == site.url + "/"
        assert request.headers["x-coccinelle-key"] == "pk_x"
        assert request.headers["accept-language"] == "fr"
    chat, history = scripted.requests
    assert chat.headers["accept"] == "text/event-stream"
    assert "x-visitor-token" not in chat.headers
    assert history.headers["x-visitor-token"]
    assert set(chat.body) == {"user_id", "conversation_id", "message", "message_id"}


async def test_what_is_new_is_asked_for_after_what_is_known(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    conversation = await visitor.run("() => chat.conversation.conversationId")
    scripted.remember(conversation, "person", "Je prends le relais.", name="Maud")
    scripted.claimed[conversation] = "Maud"

    known = await visitor.run("() => chat.history().then((items) => items.at(-2).seq)")
    told = await visitor.run(f"() => chat.history({known})")

    assert [item["text"] for item in told] == ["Je prends le relais."]
    assert scripted.requests[-1].query["after"] == str(known)
    assert await visitor.run("() => chat.presence") == {"state": "claimed", "name": "Maud"}


async def test_without_a_key_none_is_sent(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, key=None)
    await visitor.ask(QUESTION)
    await visitor.run("() => chat.config()")
    assert all("x-coccinelle-key" not in request.headers for request in scripted.requests)
    assert scripted.requests[-1].query == {"lang": "fr"}
    assert await visitor.run("() => Object.keys(localStorage)") == [
        "coccinelle:" + scripted.url.removeprefix("http://")
    ]


async def test_the_config_needs_no_preflight(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    assert await visitor.run("() => chat.config()") == scripted.config
    [asked] = scripted.requests
    assert asked.query == {"key": "pk_x", "lang": "fr"}
    assert "x-coccinelle-key" not in asked.headers
    assert await visitor.run("() => chat.conversation") is None


async def test_feedback_and_handoff_show_the_token(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    done = (await visitor.ask(QUESTION)).answer
    await visitor.run("(id) => chat.feedback(id, -1, 'Trop court.')", done["turn_id"])
    opened = await visitor.run("() => chat.handoff({email: 'lea@example.com'})")
    feedback, handoff = scripted.requests[-2:]
    assert feedback.path == f"/api/turns/{done['turn_id']}/feedback"
    assert feedback.body == {"score": -1, "comment": "Trop court."}
    assert feedback.headers["x-visitor-token"]
    assert handoff.body == {"email": "lea@example.com"}
    assert opened["status"] == "open"
    scripted.refuse(422, "invalid", "Adresse invalide.", path="/handoff")
    tried = await visitor.run("() => trying(() => chat.handoff({email: 'x'}))")
    assert tried["error"]["detail"] == "Adresse invalide."


async def test_a_request_without_an_answer_ends(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, with_clock=True)
    gate = Gate()
    scripted.script("/api/widget/config", gate)
    asking = asyncio.ensure_future(visitor.run("() => trying(() => chat.config())"))
    await gate.reached.wait()
    await visitor.page.clock.run_for(31_000)
    assert (await asking)["error"]["code"] == "network"
    gate.open()


async def test_a_number_is_an_id_as_it_is_written(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.run("() => chat.identify({id: 42, hmac: 'ab'})")
    async with visitor.page.expect_response("**/identity"):
        await visitor.ask(QUESTION)
    [told] = scripted.asked("/identity")
    assert told.body == {"id": "42", "hmac": "ab"}


async def test_who_the_visitor_is_is_told_once_the_server_knows_the_conversation(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    person = {"id": "lea", "email": "lea@example.com", "hmac": "ab"}
    await visitor.run("(person) => chat.identify(person)", person)
    assert scripted.requests == []
    async with visitor.page.expect_response("**/identity"):
        await visitor.ask(QUESTION)
    await visitor.ask(QUESTION)
    [told] = scripted.asked("/identity")
    assert told.body == person
    assert told.headers["x-visitor-token"]
    await visitor.run("() => chat.reset()")
    async with visitor.page.expect_response("**/identity"):
        await visitor.ask(QUESTION)
    first, second = scripted.asked("/identity")
    assert first.path != second.path


async def test_an_identity_that_is_refused_is_no_exception(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    await visitor.ask(QUESTION)
    scripted.refuse(403, "identity_not_proven", "Non.", path="/identity")
    await visitor.run("() => chat.identify({id: 'lea', hmac: 'forged'})")
    await visitor.until("refusals.length")
    [refused] = await visitor.run("() => refusals")
    assert (refused["name"], refused["code"]) == ("ChatError", "identity_not_proven")
    await visitor.ask(QUESTION)
    assert len(scripted.asked("/identity")) == 1


async def test_it_works_in_a_worker_without_a_document(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url)
    scripted.say(WHOLE)
    code = f"""import("{module(site)}").then(async ({{Transport}}) => {{
      let text = "";
      const chat = new Transport({{base: "{scripted.url}", key: "pk_x"}});
      for await (const event of chat.send("Bonjour")) text += event.text ?? "";
      postMessage(text);
    }});"""
    address = site.put("/worker.js", code, kind="text/javascript")
    said = await visitor.run(
        "(url) => new Promise((done) => { new Worker(url).onmessage = (e) => done(e.data); })",
        address,
    )
    assert said == WHOLE


async def test_it_works_on_a_page_without_https(
    context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    visitor = await talk(context, site, scripted.url, origin=site.plain_url)
    assert await visitor.run("() => crypto.randomUUID === undefined")
    assert (await visitor.ask(QUESTION)).kinds[-1] == "done"
    ids = await visitor.run("() => Object.values(chat.conversation)")
    assert len(set(ids)) == 2
    assert all(len(one) == 32 for one in ids)


SENTENCES = (
    "Écrivez une séquence de bienvenue pour vos emails [1].",
    "Le premier message part dès l'inscription [1].",
    "Le suivant raconte votre histoire [1].",
    "Le dernier propose un appel, à l'heure du café [1].",
)


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


@pytest.fixture
async def places(llm: ScriptedLLM, tmp_path: Path) -> dict[str, Any]:
    """Where a house that writes by a model finds what it needs."""
    environment = {"COCCINELLE_LLM_BASE_URL": llm.base_url, "COCCINELLE_LLM_ANSWER_MODELS": "first"}
    return {"data": tmp_path, "environment": environment}


async def open_shop(running: Running, site: Site) -> tuple[Business, str]:
    business = await move_in(running, "rivoli")
    async with running.db.tenant(business.id) as tx:
        public = await tenants.create_public_key(tx, name="site", origins=[site.url])
    return business, public.secret


def slowly(sentences: Sequence[str] = SENTENCES) -> Say:
    return Say(" ".join(sentences), gap_seconds=0.05)


async def test_a_real_answer_that_is_cut_is_whole_and_one_turn(
    context: BrowserContext,
    site: Site,
    addresses: Addresses,
    llm: ScriptedLLM,
    places: dict[str, Any],
) -> None:
    async with living(addresses, **places) as (running, url), cabled(url) as cable:
        business, key = await open_shop(running, site)
        visitor = await talk(context, site, cable.url, key=key)
        llm.script(slowly())
        await visitor.start(QUESTION)
        await visitor.until_event("delta")
        cable.cut()
        await visitor.until_event("waiting")
        cable.mend()
        turn = await visitor.ended()
        conversation = await visitor.run("() => chat.conversation.conversationId")
        assert turn.shown == turn.answer["message"]
        assert SENTENCES[-1].removesuffix(" [1].") in turn.shown
        assert turn.kinds.count("turn") == 1
        assert "interrupted" not in turn.answer
        assert await rows_of(running, business, conversation) == (1, 1)
        assert len(llm.chats) == 1


async def test_a_real_server_that_restarts_in_mid_answer_loses_nothing(
    context: BrowserContext,
    site: Site,
    addresses: Addresses,
    llm: ScriptedLLM,
    places: dict[str, Any],
) -> None:
    async with cabled("") as cable:
        async with living(addresses, **places) as (running, cable.server):
            business, key = await open_shop(running, site)
            visitor = await talk(context, site, cable.url, key=key)
            llm.script(slowly())
            await visitor.start(QUESTION)
            await visitor.until_event("delta")
            cable.cut()
        async with living(addresses, **places) as (running, cable.server):
            cable.mend()
            turn = await visitor.ended()
            conversation = await visitor.run("() => chat.conversation.conversationId")
            assert turn.shown == turn.answer["message"]
            assert SENTENCES[0].removesuffix(" [1].") in turn.shown
            assert "reset" in turn.kinds
            assert await rows_of(running, business, conversation) == (1, 1)


async def test_a_message_whose_answer_was_lost_is_one_turn(
    context: BrowserContext, site: Site, house: House
) -> None:
    async with cabled(house.url) as cable:
        visitor = await talk(context, site, cable.url, key=house.rivoli.public_key)
        cable.loses_answers = True
        turn = await visitor.ask(QUESTION)
        assert cable.lost.is_set()
        assert await visitor.run("() => chat.history().then((items) => items.length)") == 2
    conversation = await visitor.run("() => chat.conversation.conversationId")
    assert house.rivoli.canary in turn.answer["message"]
    assert turn.shown == turn.answer["message"]
    assert await rows_of(house.running, house.rivoli, conversation) == (1, 1)


async def test_a_real_refusal_is_in_the_readers_language(
    context: BrowserContext, site: Site, house: House
) -> None:
    details = []
    for language in ("fr", "en"):
        key = house.nordlys.public_key
        visitor = await talk(context, site, house.url, key=key, language=language)
        error = (await visitor.ask("a" * 2001)).error
        assert error is not None
        assert error["status"] == 422
        details.append(error["detail"])
    assert details[0] != details[1]
    assert all(details)
