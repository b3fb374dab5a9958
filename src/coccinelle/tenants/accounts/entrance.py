"""How people come in: sign-up, log-in, invitations, passwords that were forgotten or changed.

Each counts the attempt first, then works on the password without a transaction, then opens one
transaction that does the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coccinelle.foundation.database import Database, UserTx
from coccinelle.foundation.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import SessionId, TenantId, UserId, uuid7
from coccinelle.tenants import audit
from coccinelle.tenants.accounts import attempts, store
from coccinelle.tenants.accounts.attempts import Bound
from coccinelle.tenants.accounts.jobs import mail_password_reset
from coccinelle.tenants.accounts.model import (
    SESSION_PREFIX,
    AccountRules,
    Device,
    Membership,
    Token,
    User,
    checked_email,
    checked_person,
    digest,
    new_token,
    slug_candidates,
)
from coccinelle.tenants.accounts.passwords import Passwords
from coccinelle.tenants.model import Caller, checked_name

MINUTE = 60
QUARTER = 15 * MINUTE
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Opened:
    """A session at its birth: the only time that its token is known."""

    user: User
    membership: Membership
    session_id: SessionId
    token: Token
    expires_at: datetime


class Entrance:
    """Lets people in who prove who they are."""

    def __init__(self, db: Database, passwords: Passwords, rules: AccountRules) -> None:
        self._db = db
        self._passwords = passwords
        self._rules = rules

    async def sign_up(
        self,
        *,
        email: str,
        password: str,
        name: str,
        company_name: str | None,
        locale: Locale,
        device: Device,
    ) -> Opened:
        """A new business, its owner, and her first session: all of it, or nothing.

        Raises:
            EmailTaken: somebody has an account with this address.
            Invalid: an address, a name or a password that cannot be one.
            TooManyAttempts, Busy: it may be tried again later.
        """
        email, name = checked_email(email), checked_person(name)
        company = checked_name(company_name or name)
        await self._count(
            Bound("signup:address", device.address, self._rules.signups_per_hour, HOUR)
        )
        kept = await self._passwords.checked_hash(password, about=(email, name, company))
        user = User(UserId(uuid7()), email, name)
        tenant_id = TenantId(uuid7())
        async with self._db.tenant(tenant_id) as tx:
            slug = await store.insert_tenant(
                tx,
                slugs=slug_candidates(company),
                company_name=company,
                email=email,
                locale=locale,
            )
            if slug is None:
                raise Conflict("slug_taken")
            async with tx.as_user(user.id) as own:
                await store.insert_user(own, email=email, name=name, password_hash=kept)
            await store.insert_membership(tx, user_id=user.id, role="owner")
            membership = Membership(tenant_id, slug, company, "owner")
            async with tx.as_user(user.id) as own:
                opened = await self._open(own, user, membership, device)
            await audit.record(tx, audit.user(user.id), "account.opened", about=user.id)
        return opened

    async def log_in(
        self, *, email: str, password: str, tenant: str | None, device: Device
    ) -> Opened:
        """A new session in the business `tenant` (its short name), else in the oldest one.

        Raises:
            Unauthenticated: `login_failed`; which of the two is wrong is nobody's business.
            Forbidden: `not_a_member` of that business, or of any.
            TooManyAttempts, Busy: it may be tried again later.
        """
        address = _lookup_email(email)
        await self._count(
            Bound("login:address", device.address, self._rules.logins_per_minute, MINUTE),
            self._per_email(address),
        )
        async with self._db.directory() as directory:
            found = await store.known_by_email(directory, address)
        known = await self._proven(password, found)
        async with self._db.directory() as directory:
            chosen = _chosen(await store.memberships(directory, known.id), tenant)
        async with self._db.user(known.id) as tx:
            opened = await self._open(
                tx, _user(known), chosen, device, password_hash=known.password_hash
            )
            await store.delete_ended_sessions(tx, idle_days=self._rules.session_idle_days)
        await self._renew_hash(known, password)
        return opened

    async def forgot(self, *, email: str, base_url: str, locale: Locale, device: Device) -> None:
        """Have a link mailed to whoever has this address; for nobody, the same is done in vain.

        Raises:
            TooManyAttempts: it may be tried again later.
        """
        address, most = _lookup_email(email), self._rules.resets_per_hour
        await self._count(
            Bound("reset:address", device.address, most, HOUR),
            Bound("reset:email", address, most, HOUR),
        )
        async with self._db.directory() as directory:
            known = await store.known_by_email(directory, address)
        async with self._db.user(known.id if known else UserId(uuid7())) as tx:
            await tx.defer(
                mail_password_reset, reset_id=str(uuid7()), locale=locale, base_url=base_url
            )

    async def reset(self, *, token: str, password: str) -> None:
        """A new password by a mailed link, once; every session of its owner ends.

        Raises:
            NotFound: `reset_not_found`: the link was used, has expired, or never was.
            Invalid, Busy: as `sign_up`; the link remains good.
        """
        async with self._db.directory() as directory:
            row = await store.reset(directory, digest(token))
            known = await store.known(directory, row.user_id) if row else None
            works_for = await store.memberships(directory, known.id) if known else []
        if row is None or known is None:
            raise NotFound("reset_not_found")
        kept = await self._passwords.checked_hash(password, about=(known.email, known.name))
        if not works_for:
            async with self._db.user(known.id) as own:
                await _reset(own, row, digest(token), kept)
            return
        async with self._db.tenant(works_for[0].tenant_id) as tx:
            async with tx.as_user(known.id) as own:
                await _reset(own, row, digest(token), kept)
            await audit.record(tx, audit.user(known.id), "password.reset", about=known.id)

    async def change_password(
        self, caller: Caller, *, current: str, password: str, device: Device
    ) -> Opened:
        """A new password, and a new session in place of every one that there was.

        Raises:
            Forbidden: `password_wrong`: `current` is not her password.
            Invalid, TooManyAttempts, Busy: as `sign_up`.
        """
        known, membership = await self._of(caller, caller.user_id)
        # Of its own: who fails to log in as her does not keep her from changing her password.
        await self._count(
            Bound("change:user", str(known.id), self._rules.logins_per_email, QUARTER)
        )
        if not await self._passwords.matches(current, known.password_hash):
            raise Forbidden("password_wrong")
        kept = await self._passwords.checked_hash(password, about=(known.email, known.name))
        async with self._db.tenant(caller.tenant_id) as tx:
            async with tx.as_user(known.id) as own:
                if not await store.replace_password(
                    own, password_hash=kept, replaces=known.password_hash
                ):
                    raise Conflict
                await store.delete_sessions(own)
                await store.delete_resets(own)
                opened = await self._open(own, _user(known), membership, device)
            await audit.record(tx, audit.user(known.id), "password.changed", about=known.id)
        return opened

    async def accept(
        self,
        *,
        token: str,
        name: str | None,
        password: str | None,
        caller: Caller | None,
        device: Device,
    ) -> Opened:
        """Join the business that invites: with a new account, or with the one of that address.

        Args:
            caller: whose session the request brings; her own invitation then needs no password.

        Raises:
            NotFound: `invitation_not_found`: it was accepted, withdrawn, or has expired.
            Unauthenticated: the address has an account, and this is not its password.
            Invalid, Conflict, TooManyAttempts, Busy: as `sign_up`.
        """
        async with self._db.directory() as directory:
            invited = await store.invited(directory, digest(token))
            known = await store.known_by_email(directory, invited.email) if invited else None
        if invited is None:
            raise NotFound("invitation_not_found")
        if known is None:
            return await self._join_anew(invited, token, name, password, device)
        if caller is None or caller.user_id != known.id:
            await self._count(self._per_email(known.email))
            await self._proven(password or "", known)
        return await self._join(invited, token, _user(known), known.password_hash, device)

    async def _join_anew(
        self,
        invited: store.InvitedRow,
        token: str,
        name: str | None,
        password: str | None,
        device: Device,
    ) -> Opened:
        given = {"name": name, "password": password}
        missing = tuple(FieldError(field, "required") for field in given if given[field] is None)
        if missing:
            raise Invalid(errors=missing)
        user = User(UserId(uuid7()), invited.email, checked_person(name or ""))
        about = (user.email, user.name)
        kept = await self._passwords.checked_hash(password or "", about=about)
        return await self._join(invited, token, user, kept, device, is_new=True)

    async def _join(
        self,
        invited: store.InvitedRow,
        token: str,
        user: User,
        password_hash: str,
        device: Device,
        *,
        is_new: bool = False,
    ) -> Opened:
        async with self._db.directory() as directory:
            tenant = await store.tenant_names(directory, invited.tenant_id)
        async with self._db.tenant(invited.tenant_id) as tx:
            role = await store.take_invitation(tx, invited.id, digest(token))
            if role is None:
                raise NotFound("invitation_not_found")
            if is_new:
                async with tx.as_user(user.id) as own:
                    await store.insert_user(
                        own, email=user.email, name=user.name, password_hash=password_hash
                    )
            if not await store.insert_membership(tx, user_id=user.id, role=role):
                raise Conflict("already_member")
            membership = Membership(invited.tenant_id, tenant.slug, tenant.company_name, role)
            async with tx.as_user(user.id) as own:
                opened = await self._open(
                    own, user, membership, device, password_hash=password_hash
                )
            await audit.record(
                tx, audit.user(user.id), "invitation.accepted", about=invited.id, role=role
            )
        return opened

    async def _open(
        self,
        tx: UserTx,
        user: User,
        membership: Membership,
        device: Device,
        *,
        password_hash: str | None = None,
    ) -> Opened:
        """A new session; the password that was checked must still be hers."""
        token, session_id = new_token(SESSION_PREFIX), SessionId(uuid7())
        expires_at = await store.insert_session(
            tx,
            session_id=session_id,
            tenant_id=membership.tenant_id,
            token_hash=token.digest,
            days=self._rules.session_days,
            device=device,
            password_hash=password_hash,
        )
        if expires_at is None:
            raise Unauthenticated("login_failed")
        return Opened(user, membership, session_id, token, expires_at)

    async def _proven(self, password: str, known: store.KnownRow | None) -> store.KnownRow:
        """Takes as long for nobody's address as for a wrong password."""
        kept = known.password_hash if known else None
        if not await self._passwords.matches(password, kept) or known is None:
            raise Unauthenticated("login_failed")
        return known

    async def _renew_hash(self, known: store.KnownRow, password: str) -> None:
        if not self._passwords.is_outdated(known.password_hash):
            return
        kept = await self._passwords.hash(password)
        async with self._db.user(known.id) as tx:
            await store.replace_password(tx, password_hash=kept, replaces=known.password_hash)

    async def _of(
        self, caller: Caller, user_id: UserId | None
    ) -> tuple[store.KnownRow, Membership]:
        if user_id is None:
            raise Unauthenticated("session_required")
        async with self._db.directory() as directory:
            known = await store.known(directory, user_id)
            works_for = await store.memberships(directory, user_id)
        here = [one for one in works_for if one.tenant_id == caller.tenant_id]
        if known is None or not here:
            raise Unauthenticated("session_required")
        return known, here[0]

    async def _count(self, *bounds: Bound) -> None:
        await attempts.count(self._db, bounds)

    def _per_email(self, email: str) -> Bound:
        return Bound("login:email", email, self._rules.logins_per_email, QUARTER)


async def _reset(tx: UserTx, row: store.ResetRow, token_hash: bytes, kept: str) -> None:
    if not await store.take_reset(tx, row.id, token_hash):
        raise NotFound("reset_not_found")
    # The user's row before her sessions: a log-in with the old password waits here, and fails.
    await store.replace_password(tx, password_hash=kept)
    await store.delete_sessions(tx)
    await store.delete_resets(tx)


def _lookup_email(value: str) -> str:
    """The address to look for; what cannot be one is looked for all the same, in vain."""
    try:
        return checked_email(value)
    except Invalid:
        return value.strip().lower()


def _chosen(works_for: Sequence[Membership], slug: str | None) -> Membership:
    fitting = [one for one in works_for if slug in (None, one.slug)]
    if not fitting:
        raise Forbidden("not_a_member")
    return fitting[0]


def _user(known: store.KnownRow) -> User:
    return User(known.id, known.email, known.name)
