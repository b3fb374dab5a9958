"""One step of onboarding in a server that is killed, again and again, each time a moment later.

    python -m tests.onboarding.dying ADDRESS TENANT SESSION STEP BODY

Each try is a child that serves onboarding over its own connections and dies by SIGKILL when a
statement has been executed, one later than the child before; the last one lives. After each, what
the business has is printed as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from uuid import UUID

import httpx2
from fastapi import FastAPI, Request

from coccinelle.foundation import problems
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.problems import Refusals
from coccinelle.onboarding import api
from coccinelle.tenants.model import Caller
from tests.journeys.watched import Reaper, WatchedDatabase
from tests.onboarding.setting import Owner


def die(address: str, tenant: str, session: str, step: str, body: str) -> None:
    tenant_id = TenantId(UUID(tenant))
    say(address, tenant_id, "before")
    for dies_at in range(1, 400):
        child = os.fork()
        if child == 0:
            status = asyncio.run(_dying(address, tenant_id, f"{session}/{step}", body, dies_at))
            os._exit(0 if status == 200 else 1)
        _, ended = os.waitpid(child, 0)
        lived = os.WIFEXITED(ended)
        say(address, tenant_id, f"lived {os.WEXITSTATUS(ended)}" if lived else "killed")
        if lived:
            return


async def _dying(address: str, tenant_id: TenantId, path: str, body: str, dies_at: int) -> int:
    reaper = Reaper(dies_at)

    def seen(moment: str) -> None:
        if moment.startswith("after"):
            reaper(moment)

    db = WatchedDatabase(address, seen)
    await db.open()

    async def caller(request: Request) -> Caller:
        return Caller(tenant_id, "session", frozenset({"manage"}))

    app = FastAPI()
    problems.install(app, Refusals())
    app.include_router(api.routes(db, caller))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://house") as owner:
        reaper.is_armed = True
        answer = await owner.post(f"{api.PREFIX}/session/{path}", json=json.loads(body))
    return answer.status_code


def say(address: str, tenant_id: TenantId, outcome: str) -> None:
    rows = asyncio.run(_rows(address, tenant_id))
    os.write(1, f"{json.dumps({'outcome': outcome, 'rows': rows}, default=str)}\n".encode())


async def _rows(address: str, tenant_id: TenantId) -> dict[str, object]:
    db = Database(address)
    await db.open()
    try:
        return {**await Owner(db, tenant_id).rows()}
    finally:
        await db.close()


if __name__ == "__main__":
    die(*sys.argv[1:])
