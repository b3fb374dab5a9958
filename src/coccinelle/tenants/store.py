"""Rows of tenants, their domains and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from coccinelle.foundation.database import DirectoryTx, TenantTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants.model import ApiKey, Listed, PublicKey, Tenant


class SlugTaken(Conflict):
    """Another tenant has this short name."""

    default_code = "slug_taken"


class HostTaken(Conflict):
    """This host name already belongs to a tenant."""

    default_code = "host_taken"


@dataclass(frozen=True)
class KeyRow:
    """What a key or a host name proves."""

    id: UUID | None
    tenant_id: TenantId
    scopes: list[str]
    allowed_origins: list[str]


_API_KEY = "SELECT id, name, scopes, last_four, created_at FROM api_keys"
_PUBLIC_KEY = "SELECT id, name, key, allowed_origins, created_at FROM public_keys"


async def insert_tenant(
    tx: TenantTx, *, slug: str, company_name: str, facts: dict[str, Any]
) -> None:
    try:
        await tx.run(
            "INSERT INTO tenants (id, slug, company_name, sector, email, phone, website, address,"
            " locale, timezone, handoff_email, offer_text, offer_url)"
            " VALUES (%(id)s, %(slug)s, %(company_name)s, coalesce(%(sector)s, 'generaliste'),"
            " %(email)s, %(phone)s, %(website)s, %(address)s, coalesce(%(locale)s, 'fr'),"
            " coalesce(%(timezone)s, 'Europe/Paris'), %(handoff_email)s, %(offer_text)s,"
            " %(offer_url)s)",
            {**facts, "id": tx.tenant_id, "slug": slug, "company_name": company_name},
        )
    except UniqueViolation as error:
        raise SlugTaken from error


async def update_tenant(tx: TenantTx, changes: Mapping[str, str | None]) -> None:
    """`changes` are columns of ours and their new values."""
    columns = ", ".join(f"{column} = %({column})s" for column in changes)
    await tx.run(
        f"UPDATE tenants SET {columns} WHERE id = %(tenant)s", {**changes, "tenant": tx.tenant_id}
    )


async def tenant(tx: TenantTx) -> Tenant | None:
    return await tx.maybe(
        Tenant,
        "SELECT id, slug, company_name, sector, email, phone, website, address, locale, timezone,"
        " handoff_email, offer_text, offer_url FROM tenants WHERE id = %s",
        [tx.tenant_id],
    )


async def hold(tx: TenantTx) -> None:
    """Wait until nobody else changes the business, and have others wait until `tx` ends."""
    await tx.run("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", [tx.tenant_id])


async def insert_domain(tx: TenantTx, *, host: str, allowed_origins: Sequence[str]) -> None:
    try:
        await tx.run(
            "INSERT INTO tenant_domains (tenant_id, host, allowed_origins) VALUES (%s, %s, %s)",
            [tx.tenant_id, host, list(allowed_origins)],
        )
    except UniqueViolation as error:
        raise HostTaken from error


async def update_domain(tx: TenantTx, *, host: str, allowed_origins: Sequence[str]) -> int:
    return await tx.run(
        "UPDATE tenant_domains SET allowed_origins = %s WHERE tenant_id = %s AND host = %s",
        [list(allowed_origins), tx.tenant_id, host],
    )


async def delete_domain(tx: TenantTx, *, host: str) -> int:
    return await tx.run(
        "DELETE FROM tenant_domains WHERE tenant_id = %s AND host = %s", [tx.tenant_id, host]
    )


async def insert_api_key(
    tx: TenantTx,
    *,
    key_id: UUID,
    name: str,
    scopes: Sequence[str],
    secret_hash: bytes,
    last_four: str,
) -> None:
    await tx.run(
        "INSERT INTO api_keys (id, tenant_id, name, scopes, secret_hash, last_four)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [key_id, tx.tenant_id, name, list(scopes), secret_hash, last_four],
    )


async def insert_public_key(
    tx: TenantTx, *, key_id: UUID, name: str, key: str, allowed_origins: Sequence[str]
) -> None:
    await tx.run(
        "INSERT INTO public_keys (id, tenant_id, name, key, allowed_origins)"
        " VALUES (%s, %s, %s, %s, %s)",
        [key_id, tx.tenant_id, name, key, list(allowed_origins)],
    )


async def revoke_key(tx: TenantTx, key_id: UUID) -> int:
    return await tx.run(
        "WITH api AS (UPDATE api_keys SET revoked_at = now()"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s AND revoked_at IS NULL RETURNING 1)"
        " UPDATE public_keys SET revoked_at = now()"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s AND revoked_at IS NULL",
        {"tenant": tx.tenant_id, "id": key_id},
    )


async def keep_identity_secret(
    tx: TenantTx, key_id: UUID, *, secret: str, replaces: bool
) -> str | None:
    """The secret of a public key, which is `secret` when it had none or when that replaces it.

    None when the tenant has no such public key, or has revoked it.
    """
    found: str | None = await tx.value(
        "UPDATE public_keys SET identity_secret ="
        " CASE WHEN %(replaces)s THEN %(secret)s ELSE coalesce(identity_secret, %(secret)s) END"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s AND revoked_at IS NULL"
        " RETURNING identity_secret",
        {"tenant": tx.tenant_id, "id": key_id, "secret": secret, "replaces": replaces},
    )
    return found


async def identity_secret(tx: TenantTx, key_id: UUID) -> str | None:
    """The secret of a public key that is not revoked; None when it has none."""
    found: str | None = await tx.value(
        "SELECT identity_secret FROM public_keys"
        " WHERE tenant_id = %s AND id = %s AND revoked_at IS NULL",
        [tx.tenant_id, key_id],
    )
    return found


async def revoke_api_key(tx: TenantTx, key_id: UUID) -> int:
    return await tx.run(
        "UPDATE api_keys SET revoked_at = now()"
        " WHERE tenant_id = %s AND id = %s AND revoked_at IS NULL",
        [tx.tenant_id, key_id],
    )


async def revoke_public_key(tx: TenantTx, key_id: UUID) -> int:
    return await tx.run(
        "UPDATE public_keys SET revoked_at = now()"
        " WHERE tenant_id = %s AND id = %s AND revoked_at IS NULL",
        [tx.tenant_id, key_id],
    )


async def update_origins(tx: TenantTx, key_id: UUID, origins: Sequence[str]) -> int:
    """Of a public key that is not revoked."""
    return await tx.run(
        "UPDATE public_keys SET allowed_origins = %s"
        " WHERE tenant_id = %s AND id = %s AND revoked_at IS NULL",
        [list(origins), tx.tenant_id, key_id],
    )


async def api_key(tx: TenantTx, key_id: UUID) -> ApiKey:
    return await tx.one(
        ApiKey, f"{_API_KEY} WHERE tenant_id = %s AND id = %s", [tx.tenant_id, key_id]
    )


async def public_key(tx: TenantTx, key_id: UUID) -> PublicKey:
    return await tx.one(
        PublicKey, f"{_PUBLIC_KEY} WHERE tenant_id = %s AND id = %s", [tx.tenant_id, key_id]
    )


async def api_keys(tx: TenantTx, *, limit: int, before: UUID | None) -> list[ApiKey]:
    """Those that are not revoked, the newest first."""
    return await tx.all(
        ApiKey,
        f"{_API_KEY} WHERE tenant_id = %(tenant)s AND revoked_at IS NULL"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
    )


async def public_keys(tx: TenantTx, *, limit: int, before: UUID | None) -> list[PublicKey]:
    """Those that are not revoked, the newest first."""
    return await tx.all(
        PublicKey,
        f"{_PUBLIC_KEY} WHERE tenant_id = %(tenant)s AND revoked_at IS NULL"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
    )


async def keys(tx: TenantTx) -> list[dict[str, Any]]:
    return await tx.records(
        "SELECT id, 'api' AS kind, name, '…' || last_four AS key, scopes, '{}' AS allowed_origins,"
        " created_at, revoked_at FROM api_keys WHERE tenant_id = %(tenant)s"
        " UNION ALL SELECT id, 'public', name, key, '{}', allowed_origins, created_at, revoked_at"
        " FROM public_keys WHERE tenant_id = %(tenant)s ORDER BY created_at",
        {"tenant": tx.tenant_id},
    )


async def by_api_key(tx: DirectoryTx, secret_hash: bytes) -> KeyRow | None:
    return await tx.maybe(
        KeyRow,
        "SELECT id, tenant_id, scopes, '{}'::text[] AS allowed_origins FROM api_keys"
        " WHERE secret_hash = %s AND revoked_at IS NULL",
        [secret_hash],
    )


async def by_public_key(tx: DirectoryTx, key: str) -> KeyRow | None:
    return await tx.maybe(
        KeyRow,
        "SELECT id, tenant_id, '{}'::text[] AS scopes, allowed_origins FROM public_keys"
        " WHERE key = %s AND revoked_at IS NULL",
        [key],
    )


async def by_host(tx: DirectoryTx, host: str) -> KeyRow | None:
    return await tx.maybe(
        KeyRow,
        "SELECT NULL::uuid AS id, tenant_id, '{}'::text[] AS scopes, allowed_origins"
        " FROM tenant_domains WHERE host = %s",
        [host],
    )


async def by_slug(tx: DirectoryTx, slug: str) -> Listed | None:
    return await tx.maybe(
        Listed, "SELECT id, slug, company_name FROM tenants WHERE slug = %s", [slug]
    )


async def listed(tx: DirectoryTx) -> list[Listed]:
    return await tx.all(
        Listed, "SELECT id, slug, company_name FROM tenants ORDER BY created_at, id"
    )


async def lists_origin(tx: DirectoryTx, origin: str) -> bool:
    """Whether some public key may be used by pages at `origin`."""
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM public_keys"
        " WHERE %s = ANY(allowed_origins) AND revoked_at IS NULL)",
        [origin],
    )
    return found
