"""How people come in by an issuer of OpenID Connect: log-in, sign-up, invitations, and unlinking.

An identity is an issuer's name for somebody. It opens the account that it is linked to, and becomes
linked in two ways only: with a new account, or by the password of the account that has the address.
That the issuer vouches for the address is not enough for an account that is there: nobody proved
that address when the account was opened, so it may be somebody else's trap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import UserId, uuid7
from coccinelle.providers.oidc import Identity, NotProven
from coccinelle.tenants import audit
from coccinelle.tenants.accounts import identities, store
from coccinelle.tenants.accounts.entrance import Entrance, Newcomer, Opened, Proof, user_of
from coccinelle.tenants.accounts.model import (
    Device,
    User,
    checked_email,
    checked_person,
    digest,
)
from coccinelle.tenants.model import Caller, checked_name

Needs = Literal["password", "name", "company"]


class LastWayIn(Conflict):
    """Without this identity she could not come in any more."""

    default_code = "last_way_in"


@dataclass(frozen=True)
class Arrival:
    """Somebody whom the issuer knows and who is not in yet: what she must still say.

    Args:
        needs: the `password` of the account that has her address; or her `name`, to join by an
            invitation; or also that of her `company`, to open an account.
        invitation: the token that she brought.
    """

    identity: Identity
    email: str
    needs: Needs
    invitation: str | None = None


@dataclass(frozen=True)
class _Found:
    linked: identities.LinkedRow | None
    known: store.KnownRow | None
    invited: store.InvitedRow | None


class Federation:
    """Lets people in whom the issuer has proven.

    Args:
        accepts_unknown: whether people without account and invitation may open one.
    """

    def __init__(self, db: Database, entrance: Entrance, *, accepts_unknown: bool) -> None:
        self._db = db
        self._entrance = entrance
        self._accepts_unknown = accepts_unknown

    async def count(self, device: Device) -> None:
        """Count an arrival as a log-in, before the issuer is asked. Raises `TooManyAttempts`."""
        await self._entrance.count(self._entrance.login_from(device))

    async def arrive(
        self, identity: Identity, *, invitation: str | None, device: Device
    ) -> Opened | Arrival:
        """A session for whom the identity is linked to; else what is still to be said.

        Raises:
            NotProven: `oidc_email_unverified`: the issuer does not say that the address is hers.
            Forbidden: `oidc_no_account`: unknown people may not open one. `oidc_other_email`: the
                invitation is for another address. `not_a_member` of any business.
            NotFound: `invitation_not_found`.
            Conflict: `already_member`.
        """
        found = await self._found(identity, invitation)
        if found.linked is None or found.known is None:
            return self._stranger(identity, found, invitation)
        proof = Proof(identity_id=found.linked.id)
        return await self._let_in(found.known, proof, found.invited, invitation, device)

    async def link(self, arrival: Arrival, *, password: str, device: Device) -> Opened:
        """Make the identity a way into the account that has its address, and open a session.

        Raises:
            Unauthenticated: `login_failed`: it is not the password of that account.
            TooManyAttempts, Busy: it may be tried again later.
            IdentityTaken, NotFound, Conflict, Forbidden: as `arrive`.
        """
        bounds = self._entrance.login_from(device), self._entrance.login_of(arrival.email)
        await self._entrance.count(*bounds)
        found = await self._found(arrival.identity, arrival.invitation)
        known = await self._entrance.proven(password, found.known)
        proof = Proof(known.password_hash, links=arrival.identity)
        return await self._let_in(known, proof, found.invited, arrival.invitation, device)

    async def settle(
        self,
        arrival: Arrival,
        *,
        name: str,
        company_name: str | None,
        locale: Locale,
        device: Device,
    ) -> Opened:
        """A new account without a password: of a new business, or of the one that invites.

        Raises:
            Invalid: a name that cannot be one.
            EmailTaken, IdentityTaken: somebody has it meanwhile.
            TooManyAttempts, NotFound: as `arrive`.
        """
        user = User(UserId(uuid7()), arrival.email, checked_person(name))
        newcomer = Newcomer(user, links=arrival.identity)
        if arrival.needs == "company":
            company = checked_name(company_name or "")
            await self._entrance.count(self._entrance.signup_from(device))
            return await self._entrance.open_account(
                newcomer, company=company, locale=locale, device=device
            )
        found = await self._found(arrival.identity, arrival.invitation)
        if found.invited is None or arrival.invitation is None:
            raise Invalid(errors=(FieldError("name", "required"),))
        return await self._entrance.join_anew(
            found.invited, arrival.invitation, newcomer, device=device
        )

    async def _found(self, identity: Identity, invitation: str | None) -> _Found:
        async with self._db.directory() as tx:
            linked = await identities.found(tx, identity)
            if linked is not None:
                known = await store.known(tx, linked.user_id)
            else:
                email = _email_of(identity)
                known = await store.known_by_email(tx, email) if email else None
            invited = await store.invited(tx, digest(invitation)) if invitation else None
        if invitation and invited is None:
            raise NotFound("invitation_not_found")
        return _Found(linked, known, invited)

    def _stranger(self, identity: Identity, found: _Found, invitation: str | None) -> Arrival:
        email = _email_of(identity)
        if email is None:
            raise NotProven("oidc_email_unverified")
        if found.invited is not None and found.invited.email != email:
            raise Forbidden("oidc_other_email")
        if found.known is not None:
            return Arrival(identity, email, "password", invitation)
        if found.invited is not None:
            return Arrival(identity, email, "name", invitation)
        if not self._accepts_unknown:
            raise Forbidden("oidc_no_account")
        return Arrival(identity, email, "company")

    async def _let_in(
        self,
        known: store.KnownRow,
        proof: Proof,
        invited: store.InvitedRow | None,
        token: str | None,
        device: Device,
    ) -> Opened:
        user = user_of(known)
        if invited is None or token is None:
            return await self._entrance.enter(user, proof, device=device)
        if invited.email != user.email:
            raise Forbidden("oidc_other_email")
        return await self._entrance.join(invited, token, user, proof, device=device)


async def linked(db: Database, user_id: UserId) -> tuple[list[identities.Linked], bool]:
    """The identities by which a user may come in, and whether she may by a password."""
    async with db.user(user_id) as own:
        return await identities.of_user(own), await identities.has_password(own)


async def unlink(tx: TenantTx, caller: Caller, user_id: UserId, identity_id: UUID) -> None:
    """Let an identity open the account no more.

    Raises:
        NotFound: `identity_not_found`: the user has no such identity.
        LastWayIn: she has neither a password nor another identity.
    """
    async with tx.as_user(user_id) as own:
        has_password = await identities.has_password(own)
        if not await identities.delete(own, identity_id):
            raise NotFound("identity_not_found")
        if not has_password and not await identities.of_user(own):
            raise LastWayIn
    await audit.record(tx, audit.actor_of(caller), "identity.unlinked", about=user_id)


def _email_of(identity: Identity) -> str | None:
    """The address that is hers, in its one spelling."""
    try:
        return checked_email(identity.email) if identity.email else None
    except Invalid:
        return None
