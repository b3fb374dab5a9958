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


class Mortal:
    """Onboarding over connections of its own, made once; each child opens them for itself."""

    def __init__(self, address: str, tenant_id: TenantId) -> None:
        self._reaper = Reaper(0)
        self._db = WatchedDatabase(address, self._seen)

        async def caller(request: Request) -> Caller:
            return Caller(tenant_id, "session", frozenset({"manage"}))

        self._app = FastAPI()
        problems.install(self._app, Refusals())
        self._app.include_router(api.routes(self._db, caller))

    def _seen(self, moment: str) -> None:
        if moment.startswith("after"):
            self._reaper(moment)

    async def post(self, path: str, body: str, dies_at: int) -> int:
        """The status of the answer, if this process lives to see it."""
        self._reaper = Reaper(dies_at)
        await self._db.open()
        transport = httpx2.ASGITransport(app=self._app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://house") as owner:
            self._reaper.is_armed = True
            answer = await owner.post(f"{api.PREFIX}/session/{path}", json=json.loads(body))
        return answer.status_code


def die(address: str, tenant: str, session: str, step: str, body: str) -> None:
    tenant_id = TenantId(UUID(tenant))
    mortal = Mortal(address, tenant_id)
    db = Database(address)
    with asyncio.Runner() as runner:

        def say(outcome: str) -> None:
            rows = runner.run(Owner(db, tenant_id).rows())
            line = json.dumps({"outcome": outcome, "rows": rows}, default=str)
            os.write(1, f"{line}\n".encode())

        runner.run(db.open())
        say("before")
        for dies_at in range(1, 400):
            child = os.fork()
            if child == 0:
                status = asyncio.run(mortal.post(f"{session}/{step}", body, dies_at))
                os._exit(0 if status == 200 else 1)
            _, ended = os.waitpid(child, 0)
            lived = os.WIFEXITED(ended)
            say(f"lived {os.WEXITSTATUS(ended)}" if lived else "killed")
            if lived:
                break
        runner.run(db.close())


if __name__ == "__main__":
    die(*sys.argv[1:])
