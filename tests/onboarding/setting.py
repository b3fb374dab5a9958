"""An owner who goes from step to step, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID, uuid4

from coccinelle.appointments.model import Closure, NewMember, Opening
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge.model import Question
from coccinelle.onboarding import actions
from coccinelle.onboarding.actions import Chosen
from coccinelle.onboarding.model import Session
from coccinelle.tenants.audit import OPERATOR

WEEK = [Opening(day, time(8), time(12)) for day in range(1, 6)]
WEEK += [Opening(day, time(14), time(17, 30)) for day in range(1, 6)]
CLOSURE = Closure(date(2099, 8, 2), date(2099, 8, 23), "congés d'été")
NO_SESSION = UUID(int=0)
STEPS = ("business", "staff", "assistant", "knowledge", "complete")


def number() -> str:
    """A French number that nobody has had; of the range kept for fiction and tests."""
    return f"+336395{uuid4().int % 100_000:05d}"


@dataclass
class Owner:
    """Somebody who sets up her business, one transaction a step."""

    db: Database
    tenant_id: TenantId
    session_id: UUID = NO_SESSION
    phone: str = ""

    async def open(self) -> Session:
        async with self.db.tenant(self.tenant_id) as tx:
            session, _ = await actions.open_session(tx, OPERATOR)
        self.session_id = session.id
        self.phone = self.phone or number()
        return session

    async def do(self, step: str, **more: Any) -> Session:
        async with self.db.tenant(self.tenant_id) as tx:
            return await self.step(tx, step, **more)

    async def step(self, tx: TenantTx, step: str, **more: Any) -> Session:
        """The step as most owners do it; `more` says it otherwise."""
        if step == "business":
            facts: dict[str, Any] = {
                "company_name": "Garage Dupont",
                "phone": "01 99 00 45 67",
            } | more
            return await actions.save_business(
                tx, OPERATOR, self.session_id, sector=facts.pop("sector", "garage"), facts=facts
            )
        if step == "staff":
            said: dict[str, Any] = {
                "members": [NewMember("Ana", phone="06 39 98 12 34")],
                "hours": WEEK,
            } | more
            return await actions.save_staff(tx, OPERATOR, self.session_id, **said)
        if step == "assistant":
            chosen = Chosen(
                **{"agent_type": "multi_purpose", "name": "Leyna", "phone_number": self.phone}
                | more
            )
            return await actions.save_assistant(tx, OPERATOR, self.session_id, chosen)
        if step == "knowledge":
            told: dict[str, Any] = {
                "website": "www.garage-dupont.example",
                "documents": [("Garantie", "Les réparations sont garanties un an.")],
                "faqs": [Question("Prenez-vous la carte ?", "Oui, la carte est acceptée.")],
            }
            return await actions.save_knowledge(tx, OPERATOR, self.session_id, **(told | more))
        return await actions.complete(tx, OPERATOR, self.session_id)

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the steps write, without times and ids."""
        queries = {
            "tenants": "SELECT company_name, sector, phone, website, described_at IS NOT NULL,"
            " closes_on_public_holidays FROM tenants",
            "staff": "SELECT name, email, phone, position FROM staff ORDER BY position",
            "opening_hours": "SELECT weekday, opens, closes FROM opening_hours ORDER BY 1, 2",
            "closures": "SELECT starts_on, ends_on, reason FROM closures ORDER BY 1",
            "agents": "SELECT a.key, v.name, v.greeting, v.type FROM agents a"
            " JOIN agent_versions v ON v.id = a.live_version_id ORDER BY a.position",
            "versions": "SELECT count(*) FROM agent_versions",
            "phone_numbers": "SELECT e164, channel, verified_at, active_since FROM phone_numbers",
            "sources": "SELECT kind, title, url, slot FROM sources ORDER BY slot",
            "sessions": "SELECT current_step, agent_id IS NOT NULL, completed_at IS NOT NULL"
            " FROM onboarding_sessions ORDER BY started_at",
            "events": "SELECT step, kind FROM onboarding_events WHERE kind <> 'failed'"
            " ORDER BY happened_at, id",
            "audit": "SELECT action FROM audit_events ORDER BY id",
        }
        async with self.db.tenant(self.tenant_id) as tx:
            found = {}
            for name, query in queries.items():
                found[name] = [tuple(row.values()) for row in await tx.records(query)]
            sources = [row["id"] for row in await tx.records("SELECT id::text AS id FROM sources")]
            await tx.run("SET LOCAL ROLE coccinelle_worker")
            jobs = await tx.records(
                "SELECT args ->> 'source_id' AS id FROM procrastinate.procrastinate_jobs"
                " WHERE args ->> 'tenant_id' = %s",
                [str(self.tenant_id)],
            )
        read = [row["id"] for row in jobs]
        found["jobs"] = [(len(read), len(set(sources) - set(read)), len(set(read) - set(sources)))]
        return found


def done(session: Session) -> set[str]:
    """The steps of which the rows are there."""
    return {progress.step for progress in session.steps if progress.done}
