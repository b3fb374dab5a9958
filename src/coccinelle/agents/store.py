"""Rows of agents and of their versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from coccinelle.agents.model import (
    Agent,
    AgentType,
    Configuration,
    LegacyType,
    Setting,
    Voice,
)
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import AgentId, AgentVersionId


class AgentKeyTaken(Conflict):
    """The tenant already has an agent of this key."""

    default_code = "agent_key_taken"


@dataclass(frozen=True)
class _Said:
    """The columns that a configuration is kept in."""

    name: str
    description: str
    persona: str
    greeting: str
    fallback_message: str
    composer_intro: str
    language: str
    keywords: list[str]
    examples: list[str]
    models: list[str]
    temperature: float
    legacy_type: LegacyType | None
    type: AgentType
    voice_provider: str
    voice_id: str
    voice_language: str
    voice_settings: dict[str, Setting]
    enable_appointments: bool
    enable_products: bool

    @property
    def configuration(self) -> Configuration:
        """As it is spoken of."""
        own = tuple(sorted(self.voice_settings.items()))
        return Configuration(
            name=self.name,
            description=self.description,
            persona=self.persona,
            greeting=self.greeting,
            fallback_message=self.fallback_message,
            composer_intro=self.composer_intro,
            language=self.language,
            keywords=tuple(self.keywords),
            examples=tuple(self.examples),
            models=tuple(self.models),
            temperature=self.temperature,
            legacy_type=self.legacy_type,
            type=self.type,
            voice=Voice(self.voice_provider, self.voice_id, self.voice_language, own),
            enable_appointments=self.enable_appointments,
            enable_products=self.enable_products,
        )


@dataclass(frozen=True)
class _LiveRow(_Said):
    id: AgentId
    version_id: AgentVersionId
    key: str
    position: int


@dataclass(frozen=True)
class AgentRow:
    """An agent without what it says."""

    id: AgentId
    key: str
    position: int
    revision: int
    live_version_id: AgentVersionId | None


@dataclass(frozen=True)
class VersionRow(_Said):
    """A version, or a draft: that has no `published_at`. `by` is its author's name."""

    id: AgentVersionId
    agent_id: AgentId
    number: int | None
    published_at: datetime | None
    saved_at: datetime
    based_on: int | None
    by: str | None


_VERSION = (
    "SELECT v.id, v.agent_id, v.number, v.published_at, v.saved_at, v.based_on, u.name AS by,"
    " v.name, v.description, v.persona, v.greeting, v.fallback_message, v.composer_intro,"
    " v.language, v.keywords, v.examples, v.models, v.temperature, v.legacy_type, v.type,"
    " v.voice_provider, v.voice_id, v.voice_language, v.voice_settings, v.enable_appointments,"
    " v.enable_products FROM agent_versions v JOIN agents a ON a.tenant_id = v.tenant_id"
    " AND a.id = v.agent_id LEFT JOIN users u ON u.id = v.author_id WHERE v.tenant_id = %(tenant)s"
)


async def insert_agent(tx: TenantTx, *, agent_id: AgentId, key: str, position: int) -> None:
    try:
        await tx.run(
            "INSERT INTO agents (id, tenant_id, key, position) VALUES (%s, %s, %s, %s)",
            [agent_id, tx.tenant_id, key, position],
        )
    except UniqueViolation as error:
        raise AgentKeyTaken from error


async def insert_version(
    tx: TenantTx,
    *,
    version_id: AgentVersionId,
    agent_id: AgentId,
    configuration: Configuration,
    author_id: UUID | None,
    based_on: int | None,
) -> int:
    """Published with the next number, which is given back."""
    columns, values = _said(configuration)
    number: int = await tx.value(
        "INSERT INTO agent_versions (id, tenant_id, agent_id, author_id, based_on, published_at,"
        f" number, {', '.join(columns)}) SELECT %s, %s, %s, %s, %s, now(),"
        f" coalesce(max(number), 0) + 1, {_marks(columns)}"
        " FROM agent_versions WHERE tenant_id = %s AND agent_id = %s RETURNING number",
        [version_id, tx.tenant_id, agent_id, author_id, based_on, *values]
        + [tx.tenant_id, agent_id],
    )
    return number


async def save_draft(
    tx: TenantTx,
    *,
    version_id: AgentVersionId,
    agent_id: AgentId,
    configuration: Configuration,
    author_id: UUID | None,
    based_on: int | None,
) -> None:
    """The agent's one draft; one that there is stays based on what it is based on."""
    columns, values = _said(configuration)
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns)
    await tx.run(
        "INSERT INTO agent_versions (id, tenant_id, agent_id, author_id, based_on,"
        f" {', '.join(columns)}) VALUES (%s, %s, %s, %s, %s, {_marks(columns)})"
        " ON CONFLICT (tenant_id, agent_id) WHERE published_at IS NULL DO UPDATE"
        f" SET author_id = excluded.author_id, saved_at = now(), {changed}",
        [version_id, tx.tenant_id, agent_id, author_id, based_on, *values],
    )


async def publish_draft(tx: TenantTx, *, agent_id: AgentId, author_id: UUID | None) -> int | None:
    """The draft is the next version, whose number is given back; None where there is no draft."""
    number: int | None = await tx.value(
        "UPDATE agent_versions SET published_at = now(), author_id = %s, number = 1 + coalesce(("
        "SELECT max(v.number) FROM agent_versions v WHERE v.tenant_id = %s AND v.agent_id = %s), 0)"
        " WHERE tenant_id = %s AND agent_id = %s AND published_at IS NULL RETURNING number",
        [author_id, tx.tenant_id, agent_id, tx.tenant_id, agent_id],
    )
    return number


async def delete_draft(tx: TenantTx, *, agent_id: AgentId) -> int:
    return await tx.run(
        "DELETE FROM agent_versions WHERE tenant_id = %s AND agent_id = %s"
        " AND published_at IS NULL",
        [tx.tenant_id, agent_id],
    )


async def delete_agent(tx: TenantTx, *, agent_id: AgentId) -> int:
    """Only one that was never published."""
    return await tx.run(
        "DELETE FROM agents WHERE tenant_id = %(tenant)s AND id = %(agent)s AND NOT EXISTS"
        " (SELECT FROM agent_versions WHERE tenant_id = %(tenant)s AND agent_id = %(agent)s"
        " AND published_at IS NOT NULL)",
        {"tenant": tx.tenant_id, "agent": agent_id},
    )


async def let_answer(tx: TenantTx, *, agent_id: AgentId, number: int | None) -> None:
    """That version from now on; None: the agent answers no longer."""
    await tx.run(
        "UPDATE agents SET live_version_id = (SELECT id FROM agent_versions WHERE tenant_id ="
        " %(tenant)s AND agent_id = %(agent)s AND number = %(number)s)"
        " WHERE tenant_id = %(tenant)s AND id = %(agent)s",
        {"tenant": tx.tenant_id, "agent": agent_id, "number": number},
    )


async def next_revision(tx: TenantTx, *, agent_id: AgentId, seen: int | None) -> int | None:
    """The agent's new revision, and nobody else changes it until `tx` ends; None where it is not
    as it was `seen`."""
    revision: int | None = await tx.value(
        "UPDATE agents SET revision = revision + 1 WHERE tenant_id = %(tenant)s AND id = %(agent)s"
        " AND (%(seen)s::integer IS NULL OR revision = %(seen)s) RETURNING revision",
        {"tenant": tx.tenant_id, "agent": agent_id, "seen": seen},
    )
    return revision


async def one_at_a_time(tx: TenantTx) -> None:
    """Wait until nobody else makes, retires or orders agents of this business."""
    await tx.run("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", [tx.tenant_id])


async def put_in_order(tx: TenantTx, keys: Sequence[str]) -> None:
    await tx.run(
        "UPDATE agents SET position = wanted.place - 1"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (key, place)"
        " WHERE tenant_id = %s AND agents.key = wanted.key AND position <> wanted.place - 1",
        [list(keys), tx.tenant_id],
    )


async def live_agents(tx: TenantTx) -> list[Agent]:
    rows = await tx.all(
        _LiveRow,
        "SELECT a.id, v.id AS version_id, a.key, a.position, v.name, v.description, v.persona,"
        " v.greeting, v.fallback_message, v.composer_intro, v.language, v.keywords, v.examples,"
        " v.models, v.temperature, v.legacy_type, v.type, v.voice_provider, v.voice_id,"
        " v.voice_language, v.voice_settings, v.enable_appointments, v.enable_products"
        " FROM agents a JOIN agent_versions v"
        " ON v.tenant_id = a.tenant_id AND v.id = a.live_version_id"
        " WHERE a.tenant_id = %s ORDER BY a.position, a.key",
        [tx.tenant_id],
    )
    return [Agent(row.id, row.version_id, row.key, row.position, row.configuration) for row in rows]


async def agents(tx: TenantTx) -> list[AgentRow]:
    """All of them, live or not, in their order."""
    return await tx.all(
        AgentRow,
        "SELECT id, key, position, revision, live_version_id FROM agents WHERE tenant_id = %s"
        " ORDER BY position, key",
        [tx.tenant_id],
    )


async def current(tx: TenantTx, *, key: str | None = None) -> list[VersionRow]:
    """Of each agent, or of one: its draft, its live version and its newest one."""
    return await tx.all(
        VersionRow,
        _VERSION + " AND (%(key)s::text IS NULL OR a.key = %(key)s) AND (v.published_at IS NULL"
        " OR v.id = a.live_version_id OR v.number = (SELECT max(n.number) FROM agent_versions n"
        " WHERE n.tenant_id = v.tenant_id AND n.agent_id = v.agent_id))",
        {"tenant": tx.tenant_id, "key": key},
    )


async def version(tx: TenantTx, *, agent_id: AgentId, number: int) -> VersionRow | None:
    return await tx.maybe(
        VersionRow,
        _VERSION + " AND v.agent_id = %(agent)s AND v.number = %(number)s",
        {"tenant": tx.tenant_id, "agent": agent_id, "number": number},
    )


async def versions(
    tx: TenantTx, *, agent_id: AgentId, limit: int, before: int | None = None
) -> list[VersionRow]:
    """Those that were published, newest first."""
    return await tx.all(
        VersionRow,
        _VERSION + " AND v.agent_id = %(agent)s AND v.published_at IS NOT NULL"
        " AND (%(before)s::integer IS NULL OR v.number < %(before)s)"
        " ORDER BY v.number DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "agent": agent_id, "before": before, "limit": limit},
    )


async def vectors(tx: TenantTx, *, embedding_model: str) -> dict[AgentVersionId, bytes]:
    """Of the versions that are live."""
    rows = await tx.records(
        "SELECT v.agent_version_id, v.vectors FROM agents a JOIN agent_vectors v"
        " ON v.tenant_id = a.tenant_id AND v.agent_version_id = a.live_version_id"
        " WHERE a.tenant_id = %s AND v.embedding_model = %s",
        [tx.tenant_id, embedding_model],
    )
    return {row["agent_version_id"]: row["vectors"] for row in rows}


async def save_vectors(
    tx: TenantTx, *, version_id: AgentVersionId, embedding_model: str, vectors: bytes
) -> None:
    await tx.run(
        "INSERT INTO agent_vectors (tenant_id, agent_version_id, embedding_model, vectors)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [tx.tenant_id, version_id, embedding_model, vectors],
    )


async def copy_vectors(tx: TenantTx, *, of: AgentVersionId, to: AgentVersionId) -> None:
    """Two versions that say the same are recognised by the same."""
    await tx.run(
        "INSERT INTO agent_vectors (tenant_id, agent_version_id, embedding_model, vectors)"
        " SELECT tenant_id, %s, embedding_model, vectors FROM agent_vectors"
        " WHERE tenant_id = %s AND agent_version_id = %s",
        [to, tx.tenant_id, of],
    )


def _said(c: Configuration) -> tuple[list[str], list[object]]:
    """Columns of a configuration and their values."""
    said: dict[str, object] = {
        "name": c.name,
        "description": c.description,
        "persona": c.persona,
        "greeting": c.greeting,
        "fallback_message": c.fallback_message,
        "composer_intro": c.composer_intro,
        "language": c.language,
        "keywords": list(c.keywords),
        "examples": list(c.examples),
        "models": list(c.models),
        "temperature": c.temperature,
        "legacy_type": c.legacy_type,
        "type": c.type,
        "voice_provider": c.voice.provider,
        "voice_id": c.voice.id,
        "voice_language": c.voice.language,
        "voice_settings": Jsonb(dict(c.voice.settings)),
        "enable_appointments": c.enable_appointments,
        "enable_products": c.enable_products,
    }
    return list(said), list(said.values())


def _marks(columns: Sequence[str]) -> str:
    return ", ".join("%s" for _ in columns)
