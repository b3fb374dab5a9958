"""How people come in: sign-up, log-in, invitations, passwords that were forgotten or changed.

Each counts the attempt first, then works on the password without a transaction, then opens one
transaction that does the whole of it. Who is proven by an issuer instead comes in by `federation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from coccinelle.foundation.database import Database, TenantTx, UserTx
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
from coccinelle.providers.oidc import Identity
from coccinelle.tenants import audit
from coccinelle.tenants.accounts import attempts, identities, store
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
    """A session at its birth: the only time that its token is known.

    `is_choice`: she may work for other businesses as well.
    """

    user: User
    membership: Membership
    session_id: SessionId
    token: Token
    expires_at: datetime
    is_choice: bool = False


@dataclass(frozen=True)
class Proof:
    """By what somebody proved who she is; it must still be so when her session opens.

    Args:
        password_hash: of the password that was checked.
        identity_id: of the identity that an issuer proved.
        links: an identity that becomes hers with this session.
    """

    password_hash: str | None = None
    identity_id: UUID | None = None
    links: Identity | None = None


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has no account yet, and what will prove that it is she."""

    user: User
    password_hash: str | None = None
    links: Identity | None = None

    @property
    def proof(self) -> Proof:
        """By which her first session opens."""
        return Proof(self.password_hash, links=self.links)


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
        await self.count(self.signup_from(device))
        kept = await self._passwords.checked_hash(password, about=(email, name, company))
        newcomer = Newcomer(User(UserId(uuid7()), email, name), kept)
        return await self.open_account(newcomer, company=company, locale=locale, device=device)

    async def open_account(
        self, newcomer: Newcomer, *, company: str, locale: Locale, device: Device
    ) -> Opened:
        """A business of somebody who was counted and whose words are checked, and her session.

        Raises:
            EmailTaken, IdentityTaken: somebody has it meanwhile.
        """
        user, tenant_id = newcomer.user, TenantId(uuid7())
        async with self._db.tenant(tenant_id) as tx:
            slug = await store.insert_tenant(
                tx,
                slugs=slug_candidates(company),
                company_name=company,
                email=user.email,
                locale=locale,
            )
            if slug is None:
                raise Conflict("slug_taken")
            await _settle(tx, newcomer)
            await store.insert_membership(tx, user_id=user.id, role="owner")
            membership = Membership(tenant_id, slug, company, "owner")
            opened = await self._seated(tx, user, membership, device, newcomer.proof)
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
        await self.count(self.login_from(device), self.login_of(address))
        async with self._db.directory() as directory:
            found = await store.known_by_email(directory, address)
        known = await self.proven(password, found)
        opened = await self.enter(
            user_of(known), Proof(known.password_hash), tenant=tenant, device=device
        )
        await self._renew_hash(known, password)
        return opened

    async def enter(
        self, user: User, proof: Proof, *, device: Device, tenant: str | None = None
    ) -> Opened:
        """A session of somebody who was counted and who proved who she is.

        Raises:
            Forbidden: `not_a_member` of the business `tenant`, or of any.
            Unauthenticated: what proved it does so no more.
            IdentityTaken: the identity to link is somebody's meanwhile.
        """
        async with self._db.directory() as directory:
            works_for = await store.memberships(directory, user.id)
        chosen = _chosen(works_for, tenant)
        async with self._db.tenant(chosen.tenant_id) as tx:
            opened = await self._seated(tx, user, chosen, device, proof)
            async with tx.as_user(user.id) as own:
                await store.delete_ended_sessions(own, idle_days=self._rules.session_idle_days)
        return replace(opened, is_choice=len(works_for) > 1)

    async def switch(self, caller: Caller, *, tenant: str, device: Device) -> Opened:
        """A session in another business of hers in place of this one, which ends as that would.

        Raises:
            NotFound: she works for no business of the short name `tenant`.
            Unauthenticated: the session has ended.
        """
        known, works_for = await self._of(caller, caller.user_id)
        chosen = next((one for one in works_for if one.slug == tenant), None)
        if chosen is None:
            raise NotFound("tenant_not_found")
        async with self._db.user(known.id) as own:
            if caller.session_id and not await store.delete_session(own, caller.session_id):
                raise Unauthenticated("session_required")
            opened = await self._open(
                own, user_of(known), chosen, device, Proof(), until=caller.session_expires_at
            )
        return replace(opened, is_choice=True)

    async def forgot(self, *, email: str, base_url: str, locale: Locale, device: Device) -> None:
        """Have a link mailed to whoever has this address; for nobody, the same is done in vain.

        Raises:
            TooManyAttempts: it may be tried again later.
        """
        address, most = _lookup_email(email), self._rules.resets_per_hour
        await self.count(
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
                await self._reset(own, row, known, token, kept)
            return
        async with self._db.tenant(works_for[0].tenant_id) as tx:
            async with tx.as_user(known.id) as own:
                await self._reset(own, row, known, token, kept)
            await audit.record(tx, audit.user(known.id), "password.reset", about=known.id)

    async def change_password(
        self, caller: Caller, *, current: str, password: str, device: Device
    ) -> Opened:
        """A new password, and a new session in place of every one that there was.

        Raises:
            Forbidden: `password_wrong`: `current` is not her password.
            Invalid, TooManyAttempts, Busy: as `sign_up`.
        """
        known, works_for = await self._of(caller, caller.user_id)
        membership = next(one for one in works_for if one.tenant_id == caller.tenant_id)
        # Of its own: who fails to log in as her does not keep her from changing her password.
        await self.count(Bound("change:user", str(known.id), self._rules.logins_per_email, QUARTER))
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
                opened = await self._open(own, user_of(known), membership, device, Proof())
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
            await self.count(self.login_of(known.email))
            await self.proven(password or "", known)
        return await self.join(
            invited, token, user_of(known), Proof(known.password_hash), device=device
        )

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
        return await self.join_anew(invited, token, Newcomer(user, kept), device=device)

    async def join_anew(
        self, invited: store.InvitedRow, token: str, newcomer: Newcomer, *, device: Device
    ) -> Opened:
        """Join by an invitation with a new account. Raises as `join`, and `EmailTaken`."""
        return await self.join(
            invited, token, newcomer.user, newcomer.proof, device=device, newcomer=newcomer
        )

    async def join(
        self,
        invited: store.InvitedRow,
        token: str,
        user: User,
        proof: Proof,
        *,
        device: Device,
        newcomer: Newcomer | None = None,
    ) -> Opened:
        """Join by an invitation, and a session there.

        Raises:
            NotFound: `invitation_not_found`: it was used meanwhile.
            Conflict: `already_member`.
            Unauthenticated, IdentityTaken: as `enter`.
        """
        async with self._db.directory() as directory:
            tenant = await store.tenant_names(directory, invited.tenant_id)
        async with self._db.tenant(invited.tenant_id) as tx:
            role = await store.take_invitation(tx, invited.id, digest(token))
            if role is None:
                raise NotFound("invitation_not_found")
            if newcomer is not None:
                await _settle(tx, newcomer)
            if not await store.insert_membership(tx, user_id=user.id, role=role):
                raise Conflict("already_member")
            membership = Membership(invited.tenant_id, tenant.slug, tenant.company_name, role)
            opened = await self._seated(tx, user, membership, device, proof)
            await audit.record(
                tx, audit.user(user.id), "invitation.accepted", about=invited.id, role=role
            )
        return opened

    async def _seated(
        self, tx: TenantTx, user: User, membership: Membership, device: Device, proof: Proof
    ) -> Opened:
        async with tx.as_user(user.id) as own:
            opened = await self._open(own, user, membership, device, proof)
        if proof.links is not None:
            await audit.record(tx, audit.user(user.id), "identity.linked", about=user.id)
        return opened

    async def _open(
        self,
        tx: UserTx,
        user: User,
        membership: Membership,
        device: Device,
        proof: Proof,
        *,
        until: datetime | None = None,
    ) -> Opened:
        """A new session; what proved who she is must still do so."""
        if proof.identity_id and not await identities.use(tx, proof.identity_id):
            raise Unauthenticated("login_failed")
        if proof.links is not None:
            await identities.insert(tx, proof.links)
        token, session_id = new_token(SESSION_PREFIX), SessionId(uuid7())
        expires_at = await store.insert_session(
            tx,
            session_id=session_id,
            tenant_id=membership.tenant_id,
            token_hash=token.digest,
            days=self._rules.session_days,
            device=device,
            password_hash=proof.password_hash,
            no_later_than=until,
        )
        if expires_at is None:
            raise Unauthenticated("login_failed")
        return Opened(user, membership, session_id, token, expires_at)

    async def proven(self, password: str, known: store.KnownRow | None) -> store.KnownRow:
        """Takes as long for nobody's address as for a wrong password. Raises `Unauthenticated`."""
        kept = known.password_hash if known else None
        if not await self._passwords.matches(password, kept) or known is None:
            raise Unauthenticated("login_failed")
        return known

    async def _renew_hash(self, known: store.KnownRow, password: str) -> None:
        before = known.password_hash
        if before is None or not self._passwords.is_outdated(before):
            return
        kept = await self._passwords.hash(password)
        async with self._db.user(known.id) as tx:
            await store.replace_password(tx, password_hash=kept, replaces=before)

    async def _reset(
        self, tx: UserTx, row: store.ResetRow, known: store.KnownRow, token: str, kept: str
    ) -> None:
        if not await store.take_reset(tx, row.id, digest(token)):
            raise NotFound("reset_not_found")
        # The user's row before her sessions: a log-in with the old password waits here, and fails.
        await store.replace_password(tx, password_hash=kept)
        await store.delete_sessions(tx)
        await store.delete_resets(tx)
        # Whoever has the mailbox need not wait for what others tried.
        await store.forget_subject(tx, self.login_of(known.email).key)

    async def _of(
        self, caller: Caller, user_id: UserId | None
    ) -> tuple[store.KnownRow, list[Membership]]:
        """Who she is, and for whom she works; for the business of her session among others."""
        if user_id is None:
            raise Unauthenticated("session_required")
        async with self._db.directory() as directory:
            known = await store.known(directory, user_id)
            works_for = await store.memberships(directory, user_id)
        if known is None or caller.tenant_id not in [one.tenant_id for one in works_for]:
            raise Unauthenticated("session_required")
        return known, works_for

    async def count(self, *bounds: Bound) -> None:
        """Count one attempt of each. Raises `TooManyAttempts`."""
        await attempts.count(self._db, bounds)

    def signup_from(self, device: Device) -> Bound:
        """Sign-ups from a network address."""
        return Bound("signup:address", device.address, self._rules.signups_per_hour, HOUR)

    def login_from(self, device: Device) -> Bound:
        """Log-ins from a network address."""
        return Bound("login:address", device.address, self._rules.logins_per_minute, MINUTE)

    def login_of(self, email: str) -> Bound:
        """Passwords tried for an e-mail address."""
        return Bound("login:email", email, self._rules.logins_per_email, QUARTER)


async def _settle(tx: TenantTx, newcomer: Newcomer) -> None:
    user = newcomer.user
    async with tx.as_user(user.id) as own:
        await store.insert_user(
            own, email=user.email, name=user.name, password_hash=newcomer.password_hash
        )


def user_of(known: store.KnownRow) -> User:
    """The person of a row."""
    return User(known.id, known.email, known.name)


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
