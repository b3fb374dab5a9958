"""Two processes on one database, and one that is killed at every moment of a turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from coccinelle.conversations.jobs import sweep
from coccinelle.conversations.model import Limits
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.providers.wire import Wire
from coccinelle.tenants import actions as tenants
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.setting import EMAILS, embedder_of, fresh, rows
from tests.journeys.invariants import Acknowledged, violations
from tests.journeys.turn_process import TEXTS
from tests.scripted_llm import Fail, Say, ScriptedLLM

ANSWER = "Créez une séquence de trois emails dans Systeme.io [1]."


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


async def business(db: Database, llm: ScriptedLLM) -> TenantId:
    wire = Wire()
    embedder = embedder_of(wire, llm.base_url)
    try:
        return await setting.rivoli(db, embedder)
    finally:
        await wire.aclose()


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of our own, which is gone at the end of the block."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.journeys.turn_process",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            if started.returncode is None:
                os.kill(started.pid, signal.SIGKILL)
        await started.wait()


async def ready(posting: asyncio.subprocess.Process) -> None:
    assert posting.stdout is not None
    while (line := await posting.stdout.readline()).strip() != b"ready":
        assert line, "the process ended before it was ready"


def go(posting: asyncio.subprocess.Process) -> None:
    assert posting.stdin is not None
    posting.stdin.write(b"go\n")


async def results(posting: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    assert posting.stdout is not None
    lines = (await posting.stdout.read()).decode().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def test_fifty_posts_of_one_message_to_two_processes_are_one_turn_and_one_model_call(
    db: Database, addresses: Addresses, llm: ScriptedLLM
) -> None:
    tenant = await business(db, llm)
    llm.reset()
    llm.script(*[Say(ANSWER, first_seconds=0.3)] * 50)
    to = [addresses.login, str(tenant), llm.base_url, "u", fresh(), "m-1", EMAILS]
    async with process("post", *to, "25") as one, process("post", *to, "25") as two:
        await asyncio.gather(ready(one), ready(two))
        go(one)
        go(two)
        found = await results(one) + await results(two)
    async with process("post", *to, "1") as restarted:
        await ready(restarted)
        go(restarted)
        found += await results(restarted)

    assert len(found) == 51
    assert {f.get("text") for f in found} == {"Créez une séquence de trois emails dans Systeme.io."}
    assert len({f["turn_id"] for f in found}) == 1
    assert len(llm.chats) == 1
    told = Acknowledged(UUID(found[0]["turn_id"]), EMAILS, found[0]["text"])
    assert await violations(db, tenant, [told]) == []


async def test_a_message_whose_process_is_killed_while_it_answers_is_answered_by_another(
    db: Database, addresses: Addresses, llm: ScriptedLLM
) -> None:
    tenant = await business(db, llm)
    llm.reset()
    llm.script(Fail("hang", after="Créez une"), Say(ANSWER))
    to = [addresses.login, str(tenant), llm.base_url, "u", fresh(), "m-1", EMAILS]
    async with process("post", *to, "1") as one, process("post", *to, "2") as two:
        await asyncio.gather(ready(one), ready(two))
        go(one)
        async with asyncio.timeout(20):
            while not llm.chats:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        os.kill(one.pid, signal.SIGKILL)
        go(two)
        found = await results(two)

    assert [f["text"] for f in found] == ["Créez une séquence de trois emails dans Systeme.io."] * 2
    assert len({f["turn_id"] for f in found}) == 1
    assert len(llm.chats) == 2
    assert await violations(db, tenant) == []


@pytest.mark.parametrize("kind", ["question", "person"])
async def test_killed_at_every_moment_of_a_turn_nothing_acknowledged_is_lost(
    db: Database, addresses: Addresses, kind: str
) -> None:
    tenant = await setting.rivoli(db, WordEmbedder())
    async with process("die", addresses.login, str(tenant), kind) as dying:
        told = await results(dying)
    lived = told.pop()
    assert lived["code"] == 0
    assert lived["lived"] > 18
    started = {t["conversation"]: t["turn_id"] for t in told}
    answers = {t["conversation"]: t["answer"] for t in told if "answer" in t}
    history = [
        Acknowledged(UUID(turn_id), TEXTS[kind], answers.get(conversation))
        for conversation, turn_id in started.items()
    ]
    assert len(started) >= 10
    await asyncio.sleep(1.2)

    if kind == "question":
        await sweep(db)
        open_ones = "SELECT id FROM turns WHERE state IN ('accepted', 'answering')"
        assert await rows(db, tenant, open_ones) == []
    assert await violations(db, tenant, history) == []
    engine = setting.engine_of(db, WordEmbedder(), limits=Limits(messages=1000))
    for dies_at in range(1, lived["lived"] + 1):
        conversation = f"{kind}-{dies_at}"
        talk = setting.Talk(engine, tenant, f"u-{conversation}", conversation)
        first = await talk.say(TEXTS[kind], key="m-1")
        again = await talk.say(TEXTS[kind], key="m-1")
        assert (first.turn_id, first.text) == (again.turn_id, again.text)
        assert str(first.turn_id) == started.get(conversation, str(first.turn_id))
        assert first.text == answers.get(conversation, first.text)
        history.append(Acknowledged(first.turn_id, TEXTS[kind], first.text))
    assert await violations(db, tenant, history) == []
    turns = "SELECT id FROM turns WHERE message_key = 'm-1'"
    assert len(await rows(db, tenant, turns)) == lived["lived"]
    if kind == "person":
        handoffs = await rows(db, tenant, "SELECT conversation_id FROM handoffs")
        assert len(handoffs) == lived["lived"]


@asynccontextmanager
async def servers(
    addresses: Addresses, llm: ScriptedLLM, data: Path
) -> AsyncIterator[list[tuple[asyncio.subprocess.Process, str]]]:
    """Two server processes on one database, and where each answers."""
    to = [addresses.login, str(data), llm.base_url]
    async with process("serve", *to) as one, process("serve", *to) as two:
        yield [(one, await _address(one)), (two, await _address(two))]


async def _address(serving: asyncio.subprocess.Process) -> str:
    assert serving.stdout is not None
    while not (line := (await serving.stdout.readline()).decode().strip()).startswith("http"):
        assert line or serving.returncode is None
    return line


async def key_of(db: Database, tenant: TenantId) -> dict[str, str]:
    async with db.tenant(tenant) as tx:
        made = await tenants.create_api_key(tx, name="journey")
    return {"Authorization": f"Bearer {made.secret}"}


async def test_over_http_two_servers_are_one_business(
    db: Database, addresses: Addresses, llm: ScriptedLLM, tmp_path: Path
) -> None:
    tenant = await business(db, llm)
    headers = await key_of(db, tenant)
    async with (
        servers(addresses, llm, tmp_path) as both,
        httpx2.AsyncClient(timeout=30, headers=headers) as client,
    ):
        urls = [url for _, url in both]
        llm.reset()
        llm.script(*[Say(ANSWER, first_seconds=0.3)] * 50)
        body = {"user_id": "u", "conversation_id": fresh(), "message": EMAILS, "message_id": "m-1"}
        posts = (client.post(f"{urls[n % 2]}/api/chat", json=body) for n in range(50))
        answers = await asyncio.gather(*posts)

        assert {answer.status_code for answer in answers} == {200}
        told = [answer.json() for answer in answers]
        assert len({(t["turn_id"], t["message"], t["agent"]) for t in told}) == 1
        assert len(llm.chats) == 1
        acknowledged = Acknowledged(UUID(told[0]["turn_id"]), EMAILS, told[0]["message"])
        assert await violations(db, tenant, [acknowledged]) == []

        user = fresh("u")
        for number in range(11):
            body = {"user_id": user, "conversation_id": fresh(), "message": "Bonjour"}
            last = await client.post(f"{urls[number % 2]}/api/chat", json=body)
            assert last.status_code == (200 if number < 10 else 429)
        assert last.json()["detail"] == "Trop de messages. Attendez quelques instants."
        assert 0 < int(last.headers["Retry-After"]) <= 60


async def test_a_stream_that_a_kill_cuts_goes_on_with_another_server(
    db: Database, addresses: Addresses, llm: ScriptedLLM, tmp_path: Path
) -> None:
    tenant = await business(db, llm)
    headers = await key_of(db, tenant) | {"Accept": "text/event-stream"}
    body = {"user_id": "u", "conversation_id": fresh(), "message": EMAILS, "message_id": "m-1"}
    async with (
        servers(addresses, llm, tmp_path) as ((first, one), (_, two)),
        httpx2.AsyncClient(timeout=30, headers=headers) as client,
    ):
        llm.reset()
        llm.script(Fail("hang", after="Créez une séquence [1]. Puis"), Say(ANSWER))
        seen: list[str] = []

        async def read_until_cut() -> None:
            async with client.stream("POST", f"{one}/api/chat", json=body) as stream:
                async for line in stream.aiter_lines():
                    seen.append(line)
                    if line == "event: delta":
                        os.kill(first.pid, signal.SIGKILL)

        with pytest.raises(httpx2.HTTPError):
            await read_until_cut()
        last = [line.removeprefix("id: ") for line in seen if line.startswith("id: ")][-1]
        again = await client.post(f"{two}/api/chat", json=body, headers={"Last-Event-ID": last})

    events = [line for line in again.text.splitlines() if line.startswith("event: ")]
    done = json.loads(again.text.split("event: done\ndata: ")[-1].splitlines()[0])
    assert events[0] == "event: reset"
    assert events[-1] == "event: done"
    assert done["message"] == "Créez une séquence de trois emails dans Systeme.io."
    assert await violations(db, tenant, [Acknowledged(UUID(done["turn_id"]), EMAILS)]) == []


async def test_the_checker_sees_what_is_broken(db: Database) -> None:
    tenant = await setting.rivoli(db, WordEmbedder())
    engine = setting.engine_of(db, WordEmbedder())
    conversation = setting.talk(engine, tenant)
    first = await conversation.say(EMAILS, key="m-1")
    second = await conversation.say(EMAILS)
    assert await violations(db, tenant, [Acknowledged(first.turn_id, EMAILS, first.text)]) == []

    changes = {
        "I1": "DELETE FROM messages WHERE turn_id = %(first)s AND author = 'agent'",
        "I1 ": "UPDATE messages SET text = 'x' WHERE turn_id = %(first)s AND author = 'customer'",
        "I2": "UPDATE turns SET state = 'answering', finished_at = NULL,"
        " lease_expires_at = now() - interval '40 seconds' WHERE id = %(second)s",
        "I3": "UPDATE turns SET finished_at = now() + interval '1 hour' WHERE id = %(first)s",
    }
    values = {"first": first.turn_id, "second": second.turn_id}
    told = [Acknowledged(first.turn_id, EMAILS, first.text)]
    for name, statement in changes.items():
        broken_tenant = Broken(db, statement, values)
        found = await violations(broken_tenant, tenant, told)  # type: ignore[arg-type]
        assert [v for v in found if v.startswith(name.strip())], (name, found)
    assert await violations(db, tenant, told) == []


class Broken:
    """The database as it would be after a statement, which is undone."""

    def __init__(self, db: Database, statement: str, values: dict[str, Any]):
        self._db, self._statement, self._values = db, statement, values

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId, **how: Any) -> AsyncIterator[Any]:
        async with self._db.tenant(tenant_id) as tx:
            await tx.run("SAVEPOINT whole")
            await tx.run(self._statement, self._values)
            yield tx
            await tx.run("ROLLBACK TO SAVEPOINT whole")
