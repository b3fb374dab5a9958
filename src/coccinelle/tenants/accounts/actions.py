"""What is done to members, invitations, sessions and keys: each a change, with its audit event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Conflict, Forbidden, NotFound
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import SessionId, UserId, uuid7
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import store
from coccinelle.tenants.accounts.attempts import Bound, count_in
from coccinelle.tenants.accounts.jobs import mail_invitation
from coccinelle.tenants.accounts.mails import invitation_link
from coccinelle.tenants.accounts.model import (
    Invitation,
    Member,
    Session,
    Token,
    checked_email,
    digest,
    new_token,
    scopes_of,
)
from coccinelle.tenants.actions import NewKey
from coccinelle.tenants.model import Caller, Role, covers

INVITATIONS_PER_HOUR = 30
MAILS_PER_HOUR = 5
HOUR_SECONDS = 60 * 60


class LastOwner(Conflict):
    """A business keeps at least one owner who can log in."""

    default_code = "last_owner"


@dataclass(frozen=True)
class Invited:
    """An invitation; with its link, where no mail carries it."""

    invitation: Invitation
    link: str | None


async def caller_by_session(db: Database, token: str, *, idle_days: int) -> Caller | None:
    """Whose session this is; None when it is nobody's, has ended, or its member may not enter."""
    async with db.directory() as tx:
        row = await store.session(tx, digest(token), idle_days=idle_days)
    if row is None:
        return None
    if row.is_stale:
        async with db.user(row.user_id) as own:
            await store.touch_session(own, row.id)
    return Caller(
        row.tenant_id,
        "session",
        scopes_of(row.role),
        user_id=row.user_id,
        role=row.role,
        session_id=row.id,
        session_expires_at=row.expires_at,
    )


async def sessions(db: Database, user_id: UserId, *, idle_days: int) -> list[Session]:
    """The log-ins of a user that have not ended, of all her businesses; the last used first."""
    async with db.user(user_id) as tx:
        return await store.sessions(tx, idle_days=idle_days)


async def end_session(db: Database, user_id: UserId, session_id: SessionId) -> None:
    """Log one of the user's devices out, at once. Raises `NotFound`."""
    async with db.user(user_id) as tx:
        if not await store.delete_session(tx, session_id):
            raise NotFound("session_not_found")


async def end_other_sessions(db: Database, user_id: UserId, *, but: SessionId | None) -> None:
    """Log all of the user's other devices out, at once."""
    async with db.user(user_id) as tx:
        await store.delete_sessions(tx, but=but)


async def invite(
    tx: TenantTx,
    caller: Caller,
    *,
    email: str,
    role: Role,
    days: int,
    base_url: str,
    is_mailed: bool,
    locale: Locale,
) -> Invited:
    """Ask somebody to join, by a link that is good for `days` days, once.

    A second invitation of an address takes the place of the first.

    Raises:
        Forbidden: only an owner makes owners, or takes the place of such an invitation.
        Conflict: `already_member`.
        Invalid: it is no address.
        TooManyAttempts: of this business, or of this address by anybody, in an hour.
    """
    _check_covers(caller, role)
    _check_covers(caller, await store.offered_role(tx, email=checked_email(email)) or role)
    await _count_invitation(tx, caller, email)
    token = None if is_mailed else new_token()
    invitation = await _invite(
        tx,
        audit.actor_of(caller),
        email=email,
        role=role,
        token=token,
        invited_by=caller.user_id,
        days=days,
    )
    if token is not None:
        return Invited(invitation, invitation_link(base_url, token.secret))
    await tx.defer(
        mail_invitation, invitation_id=str(invitation.id), locale=locale, base_url=base_url
    )
    return Invited(invitation, None)


async def invite_for_operator(
    tx: TenantTx, *, email: str, role: Role, days: int, base_url: str
) -> str:
    """The link of an invitation that the operator hands over. Raises as `invite`."""
    token = new_token()
    await _invite(
        tx, audit.OPERATOR, email=email, role=role, token=token, invited_by=None, days=days
    )
    return invitation_link(base_url, token.secret)


async def withdraw(tx: TenantTx, caller: Caller, invitation_id: UUID) -> None:
    """Make an invitation worthless.

    Raises:
        NotFound: nobody is invited by it (any more).
        Forbidden: only an owner withdraws what makes an owner.
    """
    role = await store.delete_invitation(tx, invitation_id)
    if role is None:
        raise NotFound("invitation_not_found")
    _check_covers(caller, role)
    await _record(tx, caller, "invitation.withdrawn", about=invitation_id, role=role)


async def change_member(
    tx: TenantTx, caller: Caller, user_id: UserId, *, role: Role | None, is_disabled: bool | None
) -> Member:
    """Give a member another role, or keep her out for as long as she is disabled: her sessions end.

    Raises:
        NotFound: nobody here has this id.
        Forbidden: what concerns an owner is an owner's to do.
        LastOwner: nobody else owns the business.
    """
    member, owners = await _locked(tx, user_id)
    _check_covers(caller, member.role)
    _check_covers(caller, role or member.role)
    wanted = role or member.role
    disabled = member.disabled_at is not None if is_disabled is None else is_disabled
    if owners == [user_id] and (wanted != "owner" or disabled):
        raise LastOwner
    await store.update_membership(tx, user_id, role=wanted, is_disabled=disabled)
    if disabled:
        async with tx.as_user(user_id) as theirs:
            await store.delete_sessions_of(theirs, tx.tenant_id)
    await _record(tx, caller, "member.changed", about=user_id, role=wanted, disabled=disabled)
    changed, _ = await _locked(tx, user_id)
    return changed


async def remove_member(tx: TenantTx, caller: Caller, user_id: UserId) -> None:
    """End a membership, and every session of it. Anybody may leave.

    Raises:
        NotFound, Forbidden, LastOwner: as `change_member`.
    """
    member, owners = await _locked(tx, user_id)
    if user_id != caller.user_id:
        _check_covers(caller, "admin")
        _check_covers(caller, member.role)
    if owners == [user_id]:
        raise LastOwner
    await store.delete_membership(tx, user_id)
    await _record(tx, caller, "member.removed", about=user_id, role=member.role)


async def create_api_key(
    tx: TenantTx, caller: Caller, *, name: str, scopes: Sequence[str]
) -> NewKey:
    """A key for a program. Raises `Invalid`."""
    key = await tenants.create_api_key(tx, name=name, scopes=scopes)
    await _record(tx, caller, "api_key.created", about=key.id, scopes=sorted(scopes))
    return key


async def create_public_key(
    tx: TenantTx, caller: Caller, *, name: str, origins: Sequence[str]
) -> NewKey:
    """A key for a widget. Raises `Invalid`."""
    key = await tenants.create_public_key(tx, name=name, origins=origins)
    await _record(tx, caller, "public_key.created", about=key.id)
    return key


async def allow_origins(
    tx: TenantTx, caller: Caller, key_id: UUID, *, origins: Sequence[str]
) -> None:
    """The pages that may use a public key, all of them. Raises `Invalid`, `NotFound`."""
    await tenants.allow_origins(tx, key_id, origins)
    await _record(tx, caller, "public_key.changed", about=key_id)


async def revoke_api_key(tx: TenantTx, caller: Caller, key_id: UUID) -> None:
    """It proves nothing from a few seconds on. Raises `NotFound`."""
    if not await tenants_store.revoke_api_key(tx, key_id):
        raise NotFound("api_key_not_found")
    await _record(tx, caller, "api_key.revoked", about=key_id)


async def revoke_public_key(tx: TenantTx, caller: Caller, key_id: UUID) -> None:
    """It proves nothing from a few seconds on. Raises `NotFound`."""
    if not await tenants_store.revoke_public_key(tx, key_id):
        raise NotFound("public_key_not_found")
    await _record(tx, caller, "public_key.revoked", about=key_id)


async def _invite(
    tx: TenantTx,
    actor: audit.Actor,
    *,
    email: str,
    role: Role,
    token: Token | None,
    invited_by: UserId | None,
    days: int,
) -> Invitation:
    address = checked_email(email)
    if await store.has_member(tx, email=address):
        raise Conflict("already_member")
    invitation = await store.upsert_invitation(
        tx,
        invitation_id=uuid7(),
        email=address,
        role=role,
        token_hash=token.digest if token else None,
        invited_by=invited_by,
        days=days,
    )
    await audit.record(tx, actor, "member.invited", about=invitation.id, role=role)
    return invitation


async def _count_invitation(tx: TenantTx, caller: Caller, email: str) -> None:
    """Mails carry a business's name to whom it likes: nobody is to advertise by them."""
    if caller.user_id is None:
        raise Forbidden("role_missing", role="admin")
    by_tenant = Bound("invite:tenant", str(tx.tenant_id), INVITATIONS_PER_HOUR, HOUR_SECONDS)
    to_address = Bound("invite:email", checked_email(email), MAILS_PER_HOUR, HOUR_SECONDS)
    async with tx.as_user(caller.user_id) as own:
        await count_in(own, [by_tenant, to_address])


async def _locked(tx: TenantTx, user_id: UserId) -> tuple[Member, list[UserId]]:
    """A member, and all owners, whom nobody else changes until `tx` ends."""
    owners = await store.lock_owners(tx)
    member = await store.member(tx, user_id)
    if member is None:
        raise NotFound("member_not_found")
    return member, owners


def _check_covers(caller: Caller, role: Role) -> None:
    if caller.role is None or not covers(caller.role, role):
        raise Forbidden("role_missing", role=role)


async def _record(
    tx: TenantTx, caller: Caller, action: audit.Action, *, about: UUID, **values: object
) -> None:
    await audit.record(tx, audit.actor_of(caller), action, about=about, **values)
