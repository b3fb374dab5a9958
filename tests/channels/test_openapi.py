"""OpenAPI says what the running server does: every route, field, status and shape."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coccinelle.channels.chat_v2_bodies import ChatOut
from coccinelle.channels.visitor import Visitor

from .conftest import House, Shop

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
async def described(client: httpx2.AsyncClient, house: House) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]


def test_answers_of_the_contract_validate_against_their_own_model() -> None:
    schema = TypeAdapter(ChatOut).json_schema()

    assert schema["required"][:6] == [
        "conversation_id",
        "message",
        "agent",
        "confidence",
        "reasoning",
        "timestamp",
    ]


async def test_every_route_of_the_contracts_is_described(described: dict[str, Any]) -> None:
    names = {name for name, _ in operations(described)}
    contract = {
        f"{method} {prefix}{path}"
        for prefix in ("/api", "/api/v2")
        for method, path in (
            ("POST", "/chat"),
            ("GET", "/conversations/{conversation_id}/messages"),
            ("POST", "/conversations/{conversation_id}/handoff"),
            ("POST", "/turns/{turn_id}/feedback"),
            ("GET", "/rate-limit/{conversation_id}"),
        )
    }
    others = {"POST /webhook/chat", "POST /v1/chat/completions", "GET /v1/models"}

    assert contract | others <= names


async def test_every_status_has_a_description_and_every_refusal_a_shape(
    described: dict[str, Any],
) -> None:
    for name, operation in operations(described):
        statuses = set(operation["responses"])
        assert {"401", "403", "500", "503"} <= statuses, name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            assert all("schema" in media for media in response["content"].values()), (name, status)


async def test_every_field_is_described_with_an_example(described: dict[str, Any]) -> None:
    bare: list[str] = []
    schemas = dict(described["components"]["schemas"])
    for name, operation in operations(described):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body:
            schemas[name] = body["schema"]
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            if not parameter.get("description") or not _has_example(schema, parameter):
                bare.append(f"{name}: {parameter['name']}")
    for name, schema in schemas.items():
        if name in ("HTTPValidationError", "ValidationError"):
            continue
        for field, value in schema.get("properties", {}).items():
            if not value.get("description") or not _has_example(value, value):
                bare.append(f"{name}: {field}")

    assert bare == []


def _has_example(*places: dict[str, Any]) -> bool:
    return any("examples" in place or "example" in place for place in places)


async def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            inner = [found for value in node.values() for found in references(value)]
            return [node["$ref"], *inner] if "$ref" in node else inner
        return [f for item in node for f in references(item)] if isinstance(node, list) else []

    for reference in references(described):
        node: Any = described
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("by", ["api key", "host name"])
async def test_whatever_is_sent_gets_an_answer_that_is_described(
    house: House, shop: Shop, described: dict[str, Any], by: str, mode: GenerationMode
) -> None:
    if by == "api key":
        headers = {"Authorization": f"Bearer {shop.api_key}"}
    else:
        visitor = Visitor(shop.id, f"http://{shop.host}", shop.name("u"), shop.name("c"))
        headers = {"Host": shop.host, "X-Visitor-Token": house.tokens.mint(visitor)}
    schema = schemathesis.openapi.from_dict(described)

    def drive() -> None:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            # What is wrong is sent in bodies: a header or a name in a path can hardly be.
            if mode is GenerationMode.POSITIVE or len(operation.body):
                _drive(operation, house.url, headers, mode)

    await asyncio.to_thread(drive)


def _drive(operation: Any, url: str, headers: dict[str, str], mode: GenerationMode) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def send(case: Any) -> None:
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

    send()
