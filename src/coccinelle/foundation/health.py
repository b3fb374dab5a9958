"""Health that tells the truth: what we depend on is really asked, each within a second.

`/live` says that the process runs, `/ready` whether it can serve now, `/health` the same and that
the demo, where there is one, can be searched. All but `/live` name what does not answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

import coccinelle
from coccinelle.foundation import metrics
from coccinelle.foundation.clock import elapsed_ms, now, rfc3339
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.settings import Settings

Check = Callable[[], Awaitable[str | None]]
"""Asks one dependency; returns a remark or None, and raises when it does not answer."""

CACHED_SECONDS = 2.0
BOUND_SECONDS = 1.0
NEEDED = frozenset({"database"})
DEMO = "demo"

log = structlog.get_logger(__name__)


class Down(Exception):
    """A dependency does not do what we need of it. Its text is ours, and public."""


@dataclass(frozen=True)
class Service:
    """What the last check of a dependency found."""

    ok: bool
    checked_at: datetime
    latency_ms: int
    note: str | None = None


@dataclass(frozen=True)
class Report:
    """The services by name, all of them asked in the last few seconds."""

    services: Mapping[str, Service]

    def serves(self, *needed: str) -> bool:
        """Whether the database, and each service of `needed` that there is, answers."""
        wanted = NEEDED.union(needed) & self.services.keys()
        return all(self.services[name].ok for name in wanted)

    @property
    def status(self) -> str:
        """`ok`, `degraded` when something that we can do without is down, or `unavailable`."""
        if not self.serves():
            return "unavailable"
        return "ok" if all(service.ok for service in self.services.values()) else "degraded"


class Health:
    """Asks each of `checks` at most every two seconds, all at once, however many ask us."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._found: dict[str, Service] = {}
        self._asked_at = float("-inf")
        self._turn = asyncio.Lock()
        self.leaving = False

    def leave(self) -> None:
        """From here on `/ready` is 503: a load balancer sends the next request elsewhere."""
        self.leaving = True

    async def report(self) -> Report:
        """What there is to say now; never later than a second from now, and never an exception."""
        async with self._turn:
            if time.monotonic() - self._asked_at >= CACHED_SECONDS:
                await self._ask_all()
                self._asked_at = time.monotonic()
        return Report(dict(self._found))

    async def _ask_all(self) -> None:
        answers = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
        for name, service in zip(self._checks, answers, strict=True):
            before = self._found.get(name)
            if before is not None and before.ok != service.ok:
                log.warning("service_changed", service=name, status="ok" if service.ok else "down")
            metrics.HEALTH.labels(name).set(service.ok)
            self._found[name] = service


async def _ask(check: Check) -> Service:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            note, ok = await check(), True
    except Down as error:
        note, ok = str(error), False
    except CoccinelleError as error:
        note, ok = error.code, False
    except TimeoutError:
        note, ok = "timeout", False
    except Exception as error:  # noqa: BLE001 - whatever breaks a check, it did not succeed
        log.warning("check_failed", code=type(error).__name__, pii={"message": str(error)})
        note, ok = "error", False
    return Service(ok, now(), round(elapsed_ms(began)), note)


def routes(health: Health, settings: Settings) -> APIRouter:
    """Health, readiness, liveness, and the metrics for whoever may read them."""
    router = APIRouter(include_in_schema=False)

    async def answer() -> Response:
        report = await health.report()
        return _response(report, serves=report.serves())

    async def with_demo() -> Response:
        report = await health.report()
        return _response(report, serves=report.serves(DEMO))

    async def ready() -> Response:
        report = await health.report()
        return _response(report, serves=report.serves() and not health.leaving)

    async def live() -> Response:
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    async def figures(request: Request) -> Response:
        if not (settings.metrics_public or _is_near(request)):
            return Response(status_code=404)
        await health.report()
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    for path in ("/api/health", "/api/v2/health"):
        router.add_api_route(path, answer, methods=["GET", "HEAD"])
    router.add_api_route("/health", with_demo, methods=["GET", "HEAD"])
    router.add_api_route("/ready", ready, methods=["GET", "HEAD"])
    router.add_api_route("/live", live, methods=["GET", "HEAD"])
    router.add_api_route("/metrics", figures, methods=["GET"])
    return router


_FRESH = {"Cache-Control": "no-store"}


def _response(report: Report, *, serves: bool) -> Response:
    status = report.status if serves else "unavailable"
    body = {
        "status": status,
        "timestamp": rfc3339(now()),
        "version": coccinelle.__version__,
        "services": {name: _described(service) for name, service in report.services.items()},
    }
    headers = _FRESH if serves else {**_FRESH, "Retry-After": "5"}
    return JSONResponse(body, status_code=200 if serves else 503, headers=headers)


def _described(service: Service) -> dict[str, object]:
    said: dict[str, object] = {"ok": service.ok, "checked_at": rfc3339(service.checked_at)}
    said["latency_ms"] = service.latency_ms
    return said if service.note is None else {**said, "note": service.note}


def _is_near(request: Request) -> bool:
    """Whether the request came over loopback, and not through a proxy on this machine."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
