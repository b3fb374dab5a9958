"""The recorded requests of every contract get the recorded answers."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from .conftest import House, Shop

RECORDED = Path(__file__).parent.parent / "contracts"


@pytest.mark.parametrize("contract", ["chat_v2", "webhook_v1", "openai"])
async def test_recorded_requests_get_the_recorded_answers(
    contract: str, client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    exchanges = json.loads((RECORDED / f"{contract}.json").read_text("utf-8"))
    assert exchanges
    for exchange in exchanges:
        request, expected = _filled(exchange["request"], shop), _filled(exchange["answer"], shop)
        answer = await client.request(
            request["method"], request["path"], headers=request["headers"], json=request.get("body")
        )
        assert answer.status_code == expected["status"], (exchange["name"], answer.text)
        for name, value in expected.get("headers", {}).items():
            assert _fits(answer.headers.get(name), value), (exchange["name"], name)
        if "body" in expected:
            assert _fits(answer.json(), expected["body"]), (exchange["name"], answer.text)


def _filled(value: Any, shop: Shop) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, shop) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, shop) for item in value]
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\{\d+\}", value):
        return "x" * int(value[1:-1])
    for name in ("host", "public_key", "api_key", "marker"):
        value = value.replace(f"{{{name}}}", str(getattr(shop, name)))
    return value


def _fits(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        same_keys = isinstance(found, dict) and list(found) == list(expected)
        return same_keys and all(_fits(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        same_length = isinstance(found, list) and len(found) == len(expected)
        return same_length and all(map(_fits, found, expected))
    if expected == "<any>":
        return found is not None
    if expected == "<text>":
        return isinstance(found, str) and found != ""
    if expected == "<uuid>":
        return str(UUID(found)) == str(found)
    if expected == "<time>":
        return str(found).endswith("Z") and datetime.fromisoformat(found).tzinfo is not None
    return bool(found == expected)
