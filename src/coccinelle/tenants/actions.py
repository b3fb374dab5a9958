"""What is done to a tenant: created, bound to a host name, given keys; and found again by them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Forbidden, Invalid, NotFound
from coccinelle.foundation.ids import TenantId, uuid7
from coccinelle.tenants import store
from coccinelle.tenants.model import (
    ALL_SCOPES,
    SCOPES,
    Caller,
    Listed,
    bound_name,
    checked_facts,
    checked_key_name,
    checked_name,
    origin,
    proves,
)

API_KEY_PREFIX = "ck_"
PUBLIC_KEY_PREFIX = "pk_"
IDENTITY_PREFIX = "is_"
OPTIONAL_FACTS = (
    "sector",
    "email",
    "phone",
    "website",
    "address",
    "locale",
    "timezone",
    "handoff_email",
    "offer_text",
    "offer_url",
)


@dataclass(frozen=True)
class NewKey:
    """A key at its birth: the only time that its secret is known."""

    id: UUID
    secret: str


async def create(db: Database, *, slug: str, company_name: str, **facts: str | None) -> TenantId:
    """A new business. Raises `SlugTaken`, or `Invalid` for what cannot be its name or a fact."""
    _check_slug(slug)
    name, known = checked_name(company_name), checked_facts(facts)
    tenant_id = TenantId(uuid7())
    async with db.tenant(tenant_id) as tx:
        values = {fact: known.get(fact) for fact in OPTIONAL_FACTS}
        await store.insert_tenant(tx, slug=slug, company_name=name, facts=values)
    return tenant_id


async def update(tx: TenantTx, *, company_name: str | None = None, **facts: str | None) -> None:
    """Change the facts that are given; a blank one is forgotten. Answers know within ten seconds.

    Raises:
        Invalid: what cannot be a name or a fact; nothing is changed.
    """
    changes = checked_facts(facts)
    if company_name is not None:
        changes["company_name"] = checked_name(company_name)
    if changes:
        await store.update_tenant(tx, changes)


async def bind_host(tx: TenantTx, *, host: str, origins: Sequence[str] = ()) -> str:
    """Requests to `host` are for this tenant; pages at `origins` may send them.

    A host that the tenant already has gets the new list of origins.

    Raises:
        HostTaken: another tenant has it.
        Invalid: it is no host name.
    """
    name = bound_name(host)
    allowed = [origin(value) for value in origins]
    if not await store.update_domain(tx, host=name, allowed_origins=allowed):
        await store.insert_domain(tx, host=name, allowed_origins=allowed)
    return name


async def unbind_host(tx: TenantTx, *, host: str) -> str:
    """Requests to `host` are for nobody from now on. Raises `NotFound` unless the tenant has it."""
    name = bound_name(host)
    if not await store.delete_domain(tx, host=name):
        raise NotFound("host_not_found")
    return name


async def create_api_key(tx: TenantTx, *, name: str, scopes: Sequence[str] = SCOPES) -> NewKey:
    """A key for a program. Only its hash is kept."""
    unknown = set(scopes) - set(ALL_SCOPES)
    if unknown or not scopes:
        raise Invalid("unknown_scope", scopes=", ".join(ALL_SCOPES))
    name = checked_key_name(name)
    key = NewKey(uuid7(), API_KEY_PREFIX + secrets.token_urlsafe(32))
    await store.insert_api_key(
        tx,
        key_id=key.id,
        name=name,
        scopes=scopes,
        secret_hash=_digest(key.secret),
        last_four=key.secret[-4:],
    )
    return key


async def create_public_key(tx: TenantTx, *, name: str, origins: Sequence[str] = ()) -> NewKey:
    """A key that names the tenant to a widget on `origins`; it proves nothing else."""
    name = checked_key_name(name)
    key = NewKey(uuid7(), PUBLIC_KEY_PREFIX + secrets.token_urlsafe(18))
    await store.insert_public_key(
        tx,
        key_id=key.id,
        name=name,
        key=key.secret,
        allowed_origins=[origin(value) for value in origins],
    )
    return key


async def allow_origins(tx: TenantTx, key_id: UUID, origins: Sequence[str]) -> None:
    """Let pages at these origins, and no others, use a public key, within a few seconds.

    Raises:
        Invalid: one of them is no origin; nothing is changed.
        NotFound: the tenant has no such public key, or has revoked it.
    """
    allowed = dict.fromkeys(origin(value) for value in origins)
    if not await store.update_origins(tx, key_id, list(allowed)):
        raise NotFound("public_key_not_found")


async def identity_secret(tx: TenantTx, key_id: UUID, *, rotate: bool = False) -> str:
    """What a site signs its visitors' ids with; made when it is first asked for.

    It is kept as it is, since the server computes what the site computes.

    Args:
        rotate: make another one; what was signed with the one before proves nothing any more.

    Raises:
        NotFound: the tenant has no such public key, or has revoked it.
    """
    fresh = IDENTITY_PREFIX + secrets.token_urlsafe(32)
    kept = await store.keep_identity_secret(tx, key_id, secret=fresh, replaces=rotate)
    if kept is None:
        raise NotFound("public_key_not_found")
    return kept


async def check_identity(tx: TenantTx, caller: Caller, *, identity: str, proof: str) -> None:
    """Make sure that the site of the caller's public key signed `identity`.

    Raises:
        Forbidden: it did not; or the caller brings no public key, or one without a secret.
    """
    secret = await store.identity_secret(tx, caller.key_id) if caller.key_id else None
    if secret is None:
        raise Forbidden("identity_not_available")
    if not proves(proof, identity, secret):
        raise Forbidden("identity_not_proven")


async def find(db: Database, slug: str) -> Listed:
    """The tenant of that short name. Raises `NotFound`."""
    async with db.directory() as tx:
        found = await store.by_slug(tx, slug)
    if found is None:
        raise NotFound("tenant_not_found", slug=slug)
    return found


async def caller_by_api_key(db: Database, secret: str) -> Caller | None:
    """Whose API key this is; None when it is nobody's, or revoked."""
    async with db.directory() as tx:
        row = await store.by_api_key(tx, _digest(secret))
    return Caller(row.tenant_id, "api_key", frozenset(row.scopes), None, row.id) if row else None


async def caller_by_public_key(db: Database, key: str) -> Caller | None:
    """Whose public key this is; None when it is nobody's, or revoked."""
    async with db.directory() as tx:
        row = await store.by_public_key(tx, key)
    return _visitor(row, "public_key") if row else None


async def caller_by_host(db: Database, host: str) -> Caller | None:
    """Whose host name this is; None when the operator bound it to nobody."""
    async with db.directory() as tx:
        row = await store.by_host(tx, host)
    return _visitor(row, "host") if row else None


def _visitor(row: store.KeyRow, via: str) -> Caller:
    origins = tuple(row.allowed_origins)
    return Caller(row.tenant_id, via, frozenset({"chat"}), origins, row.id)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _check_slug(slug: str) -> None:
    letters = slug.replace("-", "")
    shaped = slug == slug.lower() and letters.isascii() and letters.isalnum()
    if not shaped or slug[0] == "-" or slug[-1] == "-" or len(slug) > 63:
        raise Invalid("bad_slug")
