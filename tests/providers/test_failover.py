"""Twelve ways to fail, before and after the first token, and who takes over."""

from __future__ import annotations

import asyncio

import pytest

from coccinelle.providers.breaker import Breakers
from coccinelle.providers.language.failover import Failover
from coccinelle.providers.language.guarded import Guarded
from coccinelle.providers.language.model import ModelCall, ModelFailed, Piece
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.model import Endpoint
from coccinelle.providers.wire import Wire
from tests.providers.conftest import PROMPT, SHORT, Heard, listen
from tests.scripted_llm import FAULTS, Fail, Say, ScriptedLLM, closed_port_url

BEFORE = {
    "500": "server_error",
    "503": "server_error",
    "429": "rate_limited",
    "402": "payment_required",
    "refused": "disconnected",
    "hang": "first_token_timeout",
    "comments": "first_token_timeout",
    "drip": "first_token_timeout",
    "cut": "disconnected",
    "no_finish": "empty",
    "error_event": "server_error",
    "malformed": "malformed",
    "empty": "empty",
}
AFTER = BEFORE | {
    "hang": "gap_timeout",
    "comments": "gap_timeout",
    "drip": "total_timeout",
    "no_finish": "incomplete",
    "empty": "content_filter",
}
WHOLE = BEFORE | {
    "hang": "total_timeout",
    "comments": "total_timeout",
    "drip": "total_timeout",
    "no_finish": "incomplete",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_before_the_first_token_is_not_seen_by_the_customer(
    fault: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail(fault), model="first")
    llm.script(Say("Bonjour de la seconde."), model="second")
    calls: list[ModelCall] = []

    heard = await listen(pair, calls)

    assert heard.text == "Bonjour de la seconde."
    assert heard.restarts == []
    assert [(c.model, c.outcome) for c in calls] == [("first", BEFORE[fault]), ("second", "ok")]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_after_the_first_token_restarts_the_answer(
    fault: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail(fault, after="Bonjour de la"), model="first")
    llm.script(Say("Bonsoir de la seconde."), model="second")
    calls: list[ModelCall] = []

    heard = await listen(pair, calls)

    assert heard.dropped.startswith("Bonjour de la")
    assert heard.restarts == ["second"]
    assert heard.text == "Bonsoir de la seconde."
    assert [(c.model, c.outcome) for c in calls] == [("first", AFTER[fault]), ("second", "ok")]
    assert calls[0].first_token_ms is not None


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_a_whole_answer_is_not_seen(
    fault: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail(fault), model="first")
    llm.script(Say("Entier."), model="second")
    calls: list[ModelCall] = []

    assert await pair.complete(PROMPT, calls=calls) == "Entier."
    assert [(c.model, c.outcome) for c in calls] == [("first", WHOLE[fault]), ("second", "ok")]


@pytest.mark.parametrize("after", ["", "Bonjour"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_when_every_model_fails_the_stream_says_so(
    fault: str, after: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail(fault, after), Fail(fault, after))
    calls: list[ModelCall] = []

    with pytest.raises(ModelFailed) as caught:
        await listen(pair, calls)

    assert caught.value.code == "all_models_failed"
    assert len(calls) == 2


async def test_a_refused_connection_is_skipped(
    llm: ScriptedLLM, endpoint: Endpoint, wire: Wire, breakers: Breakers
) -> None:
    dead = Endpoint(closed_port_url(), None, "dead")
    models = [
        Guarded(
            OpenAICompatible(wire, where, "m", task="answer", deadlines=SHORT),
            endpoint=where.name,
            name="m",
            breakers=breakers,
        )
        for where in (dead, endpoint)
    ]
    calls: list[ModelCall] = []

    heard = await listen(Failover(models), calls)

    assert heard.text
    assert [c.outcome for c in calls] == ["unreachable", "ok"]


async def test_a_short_retry_after_is_honoured_once(llm: ScriptedLLM, pair: Failover) -> None:
    llm.script(Fail("429", retry_after="0.05"), Say("Me revoilà."), model="first")
    calls: list[ModelCall] = []

    heard = await listen(pair, calls)

    assert heard.text == "Me revoilà."
    assert [(c.model, c.outcome, c.attempt) for c in calls] == [
        ("first", "rate_limited", 1),
        ("first", "ok", 2),
    ]


async def test_a_second_429_is_not_waited_for(llm: ScriptedLLM, pair: Failover) -> None:
    llm.script(*[Fail("429", retry_after="0.05")] * 3, model="first")
    calls: list[ModelCall] = []

    await listen(pair, calls)

    assert [c.model for c in calls] == ["first", "first", "second"]


async def test_a_long_retry_after_is_not_waited_for(llm: ScriptedLLM, pair: Failover) -> None:
    llm.script(Fail("429", retry_after="30"), model="first")
    calls: list[ModelCall] = []

    await listen(pair, calls)

    assert [c.model for c in calls] == ["first", "second"]


async def test_the_failover_ends_by_its_own_deadline(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    models = [
        Guarded(
            OpenAICompatible(wire, endpoint, name, task="answer"),
            endpoint=name,
            name=name,
            breakers=breakers,
        )
        for name in ("first", "second")
    ]
    llm.script(Fail("hang"), Fail("hang"))
    calls: list[ModelCall] = []

    with pytest.raises(ModelFailed):
        await listen(Failover(models, total_seconds=0.2), calls)

    assert [c.outcome for c in calls] == ["total_timeout"]


async def test_a_model_that_keeps_failing_is_no_longer_asked(
    llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(*[Fail("500")] * 3, model="first")
    for _ in range(4):
        await listen(pair, [])

    assert [r.body["model"] for r in llm.chats] == ["first", "second"] * 3 + ["second"]


async def test_a_key_without_credit_is_not_used_again(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    models = [
        Guarded(
            OpenAICompatible(wire, endpoint, name, task="answer"),
            endpoint="the same key",
            name=name,
            breakers=breakers,
        )
        for name in ("first", "second")
    ]
    llm.script(Fail("402"))

    for _ in range(2):
        with pytest.raises(ModelFailed):
            await listen(Failover(models), [])

    assert len(llm.chats) == 1
    assert breakers.states()["the same key (key)"] == "open"


@pytest.mark.parametrize("fault", ["hang", "drip"])
async def test_a_client_that_hangs_up_closes_the_connection(
    fault: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail(fault, after="Bonjour à"), model="first")
    calls: list[ModelCall] = []
    events = pair.stream(PROMPT, calls=calls)

    first = await anext(events)
    assert isinstance(first, Piece)
    assert first.text.startswith("Bonjour")
    await events.aclose()

    await _until_disconnected(llm)
    assert [(c.outcome, c.usage.estimated) for c in calls] == [("cancelled", True)]
    assert calls[0].usage.cost_microeur > 0
    assert len(llm.chats) == 1


@pytest.mark.parametrize("after", ["", "Bonjour"])
async def test_a_cancelled_task_closes_the_connection(
    after: str, llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail("hang", after=after), model="first")
    calls: list[ModelCall] = []
    heard = Heard()
    task = asyncio.create_task(listen(pair, calls, heard))
    while not llm.chats or (after and not heard.pieces):  # noqa: ASYNC110
        await asyncio.sleep(0.005)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await _until_disconnected(llm)
    assert [c.outcome for c in calls] == ["cancelled"]


async def _until_disconnected(llm: ScriptedLLM) -> None:
    async with asyncio.timeout(5):
        while not llm.disconnects:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
