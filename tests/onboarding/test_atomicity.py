"""Whatever ends a step half-way, a statement or the server, leaves nothing of it or all of it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import psycopg
import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from tests.journeys.watched import WatchedDatabase
from tests.onboarding.setting import STEPS, Owner

# Counted or listed each time that a step is saved, and told apart from what the step is about.
TRACES = ("events", "audit")
BODIES: dict[str, Any] = {
    "business": {"company_name": "Garage Dupont", "sector": "garage", "phone": "01 99 00 45 67"},
    "staff": {"members": [{"name": "Ana"}], "closures": []},
    "assistant": {"agent_type": "multi_purpose", "agent_name": "Leyna"},
    "knowledge": {
        "website": "www.garage-dupont.example",
        "documents": [{"title": "Garantie", "content": "Un an."}],
        "faqs": [{"question": "Prenez-vous la carte ?", "answer": "Oui."}],
    },
    "complete": None,
}


class Saboteur:
    """Fails the nth statement after it was executed, and no other.

    A BEGIN that fails is not counted: it is tried again on another connection.
    """

    def __init__(self) -> None:
        self.left = 0
        self.failed_at = ""

    def __call__(self, moment: str) -> None:
        self.left -= moment.startswith("after") and "BEGIN" not in moment
        if self.left == 0 and not self.failed_at:
            self.failed_at = moment
            raise psycopg.OperationalError("cut")


async def prepared(db: Database, tenant_id: TenantId, step: str) -> Owner:
    """An owner who has done all that comes before `step`."""
    owner = Owner(db, tenant_id)
    await owner.open()
    for earlier in STEPS[: STEPS.index(step)]:
        await owner.do(earlier)
    return owner


def matter(rows: dict[str, Any]) -> dict[str, Any]:
    """What a step is about, without the traces of its being saved."""
    return {name: found for name, found in rows.items() if name not in TRACES}


def is_whole(rows: dict[str, Any], step: str) -> bool:
    """Whether each save left both of its traces, and every source a job."""
    saved = [tuple(event) for event in rows["events"]].count((step, "saved"))
    done = f"onboarding.{step}_saved" if step != "complete" else "onboarding.completed"
    listed = [tuple(entry) for entry in rows["audit"]].count((done,))
    ((_, unread, orphans),) = rows["jobs"]
    return saved == listed and unread == orphans == 0


@pytest.mark.parametrize("step", STEPS)
async def test_a_statement_that_fails_leaves_nothing_of_the_step_and_a_retry_works(
    step: str, db: Database, rivoli: TenantId, addresses: Addresses
) -> None:
    owner = await prepared(db, rivoli, step)
    saboteur = Saboteur()
    watched = WatchedDatabase(addresses.login, saboteur)
    await watched.open()
    before = await owner.rows()
    failing = Owner(watched, rivoli, owner.session_id, owner.phone)
    kept, tried = [], 0
    try:
        while True:
            tried += 1
            saboteur.left, saboteur.failed_at = tried, ""
            try:
                await failing.do(step)
            except (psycopg.OperationalError, Unavailable):
                rows = await owner.rows()
                if rows != before:
                    kept.append((saboteur.failed_at, rows))
                    assert matter(rows) != matter(before)
            else:
                if not saboteur.failed_at:
                    break
    finally:
        await watched.close()
    after = await owner.rows()

    assert tried > 7
    assert [moment for moment, _ in kept] == ["after COMMIT"]
    assert [matter(rows) for _, rows in kept] == [matter(after)]
    assert is_whole(after, step)


@pytest.mark.parametrize("step", STEPS)
async def test_a_server_that_is_killed_leaves_nothing_or_all_and_a_retry_works(
    step: str, db: Database, nordlys: TenantId, addresses: Addresses
) -> None:
    owner = await prepared(db, nordlys, step)
    body = BODIES[step]
    if step == "assistant":
        body = {**body, "phone_number": owner.phone}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.onboarding.dying", addresses.login, str(nordlys)),
        *(str(owner.session_id), step, json.dumps(body)),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    lines = [json.loads(line) for line in told.splitlines()]
    before, *killed, lived = lines

    assert process.returncode == 0
    assert lived["outcome"] == "lived 0"
    assert {line["outcome"] for line in killed} == {"killed"}
    assert len(killed) > 7
    states = [matter(line["rows"]) for line in killed]
    first_whole = next(n for n, state in enumerate(states) if state != matter(before["rows"]))
    assert all(line["rows"] == before["rows"] for line in killed[:first_whole])
    assert all(state == matter(lived["rows"]) for state in states[first_whole:])
    assert all(is_whole(line["rows"], step) for line in lines)
