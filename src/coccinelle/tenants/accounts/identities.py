"""Rows of identities: whom an issuer of OpenID Connect knows under which name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation

from coccinelle.foundation.database import DirectoryTx, UserTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import UserId, uuid7
from coccinelle.providers.oidc import Identity


class IdentityTaken(Conflict):
    """Somebody logs in by this identity already."""

    default_code = "identity_taken"


@dataclass(frozen=True)
class LinkedRow:
    """Whose identity it is."""

    id: UUID
    user_id: UserId


@dataclass(frozen=True)
class Linked:
    """A way in, as its owner sees it."""

    id: UUID
    issuer: str
    created_at: datetime
    used_at: datetime


async def insert(tx: UserTx, identity: Identity) -> None:
    """Raises `IdentityTaken`."""
    try:
        await tx.run(
            "INSERT INTO user_identities (id, user_id, issuer, subject) VALUES (%s, %s, %s, %s)",
            [uuid7(), tx.user_id, identity.issuer, identity.subject],
        )
    except UniqueViolation as error:
        raise IdentityTaken from error


async def found(tx: DirectoryTx, identity: Identity) -> LinkedRow | None:
    return await tx.maybe(
        LinkedRow,
        "SELECT id, user_id FROM user_identities WHERE issuer = %s AND subject = %s",
        [identity.issuer, identity.subject],
    )


async def use(tx: UserTx, identity_id: UUID) -> int:
    """0 when it is the user's no more; else it remains so until the end of `tx`."""
    return await tx.run(
        "UPDATE user_identities SET used_at = now() WHERE user_id = %s AND id = %s",
        [tx.user_id, identity_id],
    )


async def of_user(tx: UserTx) -> list[Linked]:
    """The oldest first."""
    return await tx.all(
        Linked,
        "SELECT id, issuer, created_at, used_at FROM user_identities WHERE user_id = %s"
        " ORDER BY id",
        [tx.user_id],
    )


async def delete(tx: UserTx, identity_id: UUID) -> int:
    return await tx.run(
        "DELETE FROM user_identities WHERE user_id = %s AND id = %s", [tx.user_id, identity_id]
    )


async def has_password(tx: UserTx) -> bool:
    """Whether the user can come in without an issuer; nobody changes it until `tx` ends."""
    found: bool | None = await tx.value(
        "SELECT password_hash IS NOT NULL FROM users WHERE id = %s FOR NO KEY UPDATE", [tx.user_id]
    )
    return bool(found)
