"""Every command of one business, given the ids of another, changes nothing there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from coccinelle.cli.main import app
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import HandoffId
from coccinelle.foundation.postgres import Addresses
from coccinelle.handoffs import actions as handoffs
from coccinelle.knowledge import actions as knowledge
from coccinelle.tenants import store as tenants
from tests.cli.typed import typed
from tests.house.test_tenants_apart import QUESTION, fingerprint
from tests.living import Business, client, living, move_in

AGENT = """
[[agents]]
key = "audrey"
name = "Intruse"
description = "d"
persona = "p"
greeting = "g"
fallback_message = "f"
composer_intro = "c"
"""

# Commands that are about the installation, or make a tenant of their own.
OF_THE_OPERATOR = {
    "serve",
    "worker",
    "migrate",
    "settings",
    "tenants create",
    "tenants list",
    "eval retrieval",
    "demo load",
    "accounts list",
    "accounts reset-link",
    "onboarding funnel",
}


@dataclass(frozen=True)
class Street:
    """Two businesses, and what belongs to the first one."""

    rivoli: Business
    nordlys: Business
    handoff_id: HandoffId
    key_id: str
    public_key_id: str
    source_id: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
async def street(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Street:
    data = tmp_path_factory.mktemp("commands")
    async with living(addresses, data) as (house, url):
        rivoli, nordlys = await move_in(house, "rivoli"), await move_in(house, "nordlys")
        async with client(url, rivoli) as customer:
            body = {"user_id": "u", "conversation_id": "c", "message": QUESTION}
            assert (await customer.post("/api/chat", json=body)).status_code == 200
        async with house.db.tenant(rivoli.id) as tx:
            row = await tx.value("SELECT id FROM conversations WHERE tenant_id = %s", [rivoli.id])
            handoff_id = await handoffs.open(tx, conversation_id=row, reason="asked")
            keys = {key["kind"]: str(key["id"]) for key in await tenants.keys(tx)}
            source_id = str((await knowledge.listed(tx, limit=1))[0][0].id)
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": addresses.owner,
        "COCCINELLE_DATA": str(data),
        "LANG": "fr_FR.UTF-8",
    }
    return Street(rivoli, nordlys, handoff_id, keys["api"], keys["public"], source_id, environment)


def commands(street: Street, folder: Path) -> dict[str, tuple[list[str], str]]:
    """For each command: its arguments, the second business's name and the first one's ids."""
    (folder / "agents.toml").write_text(AGENT)
    (folder / "note.txt").write_text("Nous fermons le lundi.")
    (folder / "routing.jsonl").write_text('{"text": "bonjour", "expected": "audrey"}\n')
    mine = ["--tenant", street.nordlys.slug]
    host = f"chat-{street.nordlys.slug}.localhost"
    return {
        "ingest": ([str(folder / "note.txt"), *mine], ""),
        "search": ([QUESTION, *mine], ""),
        "chat": (mine, f"{QUESTION}\n"),
        "sources list": (mine, ""),
        "sources remove": ([street.source_id, *mine], ""),
        "sources refresh": ([street.source_id, *mine], ""),
        "tenants update": ([street.nordlys.slug, "--name", "Nordlys"], ""),
        "tenants domain add": ([street.rivoli.host, *mine], ""),
        "tenants domain remove": ([street.rivoli.host, *mine], ""),
        "agents publish": ([str(folder / "agents.toml"), *mine], ""),
        "agents list": (mine, ""),
        "keys create": (["api", "--name", host, *mine], ""),
        "keys list": (mine, ""),
        "keys revoke": ([street.key_id, *mine], ""),
        "keys origins": ([street.public_key_id, "--origin", "https://x.example", *mine], ""),
        "keys identity": ([street.public_key_id, "--rotate", *mine], ""),
        "widget show": (mine, ""),
        "widget set": (["--color", "#123456", *mine], ""),
        "gaps list": (mine, ""),
        "eval routing": ([str(folder / "routing.jsonl"), *mine], ""),
        "eval exam": (mine, ""),
        "handoffs list": (mine, ""),
        "accounts invite": (["paul@example.com", *mine], ""),
        "handoffs close": ([str(street.handoff_id), *mine], ""),
    }


# What names a thing of the other business is refused; the others do their own business's work.
REFUSED = {
    "sources remove",
    "sources refresh",
    "tenants domain add",
    "tenants domain remove",
    "keys revoke",
    "keys origins",
    "keys identity",
    "handoffs close",
}


def leaves(command: Any, path: str = "") -> Iterator[str]:
    """Every command that can be typed below this one, or itself."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path.strip()
        return
    for name, one in below.items():
        yield from leaves(one, f"{path} {name}")


def test_every_command_is_known_here(street: Street, tmp_path: Path) -> None:
    typed = set(leaves(typer.main.get_command(app)))

    assert typed == OF_THE_OPERATOR | set(commands(street, tmp_path))


def test_no_command_reaches_another_business(
    street: Street, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    before = fingerprint(server, street.rivoli.id)
    wrong = []

    for name, (arguments, said) in commands(street, tmp_path).items():
        done = typed(*name.split(), *arguments, environment=street.environment, said=said)
        printed = done.stdout + done.stderr
        if (done.returncode == 0) == (name in REFUSED) or "Traceback" in printed:
            wrong.append((name, done.returncode, printed[-500:]))
        if street.rivoli.canary in printed:
            wrong.append((name, done.returncode, "a canary"))

    assert wrong == []
    assert fingerprint(server, street.rivoli.id) == before
