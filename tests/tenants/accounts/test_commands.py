"""What the operator does for people at a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import httpx2

from coccinelle.foundation.postgres import Addresses
from tests.accounts import PASSWORD, signed_up


async def run(addresses: Addresses, data: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": addresses.owner,
        "COCCINELLE_DATA": str(data),
        "COCCINELLE_PUBLIC_URL": "https://chat.example.com",
        "LANG": "fr_FR.UTF-8",
    }
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "coccinelle.cli.main",
        "accounts",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await running.communicate()
    return running.returncode or 0, printed.decode().strip()


async def test_the_operator_gives_somebody_a_link_for_a_new_password(
    visitor: httpx2.AsyncClient, addresses: Addresses, tmp_path: Path
) -> None:
    lea = await signed_up(visitor)

    code, link = await run(addresses, tmp_path, "reset-link", lea.email.upper())
    unknown = await run(addresses, tmp_path, "reset-link", "nobody@example.com")
    base, _, token = link.partition("?token=")
    body = {"token": token, "password": "un autre chat sur le toit"}
    answer = await visitor.post("/api/v1/auth/password/reset", json=body)

    assert (code, base) == (0, "https://chat.example.com/reset")
    assert answer.status_code == 204
    assert unknown == (1, "Aucun compte n'a cette adresse.")


async def test_the_operator_invites_the_owner_of_a_business_that_has_none(
    visitor: httpx2.AsyncClient, addresses: Addresses, tmp_path: Path
) -> None:
    lea, email = await signed_up(visitor), f"{uuid4().hex}@example.com"

    code, link = await run(addresses, tmp_path, "invite", email, "--tenant", lea.slug)
    body = {"token": link.partition("?token=")[2], "name": "Ida", "password": PASSWORD}
    answer = await visitor.post("/api/v1/auth/invitations/accept", json=body)
    listed = await run(addresses, tmp_path, "list")

    assert code == 0
    assert (answer.status_code, answer.json()["role"]) == (201, "owner")
    assert f"{email}\tIda\t{lea.slug}:owner" in listed[1].splitlines()
