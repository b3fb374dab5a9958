"""One model at one endpoint: what is sent, what it costs, what counts as an answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from coccinelle.providers.language.model import (
    ChatMessage,
    Completed,
    ModelCall,
    ModelFailed,
    Prompt,
    Usage,
)
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.language.prices import Price, PriceTable
from coccinelle.providers.language.wire_format import EventReader
from coccinelle.providers.model import Deadlines, Endpoint, openrouter
from coccinelle.providers.wire import Wire
from tests.providers.conftest import PROMPT, SHORT, listen
from tests.scripted_llm import Fail, Raw, Say, ScriptedLLM

PRICES = PriceTable({"first": Price(1_000_000, 2_000_000)})


async def test_an_answer_streams_word_by_word(llm: ScriptedLLM, model: OpenAICompatible) -> None:
    text = "Bonjour ! Créez une séquence d'accueil 👋, puis\n- testez-la."
    llm.script(Say(text, gap_seconds=0.002))
    calls: list[ModelCall] = []

    heard = await listen(model, calls)

    assert heard.text == text
    assert len(heard.pieces) > 1
    assert heard.completed is not None
    assert heard.completed.finish_reason == "stop"
    assert [(c.task, c.provider, c.model, c.outcome) for c in calls] == [
        ("answer", "scripted", "first", "ok")
    ]
    assert calls[0].first_token_ms is not None


async def test_the_request_says_what_the_prompt_says(
    llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    prompt = Prompt(
        (ChatMessage("system", "Tu es Audrey."), ChatMessage("user", "Bonjour")), 50, 0.2
    )

    await model.complete(prompt, calls=[])

    request = llm.chats[0]
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body == {
        "model": "first",
        "messages": [
            {"role": "system", "content": "Tu es Audrey."},
            {"role": "user", "content": "Bonjour"},
        ],
        "max_tokens": 50,
        "temperature": 0.2,
    }


async def test_openrouter_is_told_who_asks_and_asked_for_the_cost(
    llm: ScriptedLLM, wire: Wire
) -> None:
    endpoint = replace(
        openrouter("sk-or", site_url="https://chat.example.com"), base_url=llm.base_url
    )
    model = OpenAICompatible(wire, endpoint, "vendor/one", task="answer", eur_per_usd=0.5)
    llm.script(Say("Oui.", cost_usd=0.01), Say("Non.", cost_usd=0.01))
    calls: list[ModelCall] = []

    await listen(model, calls)
    await model.complete(PROMPT, calls=calls)

    request = llm.chats[0]
    assert request.headers["http-referer"] == "https://chat.example.com"
    assert request.headers["x-title"] == "Coccinelle"
    assert request.body["usage"] == {"include": True}
    assert [c.usage for c in calls] == [Usage(1000, 200, 5000, estimated=False)] * 2


async def test_a_cost_that_is_not_told_comes_from_the_price_table(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    model = OpenAICompatible(wire, endpoint, "first", task="answer", prices=PRICES)
    calls: list[ModelCall] = []

    await listen(model, calls)

    assert calls[0].usage == Usage(1000, 200, 1400, estimated=False)


async def test_tokens_that_are_not_told_are_estimated(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    model = OpenAICompatible(wire, endpoint, "first", task="answer", prices=PRICES)
    llm.script(Say("x" * 300, usage=False))
    calls: list[ModelCall] = []

    heard = await listen(model, calls)

    usage = calls[0].usage
    assert usage.estimated
    assert usage.completion_tokens == 100
    assert usage.cost_microeur == usage.prompt_tokens + 200
    assert heard.completed is not None
    assert heard.completed.usage == usage


async def test_a_local_server_is_free_and_wants_no_key(llm: ScriptedLLM, wire: Wire) -> None:
    model = OpenAICompatible(wire, Endpoint(llm.base_url, free=True), "llama", task="answer")
    calls: list[ModelCall] = []

    await listen(model, calls)

    assert "authorization" not in llm.chats[0].headers
    assert calls[0].usage == Usage(1000, 200, 0, estimated=False)


def test_an_unknown_model_is_charged_like_a_dear_one() -> None:
    price, known = PriceTable().find("vendor/unheard-of")

    assert not known
    assert price.of(1_000_000, 0) > 1_000_000


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "gpt-4o-mini", "openai/gpt-4o-mini:nitro"])
def test_a_price_is_found_under_a_models_other_names(name: str) -> None:
    assert PriceTable().find(name) == PriceTable().find("openai/gpt-4o-mini")
    assert PriceTable().find(name)[1]


def test_the_list_s_dollars_are_turned_into_euros_at_the_rate_that_is_set() -> None:
    table = PriceTable({"openai/gpt-4o": Price(1, 2)}, eur_per_usd=0.5)

    assert table.find("openai/gpt-4o") == (Price(1, 2), True)
    assert table.find("openai/gpt-4o-mini") == (Price(75_000, 300_000), True)
    assert table.find("vendor/unheard-of") == (Price(1_500_000, 7_500_000), False)


async def test_an_answer_cut_by_max_tokens_is_an_answer_and_flagged(
    llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    llm.script(Say("Il faut d'abord", finish_reason="length"))
    calls: list[ModelCall] = []

    heard = await listen(model, calls)

    assert isinstance(heard.completed, Completed)
    assert heard.completed.finish_reason == "length"
    assert (calls[0].outcome, calls[0].finish_reason) == ("ok", "length")


async def test_a_filtered_answer_is_a_failure(llm: ScriptedLLM, model: OpenAICompatible) -> None:
    llm.script(Say("Je", finish_reason="content_filter"))

    with pytest.raises(ModelFailed) as caught:
        await listen(model, [])

    assert caught.value.code == "content_filter"


async def test_a_failure_of_half_an_answer_still_costs(
    llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    llm.script(Fail("cut", after="Bonjour à toutes et à tous"))
    calls: list[ModelCall] = []

    with pytest.raises(ModelFailed):
        await listen(model, calls)

    assert calls[0].usage.estimated
    assert calls[0].usage.cost_microeur > 0


FILTERED = (
    b'{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}],'
    b'"usage":{"prompt_tokens":1000,"completion_tokens":200}}'
)


async def test_a_whole_answer_that_is_none_costs_what_its_usage_says(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    model = OpenAICompatible(wire, endpoint, "first", task="answer", prices=PRICES)
    llm.script(Say(""), Raw(FILTERED))
    calls: list[ModelCall] = []

    for code in ("empty", "content_filter"):
        with pytest.raises(ModelFailed, match=code):
            await model.complete(PROMPT, calls=calls)

    assert [c.usage for c in calls] == [Usage(1000, 200, 1400, estimated=False)] * 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_that_is_late_or_given_up_costs_what_its_prompt_may_have(
    streamed: bool, llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    llm.answer = lambda _: Say(first_seconds=60)
    calls: list[ModelCall] = []

    async def ask() -> None:
        await (listen(model, calls) if streamed else model.complete(PROMPT, calls=calls))

    with pytest.raises(ModelFailed):
        await ask()
    task = asyncio.create_task(ask())
    while len(llm.chats) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait({task})

    assert calls[1].outcome == "cancelled"
    for usage in (call.usage for call in calls):
        assert usage.estimated
        assert usage.prompt_tokens > 0
        assert usage.cost_microeur > 0


async def test_a_call_that_was_refused_or_never_arrived_costs_nothing(
    llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    llm.script(Fail("500"), Fail("500"))
    calls: list[ModelCall] = []

    for _ in range(2):
        with pytest.raises(ModelFailed):
            await model.complete(PROMPT, calls=calls)
        with pytest.raises(ModelFailed):
            await listen(model, calls)
        await llm.stop()

    assert [c.outcome for c in calls] == ["server_error"] * 2 + ["unreachable"] * 2
    assert {c.usage for c in calls} == {Usage(0, 0, 0, estimated=False)}


@pytest.mark.parametrize("gap_seconds", [0.0, 0.002])
async def test_one_connection_serves_many_answers(
    gap_seconds: float, llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    for _ in range(5):
        llm.script(Say(gap_seconds=gap_seconds))
        await listen(model, [])
        await asyncio.sleep(0.01)
        await model.complete(PROMPT, calls=[])

    assert llm.connections == 1


async def test_a_connection_that_the_server_closed_is_replaced(
    llm: ScriptedLLM, model: OpenAICompatible
) -> None:
    await model.complete(PROMPT, calls=[])
    await llm.stop()
    await llm.start()
    calls: list[ModelCall] = []

    await listen(model, calls)

    assert [c.outcome for c in calls] == ["ok"]


async def test_words_that_come_slower_than_the_whole_deadline_allows_are_cut_off(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    deadlines = Deadlines(first_token_seconds=1, gap_seconds=1, total_seconds=0.3)
    model = OpenAICompatible(wire, endpoint, "first", task="answer", deadlines=deadlines)
    llm.script(Say("a b c d e f g h i j k l m n o p", gap_seconds=0.1))

    with pytest.raises(ModelFailed) as caught:
        await listen(model, [])

    assert caught.value.code == "total_timeout"


async def test_usage_that_never_comes_does_not_make_the_answer_fail(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    model = OpenAICompatible(
        wire, endpoint, "first", task="answer", deadlines=replace(SHORT, gap_seconds=0.1)
    )
    event = b'{"choices":[{"delta":{"content":"Voil\xc3\xa0"},"finish_reason":"stop"}]}'
    llm.script(Raw(event))
    calls: list[ModelCall] = []

    heard = await listen(model, calls)

    assert heard.text == "Voilà"
    assert calls[0].outcome == "ok"


ERROR_BODIES = [
    (400, {"error": {"message": "no"}}, "bad_request"),
    (401, {"error": {"code": "invalid_api_key"}}, "unauthorized"),
    (403, {"error": {"message": "flagged"}}, "forbidden"),
    (404, {}, "not_found"),
    (408, {}, "server_error"),
    (429, {"error": {"type": "insufficient_quota"}}, "payment_required"),
    (529, {}, "server_error"),
]


@pytest.mark.parametrize(("status", "body", "code"), ERROR_BODIES)
async def test_a_status_is_told_by_its_code(
    status: int, body: dict[str, object], code: str, wire: Wire
) -> None:
    answer = json.dumps(body).encode()
    server = await _serve_once(_response(status, answer))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    model = OpenAICompatible(wire, Endpoint(url), "m", task="answer")
    async with server:
        with pytest.raises(ModelFailed) as caught:
            await model.complete(PROMPT, calls=[])

    assert caught.value.code == code


def _response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


async def _serve_once(answer: bytes) -> asyncio.Server:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(client, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"",
    ],
)
async def test_what_is_not_http_is_a_failure(answer: bytes, wire: Wire) -> None:
    server = await _serve_once(answer)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    model = OpenAICompatible(wire, Endpoint(url), "m", task="answer", deadlines=SHORT)
    async with server:
        for streamed in (False, True):
            with pytest.raises(ModelFailed) as caught:
                await (listen(model, []) if streamed else model.complete(PROMPT, calls=[]))
            assert caught.value.code in ("malformed", "disconnected")


async def test_a_body_that_ends_with_its_connection_is_whole(wire: Wire) -> None:
    body = b'{"choices":[{"message":{"content":"Oui"},"finish_reason":"stop"}]}'
    server = await _serve_once(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        model = OpenAICompatible(wire, Endpoint(url), "m", task="answer", deadlines=SHORT)
        assert await model.complete(PROMPT, calls=[]) == "Oui"


@pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:11434/v1", ""])
def test_a_base_url_that_is_none_is_refused_at_once(url: str, wire: Wire) -> None:
    with pytest.raises(ValueError, match="http"):
        OpenAICompatible(wire, Endpoint(url), "m", task="answer")


def test_a_key_cannot_smuggle_a_header(wire: Wire) -> None:
    with pytest.raises(ValueError, match="header"):
        OpenAICompatible(wire, Endpoint("http://x/v1", "k\r\nx: y"), "m", task="answer")


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint("http://x/v1", "secret"))


STREAM = (
    b": comment\r\n\r\nevent: message\r\n"
    b'data: {"choices":[{"delta":{"content":"\\n\\nL\xc3\xa0, "}}]}\r\n\r\n'
    b'data: {"choices":[{"delta":{"content":"voil\xc3\xa0\\u0000 !","reasoning":"hm"}}]}\r\n\r\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"error":null}\r\n\r\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\r\n\r\n'
    b"data: [DONE]\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(STREAM)])
def test_a_stream_reads_the_same_however_its_bytes_are_cut(size: int) -> None:
    reader = EventReader()

    text = "".join(reader.feed(STREAM[i : i + size]) for i in range(0, len(STREAM), size))
    reader.end()

    assert text == "Là, voilà !"
    assert reader.done
    assert reader.usage is not None
    assert (reader.usage.prompt_tokens, reader.usage.completion_tokens) == (3, 4)


@pytest.mark.parametrize("size", range(STREAM.index(b'data: {"choices":[],'), len(STREAM), 5))
def test_once_the_end_was_said_the_rest_may_be_missing(size: int) -> None:
    reader = EventReader()

    text = reader.feed(STREAM[:size])
    reader.end()

    assert text == "Là, voilà !"


def test_an_event_without_an_end_is_refused() -> None:
    reader = EventReader()
    reader.feed(b"data: " + b"x" * 1_000_000)

    with pytest.raises(ModelFailed, match="malformed"):
        reader.feed(b"x" * 100_000)
