"""Onboarding by its API: every step, one owner and twenty at once, against a real server.

Owners have signed up before the clock runs, each with a business of her own; a worker reads what
they give elsewhere and later, and is not started here.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from benchmarks import processes
from benchmarks.processes import Server
from benchmarks.results import Figure, Section, median, percentile

STEP_MS = 25.0
ALONE_OWNERS = 40
CROWD = 20
CROWD_ROUNDS = 4
BASE = "/api/v1/onboarding/session"
STEPS = ("session", "business", "staff", "assistant", "knowledge", "complete")
ENVIRONMENT = {
    "COCCINELLE_SIGNUPS_PER_HOUR": "1000",
    "COCCINELLE_JOBS_CONCURRENCY": "0",
}


@dataclass(frozen=True)
class Owner:
    """Somebody who has signed up, and the number that she will declare."""

    token: str
    phone: str

    def bodies(self) -> dict[str, Any]:
        """What she says at each step."""
        week = [
            {"weekday": day, "opens": opens, "closes": closes}
            for day in range(1, 6)
            for opens, closes in (("08:00", "12:00"), ("14:00", "18:00"))
        ]
        return {
            "business": {
                "company_name": "Garage Dupont",
                "sector": "garage",
                "phone": "01 99 00 45 67",
                "website": "www.garage-dupont.example",
            },
            "staff": {"members": [{"name": "Ana"}, {"name": "Bo"}], "hours": week, "closures": []},
            "assistant": {
                "agent_type": "multi_purpose",
                "agent_name": "Leyna",
                "voice": "female",
                "phone_number": self.phone,
            },
            "knowledge": {
                "website": "www.garage-dupont.example",
                "documents": [{"title": "Garantie", "content": f"Un an. {uuid4().hex}"}],
                "faqs": [{"question": "Prenez-vous la carte ?", "answer": "Oui."}],
            },
            "complete": None,
        }


def run() -> Sequence[Section]:
    """The time of each step."""
    with processes.ground() as ground:
        environment = {**ENVIRONMENT, "DATABASE_URL": ground.addresses.owner}
        with processes.serving(ground.data, environment) as server:
            alone, crowd = asyncio.run(_measured(server))
    figures = [_figure(step, alone[step], "one client", STEP_MS) for step in STEPS]
    figures += [_figure(step, crowd[step], f"{CROWD} at once") for step in STEPS]
    return [Section("Onboarding", figures)]


async def _measured(server: Server) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds of each step: of owners one after the other, and of `CROWD` at a time."""
    limits = httpx2.Limits(max_connections=CROWD, max_keepalive_connections=CROWD)
    async with httpx2.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        owners = [await _signed_up(client) for _ in range(2 + ALONE_OWNERS + CROWD * CROWD_ROUNDS)]
        warm, rest = owners[:2], owners[2:]
        for owner in warm:
            await _onboard(client, owner)
        alone = [await _onboard(client, owner) for owner in rest[:ALONE_OWNERS]]
        crowd = []
        for first in range(ALONE_OWNERS, len(rest), CROWD):
            several = (_onboard(client, owner) for owner in rest[first : first + CROWD])
            crowd += await asyncio.gather(*several)
    return _by_step(alone), _by_step(crowd)


async def _signed_up(client: httpx2.AsyncClient) -> Owner:
    body = {
        "email": f"{uuid4().hex}@example.com",
        "password": "trois chats sur un toit",
        "name": "Léa",
        "company_name": "Garage",
    }
    answer = await client.post("/api/v1/auth/signup", json=body)
    answer.raise_for_status()
    client.cookies.clear()
    return Owner(answer.json()["session"]["token"], f"+336{uuid4().int % 10**8:08d}")


async def _onboard(client: httpx2.AsyncClient, owner: Owner) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {owner.token}"}
    took: dict[str, float] = {}
    began = time.perf_counter()
    opened = await client.post(BASE, headers=headers)
    took["session"] = (time.perf_counter() - began) * 1000
    opened.raise_for_status()
    for step, body in owner.bodies().items():
        began = time.perf_counter()
        path = f"{BASE}/{opened.json()['id']}/{step}"
        answer = await client.post(path, json=body, headers=headers)
        took[step] = (time.perf_counter() - began) * 1000
        answer.raise_for_status()
    return took


def _by_step(taken: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {step: [took[step] for took in taken] for step in STEPS}


def _figure(step: str, taken: list[float], who: str, most_ms: float | None = None) -> Figure:
    p50, p95 = median(taken), percentile(taken, 0.95)
    is_met = None if most_ms is None else p95 <= most_ms
    fastest = statistics.quantiles(taken, n=10)[0]
    return Figure(
        f"onboarding, {step}, {who}",
        "" if most_ms is None else f"p95 <= {most_ms:.0f} ms",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms",
        str(len(taken)),
        is_met,
        "" if is_met is not False else f"a tenth took at most {fastest:.0f} ms; the load is above.",
    )
