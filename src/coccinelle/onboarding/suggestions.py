"""What the site of a business says of it, proposed: read by a worker, looked at, forgotten.

Nothing of the business is written: a proposal is a row of its session, and expires after a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time
from typing import Any, Literal, Protocol
from uuid import UUID

from psycopg.types.json import Jsonb

from coccinelle.foundation import i18n
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, NotFound, Unavailable
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import TenantId, uuid7
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.knowledge.suggest import Opening, Proposal, Service, Suggestion, suggest
from coccinelle.providers.language.model import LanguageModel, ModelCall

State = Literal["reading", "done", "failed"]


class SuggestionNotFound(NotFound):
    """Nothing was proposed in this session, or it is too long ago."""

    default_code = "suggestion_not_found"


class Reading(Protocol):
    """The parts of the house that a reading needs."""

    @property
    def db(self) -> Database: ...
    @property
    def outgoing(self) -> Outgoing: ...
    @property
    def usual_model(self) -> LanguageModel | None: ...


@dataclass(frozen=True)
class Proposed:
    """A proposal, as far as it is; `found` when it is done."""

    id: UUID
    website: str
    state: State
    failure_code: str | None
    failure_values: dict[str, Any] | None
    found: Suggestion | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime

    def failure(self, locale: Locale) -> str | None:
        """Why the site could not be read, in words."""
        if self.failure_code is None:
            return None
        return i18n.sentence(self.failure_code, locale, **(self.failure_values or {}))


async def get(tx: TenantTx, session_id: UUID) -> Proposed:
    """What is proposed in a session. Raises `SuggestionNotFound`, also of no such session."""
    found = await known(tx, session_id)
    if found is None:
        raise SuggestionNotFound
    return found


async def known(tx: TenantTx, session_id: UUID) -> Proposed | None:
    """What is proposed in a session; None where nothing is, or not any more."""
    rows = await tx.records(
        "SELECT id, website, state, failure_code, failure_values, found, created_at, finished_at,"
        " expires_at FROM onboarding_suggestions"
        " WHERE tenant_id = %s AND session_id = %s AND expires_at >= now()",
        [tx.tenant_id, session_id],
    )
    if not rows:
        return None
    return Proposed(**{**rows[0], "found": _suggestion(rows[0]["found"])})


async def insert(tx: TenantTx, session_id: UUID, website: str) -> UUID:
    """The id of a new reading, in the place of any other of the session."""
    reading_id = uuid7()
    await tx.run(
        "INSERT INTO onboarding_suggestions (tenant_id, session_id, id, website)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (tenant_id, session_id) DO UPDATE"
        " SET id = excluded.id, website = excluded.website, state = 'reading',"
        " failure_code = NULL, failure_values = NULL, found = NULL, finished_at = NULL,"
        " created_at = excluded.created_at, expires_at = excluded.expires_at",
        [tx.tenant_id, session_id, reading_id, website],
    )
    return reading_id


async def read(services: Reading, tenant_id: TenantId, session_id: UUID, reading_id: UUID) -> None:
    """Read the site and keep what it proposes; replaced or done before, it does nothing.

    A site that cannot be read is a proposal that failed, with its reason: it is not tried again.

    Raises:
        Unavailable: the database is down.
    """
    async with services.db.tenant(tenant_id) as tx:
        asked = await known(tx, session_id)
    if asked is None or asked.id != reading_id or asked.state != "reading":
        return
    calls: list[ModelCall] = []
    try:
        found = await suggest(
            services.outgoing, asked.website, model=services.usual_model, calls=calls
        )
    except Unavailable:
        raise
    except CoccinelleError as error:
        await give_up(services.db, tenant_id, session_id, reading_id, error.code, error.values)
        return
    async with services.db.tenant(tenant_id) as tx:
        await tx.run(
            "UPDATE onboarding_suggestions SET state = 'done', found = %s,"
            " cost_microeur = cost_microeur + %s, finished_at = clock_timestamp()"
            " WHERE tenant_id = %s AND session_id = %s AND id = %s AND state = 'reading'",
            [Jsonb(_record(found)), sum(call.usage.cost_microeur for call in calls)]
            + [tx.tenant_id, session_id, reading_id],
        )


async def give_up(
    db: Database,
    tenant_id: TenantId,
    session_id: UUID,
    reading_id: UUID,
    code: str,
    values: Mapping[str, object] | None = None,
) -> None:
    """Say on the proposal why there is none."""
    async with db.tenant(tenant_id) as tx:
        await tx.run(
            "UPDATE onboarding_suggestions SET state = 'failed', failure_code = %s,"
            " failure_values = %s, finished_at = clock_timestamp()"
            " WHERE tenant_id = %s AND session_id = %s AND id = %s AND state = 'reading'",
            [code, Jsonb({name: str(value) for name, value in (values or {}).items()})]
            + [tx.tenant_id, session_id, reading_id],
        )


async def forget_old(tx: TenantTx) -> int:
    """Forget what expired; returns how many."""
    return await tx.run(
        "DELETE FROM onboarding_suggestions WHERE tenant_id = %s AND expires_at < now()",
        [tx.tenant_id],
    )


def _record(found: Suggestion) -> dict[str, Any]:
    record = asdict(found)
    for opening in record["hours"]:
        opening |= {"opens": f"{opening['opens']:%H:%M}", "closes": f"{opening['closes']:%H:%M}"}
    return record


def _suggestion(record: dict[str, Any] | None) -> Suggestion | None:
    """The inverse of `_record`."""
    if record is None:
        return None
    told = {
        name: Proposal(**record[name]) if record[name] else None
        for name in ("name", "phone", "email", "address", "tone")
    }
    return Suggestion(
        website=record["website"],
        pages=tuple(record["pages"]),
        hours=tuple(_opening(one) for one in record["hours"]),
        closed_days=tuple(record["closed_days"]),
        services=tuple(Service(**one) for one in record["services"]),
        **told,
    )


def _opening(record: dict[str, Any]) -> Opening:
    opens, closes = (time.fromisoformat(record[name]) for name in ("opens", "closes"))
    return Opening(**{**record, "opens": opens, "closes": closes})
