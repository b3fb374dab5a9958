"""Figures: counted where things happen, told in Prometheus's words."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from coccinelle.foundation import metrics


def figure(name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return 0.0


def test_a_turn_counts_once_with_its_times_and_steps() -> None:
    before = figure("coccinelle_turns_total", channel="cli", outcome="answered")
    steps = figure("coccinelle_turn_step_seconds_sum", step="route")
    metrics.count_turn(
        channel="cli",
        outcome="answered",
        latency_ms=1200,
        first_text_ms=None,
        steps=[("admit", 5), ("route", 250)],
    )
    assert figure("coccinelle_turns_total", channel="cli", outcome="answered") == before + 1
    assert figure("coccinelle_turn_step_seconds_sum", step="route") == pytest.approx(steps + 0.25)


def test_a_model_call_counts_its_tokens_and_its_cost() -> None:
    for _ in range(2):
        metrics.count_model_call(
            task="answer",
            model="m",
            outcome="ok",
            prompt_tokens=100,
            completion_tokens=10,
            cost_microeur=42,
        )
    assert figure("coccinelle_model_calls_total", model="m", outcome="ok") == 2
    assert figure("coccinelle_model_tokens_total", model="m", direction="prompt") == 200
    assert figure("coccinelle_cost_microeur_total", model="m") == 84


async def test_requests_are_counted_by_route_and_not_by_what_was_asked() -> None:
    app = FastAPI()

    @app.get("/things/{name}")
    async def thing(name: str) -> str:
        if name == "broken":
            raise ValueError
        return name

    counted = metrics.CountRequests(app)
    unknown = figure("coccinelle_http_requests_total", route="", status="404", method="GET")
    transport = httpx2.ASGITransport(counted, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        for path in ("/things/a", "/things/b", "/things/broken", "/nothing"):
            await asking.get(path)
        await asking.request("BREW", "/things/a")
    route = "/things/{name}"
    assert figure("coccinelle_http_requests_total", route=route, status="200") == 2
    assert figure("coccinelle_http_requests_total", route=route, status="500") == 1
    assert (
        figure("coccinelle_http_requests_total", route="", status="404", method="GET")
        == unknown + 1
    )
    assert figure("coccinelle_http_requests_total", method="other", status="405") == 1
    assert figure("coccinelle_http_request_seconds_count", route=route) >= 3


def test_every_figure_says_what_it_counts() -> None:
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert len(families) > 15
    assert [family.name for family in families if len(family.documentation) < 15] == []
    assert {family.name.partition("_")[0] for family in families} == {"coccinelle"}
