"""Rows of people: users, memberships, sessions, invitations, resets; and counts of attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coccinelle.foundation.database import DirectoryTx, TenantTx, UserTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import SessionId, TenantId, UserId
from coccinelle.tenants.accounts.model import Device, Invitation, Member, Membership, Session, User
from coccinelle.tenants.model import Listed, Role

MOST_SESSIONS = 200
"""That are listed. All of them end together, listed or not."""


class EmailTaken(Conflict):
    """Somebody has an account with this address."""

    default_code = "email_taken"


@dataclass(frozen=True)
class KnownRow:
    """A person, and what is kept of her password; None before she chose one."""

    id: UserId
    email: str
    name: str
    password_hash: str | None


@dataclass(frozen=True)
class SessionRow:
    """Whose session a token is. `is_stale`: it was not noted for a minute that it is used."""

    id: SessionId
    tenant_id: TenantId
    user_id: UserId
    role: Role
    expires_at: datetime
    is_stale: bool


@dataclass(frozen=True)
class InvitedRow:
    """Whose invitation a token is."""

    id: UUID
    tenant_id: TenantId
    email: str


@dataclass(frozen=True)
class ResetRow:
    """Whose password a token may change."""

    id: UUID
    user_id: UserId


@dataclass(frozen=True)
class CountRow:
    """How often something was tried within its window, and when first."""

    subject: str
    hits: int
    oldest: datetime
    now: datetime


@dataclass(frozen=True)
class InvitationMailRow:
    """What the mail of an invitation says."""

    email: str
    role: Role
    company_name: str
    inviter: str | None


@dataclass(frozen=True)
class ListedRow:
    """A person as the operator's list shows her."""

    email: str
    name: str
    tenants: list[str]


_USER = "SELECT id, email, name FROM users"
_MEMBER = (
    "SELECT m.user_id, u.email, u.name, m.role, m.created_at, m.disabled_at"
    " FROM memberships m JOIN users u ON u.id = m.user_id"
)
_INVITATION = "SELECT id, email, role, created_at, expires_at FROM invitations"


async def insert_tenant(
    tx: TenantTx, *, slugs: Sequence[str], company_name: str, email: str, locale: str
) -> str | None:
    """A new business under the first short name that nobody has; None: all of them are taken."""
    for slug in slugs:
        inserted = await tx.run(
            "INSERT INTO tenants (id, slug, company_name, handoff_email, locale)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (slug) DO NOTHING",
            [tx.tenant_id, slug, company_name, email, locale],
        )
        if inserted:
            return slug
    return None


async def insert_user(tx: UserTx, *, email: str, name: str, password_hash: str | None) -> None:
    inserted = await tx.run(
        "INSERT INTO users (id, email, name, password_hash) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (email) DO NOTHING",
        [tx.user_id, email, name, password_hash],
    )
    if not inserted:
        raise EmailTaken


async def known_by_email(tx: DirectoryTx, email: str) -> KnownRow | None:
    return await tx.maybe(
        KnownRow, "SELECT id, email, name, password_hash FROM users WHERE email = %s", [email]
    )


async def known(tx: DirectoryTx, user_id: UserId) -> KnownRow | None:
    return await tx.maybe(
        KnownRow, "SELECT id, email, name, password_hash FROM users WHERE id = %s", [user_id]
    )


async def listed(tx: DirectoryTx) -> list[ListedRow]:
    return await tx.all(
        ListedRow,
        "SELECT u.email, u.name, array(SELECT t.slug || ':' || m.role FROM memberships m"
        " JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = u.id ORDER BY m.created_at)"
        " AS tenants FROM users u ORDER BY u.created_at, u.id",
    )


async def own_row(tx: UserTx) -> User | None:
    return await tx.maybe(User, f"{_USER} WHERE id = %s", [tx.user_id])


async def replace_password(tx: UserTx, *, password_hash: str, replaces: str | None = None) -> int:
    """A new hash; where `replaces` is given, only in its place."""
    return await tx.run(
        "UPDATE users SET password_hash = %(new)s"
        " WHERE id = %(user)s AND (%(old)s::text IS NULL OR password_hash = %(old)s)",
        {"user": tx.user_id, "new": password_hash, "old": replaces},
    )


async def insert_membership(tx: TenantTx, *, user_id: UserId, role: Role) -> int:
    """0 when she is a member already."""
    return await tx.run(
        "INSERT INTO memberships (tenant_id, user_id, role) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [tx.tenant_id, user_id, role],
    )


async def person(tx: DirectoryTx, user_id: UserId) -> tuple[User, list[Membership]] | None:
    """Somebody, and for whom she may work, the longest first; None where nobody has this id."""
    rows = await tx.records(
        "SELECT u.id, u.email, u.name, m.tenant_id, t.slug, t.company_name, m.role FROM users u"
        " LEFT JOIN (memberships m JOIN tenants t ON t.id = m.tenant_id)"
        " ON m.user_id = u.id AND m.disabled_at IS NULL"
        " WHERE u.id = %s ORDER BY m.created_at, m.tenant_id",
        [user_id],
    )
    if not rows:
        return None
    works_for = [
        Membership(row["tenant_id"], row["slug"], row["company_name"], row["role"])
        for row in rows
        if row["tenant_id"] is not None
    ]
    return User(rows[0]["id"], rows[0]["email"], rows[0]["name"]), works_for


async def memberships(tx: DirectoryTx, user_id: UserId) -> list[Membership]:
    """For whom she may work, the longest first."""
    return await tx.all(
        Membership,
        "SELECT m.tenant_id, t.slug, t.company_name, m.role FROM memberships m"
        " JOIN tenants t ON t.id = m.tenant_id"
        " WHERE m.user_id = %s AND m.disabled_at IS NULL ORDER BY m.created_at, m.tenant_id",
        [user_id],
    )


async def tenant_names(tx: DirectoryTx, tenant_id: TenantId) -> Listed:
    return await tx.one(
        Listed, "SELECT id, slug, company_name FROM tenants WHERE id = %s", [tenant_id]
    )


async def members(tx: TenantTx, *, limit: int, after: UserId | None) -> list[Member]:
    return await tx.all(
        Member,
        f"{_MEMBER} WHERE m.tenant_id = %(tenant)s"
        " AND (%(after)s::uuid IS NULL OR m.user_id > %(after)s)"
        " ORDER BY m.user_id LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "after": after, "limit": limit},
    )


async def member(tx: TenantTx, user_id: UserId) -> Member | None:
    return await tx.maybe(
        Member, f"{_MEMBER} WHERE m.tenant_id = %s AND m.user_id = %s", [tx.tenant_id, user_id]
    )


async def has_member(tx: TenantTx, *, email: str) -> bool:
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id"
        " WHERE m.tenant_id = %s AND u.email = %s)",
        [tx.tenant_id, email],
    )
    return found


async def lock_owners(tx: TenantTx) -> list[UserId]:
    """Those who own the business now, and remain so until the end of `tx` unless it says else."""
    found = await tx.records(
        "SELECT user_id FROM memberships WHERE tenant_id = %s AND role = 'owner'"
        " AND disabled_at IS NULL ORDER BY user_id FOR NO KEY UPDATE",
        [tx.tenant_id],
    )
    return [row["user_id"] for row in found]


async def update_membership(
    tx: TenantTx, user_id: UserId, *, role: Role, is_disabled: bool
) -> None:
    await tx.run(
        "UPDATE memberships SET role = %(role)s, disabled_at ="
        " CASE WHEN %(disabled)s THEN coalesce(disabled_at, now()) END"
        " WHERE tenant_id = %(tenant)s AND user_id = %(user)s",
        {"tenant": tx.tenant_id, "user": user_id, "role": role, "disabled": is_disabled},
    )


async def delete_membership(tx: TenantTx, user_id: UserId) -> None:
    await tx.run(
        "DELETE FROM memberships WHERE tenant_id = %s AND user_id = %s", [tx.tenant_id, user_id]
    )


async def insert_session(
    tx: UserTx,
    *,
    session_id: SessionId,
    tenant_id: TenantId,
    token_hash: bytes,
    days: int,
    device: Device,
    password_hash: str | None = None,
    no_later_than: datetime | None = None,
) -> datetime | None:
    """When it will end; None if `password_hash` is given and is no longer the user's."""
    expires_at: datetime | None = await tx.value(
        "INSERT INTO sessions"
        " (id, tenant_id, user_id, token_hash, expires_at, address, user_agent)"
        " SELECT %(id)s, %(tenant)s, id, %(token)s,"
        " least(now() + make_interval(days => %(days)s), %(latest)s::timestamptz),"
        " %(address)s, %(agent)s FROM users"
        " WHERE id = %(user)s AND (%(password)s::text IS NULL OR password_hash = %(password)s)"
        " FOR SHARE RETURNING expires_at",
        {
            "id": session_id,
            "tenant": tenant_id,
            "user": tx.user_id,
            "token": token_hash,
            "days": days,
            "address": device.address,
            "agent": device.user_agent,
            "password": password_hash,
            "latest": no_later_than,
        },
    )
    return expires_at


async def session(tx: DirectoryTx, token_hash: bytes, *, idle_days: int) -> SessionRow | None:
    """The session of a token, unless it ended or its member may not work here."""
    return await tx.maybe(
        SessionRow,
        "SELECT s.id, s.tenant_id, s.user_id, m.role, s.expires_at,"
        " s.last_seen_at < now() - interval '1 minute' AS is_stale"
        " FROM sessions s JOIN memberships m USING (tenant_id, user_id)"
        " WHERE s.token_hash = %s AND m.disabled_at IS NULL AND s.expires_at > now()"
        " AND s.last_seen_at > now() - make_interval(days => %s)",
        [token_hash, idle_days],
    )


async def touch_session(tx: UserTx, session_id: SessionId) -> None:
    await tx.run(
        "UPDATE sessions SET last_seen_at = now()"
        " WHERE id = %s AND last_seen_at < now() - interval '1 minute'",
        [session_id],
    )


async def sessions(tx: UserTx, *, idle_days: int) -> list[Session]:
    """Those of the user that have not ended, the last used first; of very many, those."""
    return await tx.all(
        Session,
        "SELECT s.id, s.tenant_id, s.created_at, s.last_seen_at, s.expires_at, s.address,"
        " s.user_agent FROM sessions s JOIN memberships m USING (tenant_id, user_id)"
        " WHERE s.user_id = %s AND m.disabled_at IS NULL AND s.expires_at > now()"
        " AND s.last_seen_at > now() - make_interval(days => %s)"
        " ORDER BY s.last_seen_at DESC, s.id DESC LIMIT %s",
        [tx.user_id, idle_days, MOST_SESSIONS],
    )


async def delete_session(tx: UserTx, session_id: SessionId) -> int:
    return await tx.run(
        "DELETE FROM sessions WHERE user_id = %s AND id = %s", [tx.user_id, session_id]
    )


async def delete_sessions(tx: UserTx, *, but: SessionId | None = None) -> int:
    return await tx.run(
        "DELETE FROM sessions WHERE user_id = %s AND id IS DISTINCT FROM %s", [tx.user_id, but]
    )


async def delete_sessions_of(tx: UserTx, tenant_id: TenantId) -> None:
    """Those of the user in one business."""
    await tx.run(
        "DELETE FROM sessions WHERE user_id = %s AND tenant_id = %s", [tx.user_id, tenant_id]
    )


async def delete_ended_sessions(tx: UserTx, *, idle_days: int) -> None:
    await tx.run(
        "DELETE FROM sessions WHERE user_id = %s AND (expires_at <= now()"
        " OR last_seen_at <= now() - make_interval(days => %s))",
        [tx.user_id, idle_days],
    )


async def upsert_invitation(
    tx: TenantTx,
    *,
    invitation_id: UUID,
    email: str,
    role: Role,
    token_hash: bytes | None,
    invited_by: UserId | None,
    days: int,
) -> Invitation:
    """The one invitation of that address: a new one makes the token of the one before worthless."""
    return await tx.one(
        Invitation,
        "INSERT INTO invitations (id, tenant_id, email, role, token_hash, invited_by, expires_at)"
        " VALUES (%(id)s, %(tenant)s, %(email)s, %(role)s, %(token)s, %(by)s,"
        " now() + make_interval(days => %(days)s))"
        " ON CONFLICT (tenant_id, email) DO UPDATE SET id = excluded.id, role = excluded.role,"
        " token_hash = excluded.token_hash, invited_by = excluded.invited_by, created_at = now(),"
        " expires_at = excluded.expires_at, mailed_at = NULL, accepted_at = NULL"
        " RETURNING id, email, role, created_at, expires_at",
        {
            "id": invitation_id,
            "tenant": tx.tenant_id,
            "email": email,
            "role": role,
            "token": token_hash,
            "by": invited_by,
            "days": days,
        },
    )


async def invitations(tx: TenantTx, *, limit: int, before: UUID | None) -> list[Invitation]:
    """Those that nobody has accepted yet, the newest first."""
    return await tx.all(
        Invitation,
        f"{_INVITATION} WHERE tenant_id = %(tenant)s AND accepted_at IS NULL"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
    )


async def offered_role(tx: TenantTx, *, email: str) -> Role | None:
    """What the open invitation of an address makes of its owner; None where there is none."""
    found: Role | None = await tx.value(
        "SELECT role FROM invitations WHERE tenant_id = %s AND email = %s AND accepted_at IS NULL"
        " AND expires_at > now()",
        [tx.tenant_id, email],
    )
    return found


async def delete_invitation(tx: TenantTx, invitation_id: UUID) -> Role | None:
    """The role that was offered; None when there is no such open invitation."""
    found: Role | None = await tx.value(
        "DELETE FROM invitations WHERE tenant_id = %s AND id = %s AND accepted_at IS NULL"
        " RETURNING role",
        [tx.tenant_id, invitation_id],
    )
    return found


async def invited(tx: DirectoryTx, token_hash: bytes) -> InvitedRow | None:
    return await tx.maybe(
        InvitedRow,
        "SELECT id, tenant_id, email FROM invitations"
        " WHERE token_hash = %s AND accepted_at IS NULL AND expires_at > now()",
        [token_hash],
    )


async def take_invitation(tx: TenantTx, invitation_id: UUID, token_hash: bytes) -> Role | None:
    """The role that it offers, once; None: it was taken, withdrawn or renewed meanwhile."""
    found: Role | None = await tx.value(
        "UPDATE invitations SET accepted_at = now() WHERE tenant_id = %s AND id = %s"
        " AND token_hash = %s AND accepted_at IS NULL AND expires_at > now() RETURNING role",
        [tx.tenant_id, invitation_id, token_hash],
    )
    return found


async def unmailed_invitation(
    tx: TenantTx, invitation_id: UUID, token_hash: bytes
) -> InvitationMailRow | None:
    """What to mail, under a new token; None when there is nothing to mail any more."""
    return await tx.maybe(
        InvitationMailRow,
        "UPDATE invitations i SET token_hash = %s FROM tenants t"
        " WHERE i.tenant_id = %s AND i.id = %s AND i.mailed_at IS NULL AND i.accepted_at IS NULL"
        " AND t.id = i.tenant_id RETURNING i.email, i.role, t.company_name,"
        " (SELECT u.name FROM users u WHERE u.id = i.invited_by) AS inviter",
        [token_hash, tx.tenant_id, invitation_id],
    )


async def mark_invitation_mailed(tx: TenantTx, invitation_id: UUID) -> None:
    await tx.run(
        "UPDATE invitations SET mailed_at = now() WHERE tenant_id = %s AND id = %s",
        [tx.tenant_id, invitation_id],
    )


async def keep_reset(tx: UserTx, *, reset_id: UUID, token_hash: bytes, minutes: int) -> int:
    """A token for a new password; 0 when the mail of that one was sent already."""
    return await tx.run(
        "INSERT INTO password_resets AS r (id, user_id, token_hash, expires_at)"
        " VALUES (%(id)s, %(user)s, %(token)s, now() + make_interval(mins => %(minutes)s))"
        " ON CONFLICT (id) DO UPDATE SET token_hash = excluded.token_hash,"
        " expires_at = excluded.expires_at WHERE r.mailed_at IS NULL",
        {"id": reset_id, "user": tx.user_id, "token": token_hash, "minutes": minutes},
    )


async def mark_reset_mailed(tx: UserTx, reset_id: UUID) -> None:
    await tx.run("UPDATE password_resets SET mailed_at = now() WHERE id = %s", [reset_id])


async def reset(tx: DirectoryTx, token_hash: bytes) -> ResetRow | None:
    return await tx.maybe(
        ResetRow,
        "SELECT id, user_id FROM password_resets WHERE token_hash = %s AND expires_at > now()",
        [token_hash],
    )


async def take_reset(tx: UserTx, reset_id: UUID, token_hash: bytes) -> int:
    """1 the first time, in time; 0 ever after."""
    return await tx.run(
        "DELETE FROM password_resets"
        " WHERE user_id = %s AND id = %s AND token_hash = %s AND expires_at > now()",
        [tx.user_id, reset_id, token_hash],
    )


async def delete_resets(tx: UserTx, *, only_ended: bool = False) -> None:
    await tx.run(
        "DELETE FROM password_resets WHERE user_id = %s AND (NOT %s OR expires_at <= now())",
        [tx.user_id, only_ended],
    )


async def count_attempts(
    tx: UserTx, *, subjects: Sequence[str], windows_seconds: Sequence[int]
) -> list[CountRow]:
    """One more of each, and how many that makes within its window."""
    return await tx.all(
        CountRow,
        "INSERT INTO attempts AS a (subject, hits, expires_at)"
        " SELECT s.subject, ARRAY[now()], now() + make_interval(secs => s.seconds)"
        " FROM unnest(%s::text[], %s::integer[]) AS s (subject, seconds) ORDER BY s.subject"
        " ON CONFLICT (subject) DO UPDATE SET hits = ARRAY(SELECT h FROM unnest(a.hits) AS h"
        "   WHERE h > now() - (excluded.expires_at - now())) || now(),"
        " expires_at = excluded.expires_at"
        " RETURNING subject, cardinality(hits) AS hits,"
        " (SELECT min(h) FROM unnest(hits) AS h) AS oldest, now() AS now",
        [list(subjects), list(windows_seconds)],
    )


async def forget_subject(tx: UserTx, subject: str) -> None:
    """As if it had never been tried."""
    await tx.run("DELETE FROM attempts WHERE subject = %s", [subject])


async def forget_attempts(tx: UserTx) -> int:
    """Those that no window has any more."""
    return await tx.run("DELETE FROM attempts WHERE expires_at <= now()")
