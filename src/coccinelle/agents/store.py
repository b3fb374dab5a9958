"""Rows of agents and of their versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
class _LiveRow:
    id: AgentId
    version_id: AgentVersionId
    key: str
    position: int
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


@dataclass(frozen=True)
class LiveVersion:
    """Which version of an agent answers, and since when."""

    id: AgentVersionId
    number: int
    published_at: datetime


async def insert_agent(tx: TenantTx, *, agent_id: AgentId, key: str, position: int) -> None:
    try:
        await tx.run(
            "INSERT INTO agents (id, tenant_id, key, position) VALUES (%s, %s, %s, %s)",
            [agent_id, tx.tenant_id, key, position],
        )
    except UniqueViolation as error:
        raise AgentKeyTaken from error


async def insert_draft(
    tx: TenantTx, *, version_id: AgentVersionId, agent_id: AgentId, configuration: Configuration
) -> None:
    c, voice = configuration, configuration.voice
    await tx.run(
        "INSERT INTO agent_versions (id, tenant_id, agent_id, number, name, description, persona,"
        " greeting, fallback_message, composer_intro, language, keywords, examples, models,"
        " temperature, legacy_type, type, voice_provider, voice_id, voice_language, voice_settings,"
        " enable_appointments, enable_products)"
        " SELECT %s, %s, %s, coalesce(max(number), 0) + 1, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s, %s, %s, %s, %s, %s, %s, %s"
        " FROM agent_versions WHERE tenant_id = %s AND agent_id = %s",
        [version_id, tx.tenant_id, agent_id, c.name, c.description, c.persona, c.greeting]
        + [c.fallback_message, c.composer_intro, c.language, list(c.keywords), list(c.examples)]
        + [list(c.models), c.temperature, c.legacy_type, c.type, voice.provider, voice.id]
        + [voice.language, Jsonb(dict(voice.settings)), c.enable_appointments, c.enable_products]
        + [tx.tenant_id, agent_id],
    )


async def publish_version(tx: TenantTx, *, agent_id: AgentId, version_id: AgentVersionId) -> None:
    await tx.run(
        "WITH published AS (UPDATE agent_versions SET published_at = now()"
        " WHERE tenant_id = %(tenant)s AND id = %(version)s AND published_at IS NULL)"
        " UPDATE agents SET live_version_id = %(version)s"
        " WHERE tenant_id = %(tenant)s AND id = %(agent)s",
        {"tenant": tx.tenant_id, "version": version_id, "agent": agent_id},
    )


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
    return [_agent(row) for row in rows]


async def live_versions(tx: TenantTx) -> dict[AgentVersionId, LiveVersion]:
    """Number and time of the versions that answer now."""
    rows = await tx.all(
        LiveVersion,
        "SELECT v.id, v.number, v.published_at FROM agents a JOIN agent_versions v"
        " ON v.tenant_id = a.tenant_id AND v.id = a.live_version_id WHERE a.tenant_id = %s",
        [tx.tenant_id],
    )
    return {row.id: row for row in rows}


async def vectors(tx: TenantTx, *, embedding_model: str) -> dict[AgentVersionId, bytes]:
    rows = await tx.records(
        "SELECT agent_version_id, vectors FROM agent_vectors"
        " WHERE tenant_id = %s AND embedding_model = %s",
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


def _agent(row: _LiveRow) -> Agent:
    configuration = Configuration(
        name=row.name,
        description=row.description,
        persona=row.persona,
        greeting=row.greeting,
        fallback_message=row.fallback_message,
        composer_intro=row.composer_intro,
        language=row.language,
        keywords=tuple(row.keywords),
        examples=tuple(row.examples),
        models=tuple(row.models),
        temperature=row.temperature,
        legacy_type=row.legacy_type,
        type=row.type,
        voice=Voice(
            row.voice_provider,
            row.voice_id,
            row.voice_language,
            tuple(sorted(row.voice_settings.items())),
        ),
        enable_appointments=row.enable_appointments,
        enable_products=row.enable_products,
    )
    return Agent(row.id, row.version_id, row.key, row.position, configuration)
