"""Sign-ups that are killed: at the first moment, then at the second, until one lives.

    python -m tests.tenants.accounts.dying ADDRESS

A moment is before or after a statement. It prints each address that was tried, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from uuid import uuid4

from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.accounts.model import AccountRules, Device
from coccinelle.tenants.accounts.passwords import Passwords
from tests.journeys.watched import Reaper, WatchedDatabase

RULES = AccountRules(signups_per_hour=100_000)


def main(address: str) -> None:
    for dies_at in range(1, 200):
        email = f"lea-{uuid4().hex[:12]}@example.com"
        say({"email": email})
        child = os.fork()
        if child == 0:
            asyncio.run(_dying(address, email, dies_at))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            say({"lived": dies_at})
            return


async def _dying(address: str, email: str, dies_at: int) -> None:
    reaper = Reaper(dies_at)
    database = WatchedDatabase(address, reaper)
    await database.open()
    reaper.is_armed = True
    await Entrance(database, Passwords(), RULES).sign_up(
        email=email,
        password="trois chats sur un toit",
        name="Léa Martin",
        company_name="Garage du Port",
        locale="fr",
        device=Device("127.0.0.1", "tests"),
    )


def say(line: dict[str, object]) -> None:
    """Written at once: what is told before a death has been told."""
    os.write(1, f"{json.dumps(line)}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
