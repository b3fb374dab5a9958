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
            task="answer",
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
    assert [(c.model, c.outcome) for c in calls] == [
        ("first", "rate_limited"),
        ("first", "ok"),
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
            task="answer",
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


async def test_a_key_that_is_refused_is_not_used_again(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    models = [
        Guarded(
            OpenAICompatible(wire, endpoint, name, task="answer"),
            endpoint="the same key",
            name=name,
            task="answer",
            breakers=breakers,
        )
        for name in ("first", "second")
    ]
    llm.script(Fail("401"))

    for _ in range(2):
        with pytest.raises(ModelFailed):
            await listen(Failover(models), [])

    assert len(llm.chats) == 1
    assert breakers.states()["the same key (key)"] == "open"


async def test_a_model_that_cannot_be_paid_leaves_the_others_to_answer(
    llm: ScriptedLLM, pair: Failover
) -> None:
    llm.script(Fail("402"), model="first")

    await listen(pair, [])

    assert [r.body["model"] for r in llm.chats] == ["first", "second"]


def _guarded(wire: Wire, endpoint: Endpoint, breakers: Breakers, task: str) -> Guarded:
    return Guarded(
        OpenAICompatible(wire, endpoint, "first", task=task, deadlines=SHORT),
        endpoint="scripted",
        name="first",
        task=task,
        breakers=breakers,
    )


async def test_a_model_that_fails_at_one_task_is_still_asked_for_another(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    routing, answering = (_guarded(wire, endpoint, breakers, t) for t in ("route", "answer"))
    llm.script(*[Fail("500")] * 3)
    for _ in range(3):
        with pytest.raises(ModelFailed):
            await routing.complete(PROMPT, calls=[])

    assert (routing.ready, answering.ready) == (False, True)
    assert breakers.states() == {
        "scripted/first (route)": "open",
        "scripted/first": "closed",
        "scripted (key)": "closed",
    }


async def _hurried(model: Guarded, calls: list[ModelCall], *, streamed: bool) -> None:
    until = asyncio.get_running_loop().time() + 0.05
    if not streamed:
        await model.complete(PROMPT, calls=calls, until=until)
    async for _event in model.stream(PROMPT, calls=calls, until=until):
        pass


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_model_is_not_to_blame_for_a_deadline_that_its_caller_set_shorter(
    streamed: bool, llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    model = _guarded(wire, endpoint, breakers, "answer")
    llm.answer = lambda _: Fail("hang")
    calls: list[ModelCall] = []

    for _ in range(4):
        with pytest.raises(ModelFailed):
            await _hurried(model, calls, streamed=streamed)

    assert [c.outcome for c in calls] == ["total_timeout"] * 4
    assert breakers.states()["scripted/first"] == "closed"


async def test_a_model_is_to_blame_for_being_late_when_it_had_its_own_time(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint, breakers: Breakers
) -> None:
    model = Failover(
        [_guarded(wire, endpoint, breakers, "route")], total_seconds=SHORT.total_seconds
    )
    llm.answer = lambda _: Fail("hang")

    for _ in range(3):
        with pytest.raises(ModelFailed):
            await model.complete(PROMPT, calls=[])

    assert breakers.states()["scripted/first (route)"] == "open"


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
