"""Accounts over HTTP, under /api/v1/auth and /api/auth: how people come in, stay in and leave."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound, Unauthenticated
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.foundation.ids import SessionId, UserId
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import documented
from coccinelle.tenants.accounts import actions, store
from coccinelle.tenants.accounts.api_model import (
    AN_ID,
    AcceptBody,
    ChangeBody,
    CurrentSessionOut,
    ForgotBody,
    InvitationPage,
    InviteBody,
    InvitedOut,
    LoginBody,
    MeOut,
    OpenedOut,
    ResetBody,
    SessionsOut,
    SignupBody,
    SwitchBody,
    invitation_out,
    membership_out,
    opened_out,
    session_out,
    tenant_out,
    user_out,
)
from coccinelle.tenants.accounts.cookies import clear_cookie, set_cookie
from coccinelle.tenants.accounts.entrance import Entrance, Opened
from coccinelle.tenants.accounts.mails import Links
from coccinelle.tenants.accounts.model import (
    MAX_USER_AGENT_CHARS,
    AccountRules,
    Device,
    Membership,
    User,
)
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

PREFIX = "/api/v1/auth"
ALIAS = "/api/auth"

_PROBLEMS = {
    401: "No session, or one that has ended (`session_required`).",
    403: "The page is not ours (`cross_site`), or the role does not allow it (`role_missing`).",
    404: "There is no such thing, or it is somebody else's.",
    409: "The state of things does not allow it: `code` says why.",
    413: "More bytes than are accepted (`too_large`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    429: "Tried too often (`too_many_attempts`); `Retry-After` says when to try again.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer, or too many people log in (`logins_busy`).",
}


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language"))


Language = Annotated[Locale, Depends(_locale)]


class Reception:
    """What the routes share: who asks, from where, and the session that they leave with."""

    def __init__(self, db: Database, callers: Callers, rules: AccountRules, links: Links) -> None:
        self._db = db
        self._callers = callers
        self.rules = rules
        self.links = links

    def device(self, request: Request) -> Device:
        """Where a request comes from, as its sender will recognise it."""
        said = request.headers.get("user-agent", "")[:MAX_USER_AGENT_CHARS]
        agent = "".join(c for c in said if c.isprintable())
        return Device(self._callers.proxies.client_address(request.scope), agent)

    def base_url(self, request: Request) -> str:
        """What the links of mails begin with."""
        return self.links.base(self._callers.own_origin(request))

    def home(self, request: Request) -> str:
        """Where the sender of a request finds us."""
        return self.links.home(self._callers.own_origin(request))

    def own_origin(self, request: Request) -> str:
        """Under which address the sender of a request sees us."""
        return self._callers.own_origin(request)

    async def seated(self, request: Request, response: Response, opened: Opened) -> OpenedOut:
        """Somebody who came in, with her cookie; the session of the one before it ends."""
        if "authorization" not in request.headers:
            before = await self._callers.session_in(request)
            if before is not None and before.user_id and before.session_id:
                with suppress(NotFound):
                    await actions.end_session(self._db, before.user_id, before.session_id)
        own = self._callers.own_origin(request)
        set_cookie(response, own, opened.token.secret, days=self.rules.session_days)
        return opened_out(opened)

    def leave(self, request: Request, response: Response) -> None:
        """Take the cookie back."""
        clear_cookie(response, self._callers.own_origin(request))


def routes(
    db: Database, callers: Callers, entrance: Entrance, rules: AccountRules, links: Links
) -> APIRouter:
    """The routes of accounts, under both prefixes; the shorter one is not described twice."""
    reception = Reception(db, callers, rules, links)
    auth = APIRouter(tags=["accounts"])
    auth.include_router(_entrance_routes(entrance, callers, reception))
    auth.include_router(_session_routes(db, entrance, callers, reception))
    auth.include_router(_invitation_routes(db, callers, reception))
    api = APIRouter()
    api.include_router(auth, prefix=PREFIX)
    api.include_router(auth, prefix=ALIAS, include_in_schema=False)
    return api


def _entrance_routes(entrance: Entrance, callers: Callers, reception: Reception) -> APIRouter:
    api = APIRouter()

    @api.post(
        "/signup",
        status_code=201,
        summary="Sign up",
        response_description="The business and its owner exist, and she is logged in.",
        responses=problems(403, 409, 413, 422, 429),
    )
    async def sign_up(
        request: Request, response: Response, locale: Language, body: SignupBody
    ) -> OpenedOut:
        """A business, its owner and her first session: all of it, or nothing.

        409 `email_taken` when the address has an account. The session also comes as a cookie.
        """
        opened = await entrance.sign_up(
            email=body.email,
            password=body.password,
            name=body.name,
            company_name=body.company_name,
            locale=locale,
            device=reception.device(request),
        )
        return await reception.seated(request, response, opened)

    @api.post(
        "/login",
        summary="Log in",
        response_description="She is logged in.",
        responses=problems(403, 413, 422, 429),
    )
    async def log_in(request: Request, response: Response, body: LoginBody) -> OpenedOut:
        """A new session, in the business `tenant` or in the first one that she joined.

        401 `login_failed` is the same for an unknown address and for a wrong password, in its text
        and in its time. 403 `not_a_member`: she works for no such business (any more).
        """
        opened = await entrance.log_in(
            email=body.email,
            password=body.password,
            tenant=body.tenant,
            device=reception.device(request),
        )
        return await reception.seated(request, response, opened)

    @api.post(
        "/password/forgot",
        status_code=202,
        summary="Ask for a new password",
        response_description="If the address has an account, a link is on its way.",
        responses=problems(403, 413, 422, 429),
    )
    async def forgot(request: Request, locale: Language, body: ForgotBody) -> None:
        """The same answer, in the same time, whether or not the address has an account.

        The link is good for one hour, once. Without a mail server it is in the operator's log.
        """
        await entrance.forgot(
            email=body.email,
            base_url=reception.base_url(request),
            locale=locale,
            device=reception.device(request),
        )

    @api.post(
        "/password/reset",
        status_code=204,
        summary="Choose a new password by a mailed link",
        response_description="The password is changed, and every session has ended.",
        responses=problems(403, 404, 413, 422),
    )
    async def reset(body: ResetBody) -> None:
        """404 `reset_not_found` when the link was used, or is older than an hour."""
        await entrance.reset(token=body.token, password=body.password)

    @api.post(
        "/invitations/accept",
        status_code=201,
        summary="Accept an invitation",
        response_description="She is a member, and logged in.",
        responses=problems(403, 404, 409, 413, 422, 429),
    )
    async def accept(request: Request, response: Response, body: AcceptBody) -> OpenedOut:
        """With a name and a new password; or, where the invited address has an account, with its
        password or a session of it. 404 `invitation_not_found` when it cannot be used any more.
        """
        opened = await entrance.accept(
            token=body.token,
            name=body.name,
            password=body.password,
            caller=await callers.session_in(request),
            device=reception.device(request),
        )
        return await reception.seated(request, response, opened)

    return api


def _session_routes(
    db: Database, entrance: Entrance, callers: Callers, reception: Reception
) -> APIRouter:
    async def person(request: Request) -> Caller:
        return await callers.session_of(request)

    Who = Annotated[Caller, Depends(person)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/logout",
        status_code=204,
        summary="Log out",
        response_description="The session of this request has ended.",
        responses=problems(403, 422),
    )
    async def log_out(request: Request, response: Response, who: Who) -> None:
        """Its token proves nothing from now on, and the cookie is taken back."""
        if who.session_id is not None:
            await actions.end_session(db, _user_id(who), who.session_id)
        reception.leave(request, response)

    @api.get(
        "/me",
        summary="See who is logged in",
        response_description="The person, her business, and the others that she may work for.",
        responses=problems(403, 422),
    )
    async def me(who: Who) -> MeOut:
        """To work for another of `tenants`, switch to it by its short name."""
        user, works_for = await _person(db, _user_id(who))
        here = _here(who, works_for)
        return MeOut(
            user=user_out(user),
            tenant=tenant_out(here),
            role=here.role,
            session=CurrentSessionOut.model_validate(
                {"id": who.session_id, "expires_at": who.session_expires_at}
            ),
            tenants=[membership_out(one) for one in works_for],
        )

    @api.post(
        "/password/change",
        summary="Change one's password",
        response_description="The password is changed; this is the only session left.",
        responses=problems(403, 409, 413, 422, 429),
    )
    async def change(request: Request, response: Response, who: Who, body: ChangeBody) -> OpenedOut:
        """Every session ends, this one too; the answer carries its successor.

        403 `password_wrong` when `current_password` is not hers.
        """
        opened = await entrance.change_password(
            who,
            current=body.current_password,
            password=body.password,
            device=reception.device(request),
        )
        return await reception.seated(request, response, opened)

    @api.post(
        "/switch",
        summary="Work for another of one's businesses",
        response_description="A session there in place of this one.",
        responses=problems(403, 404, 413, 422),
    )
    async def switch(request: Request, response: Response, who: Who, body: SwitchBody) -> OpenedOut:
        """This session ends; its successor ends when this one would have.

        404 `tenant_not_found`: she works for no such business (any more).
        """
        opened = await entrance.switch(who, tenant=body.tenant, device=reception.device(request))
        return await reception.seated(request, response, opened)

    @api.get(
        "/sessions",
        summary="List one's sessions",
        response_description="The devices that are logged in.",
        responses=problems(403, 422),
    )
    async def list_sessions(who: Who) -> SessionsOut:
        """Of all businesses that she works for, the last used first."""
        idle_days = reception.rules.session_idle_days
        found = await actions.sessions(db, _user_id(who), idle_days=idle_days)
        _, works_for = await _person(db, _user_id(who))
        tenants = {one.tenant_id: tenant_out(one) for one in works_for}
        return SessionsOut(
            items=[
                session_out(one, tenants[one.tenant_id], current=who.session_id)
                for one in found
                if one.tenant_id in tenants
            ],
            next_cursor=None,
        )

    @api.delete(
        "/sessions",
        status_code=204,
        summary="Log out everywhere else",
        response_description="Only the session of this request is left.",
        responses=problems(403, 422),
    )
    async def end_others(who: Who) -> None:
        """Of all businesses that she works for."""
        await actions.end_other_sessions(db, _user_id(who), but=who.session_id)

    @api.delete(
        "/sessions/{session_id}",
        status_code=204,
        summary="Log a device out",
        response_description="It is logged out.",
        responses=problems(403, 404, 422),
    )
    async def end_session(
        who: Who,
        session_id: Annotated[UUID, Path(description="One of hers.", examples=[AN_ID])],
    ) -> None:
        """404 `session_not_found` for somebody else's."""
        await actions.end_session(db, _user_id(who), SessionId(session_id))

    return api


def _invitation_routes(db: Database, callers: Callers, reception: Reception) -> APIRouter:
    async def manager(request: Request) -> Caller:
        return await callers.session_of(request, at_least="admin")

    Who = Annotated[Caller, Depends(manager)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/invitations",
        status_code=201,
        summary="Invite somebody",
        response_description="She is invited.",
        responses=problems(403, 409, 413, 422, 429),
    )
    async def invite(request: Request, who: Who, locale: Language, body: InviteBody) -> InvitedOut:
        """By a mailed link that is good for seven days, once; without a mail server, `link`.

        Only an owner invites owners. 409 `already_member`. At most 30 an hour, of one address 5.
        """
        base_url = reception.base_url(request)
        async with db.tenant(who.tenant_id) as tx:
            invited = await actions.invite(
                tx,
                who,
                email=body.email,
                role=body.role,
                days=reception.rules.invitation_days,
                base_url=base_url or reception.home(request),
                is_mailed=reception.links.has_mail and bool(base_url),
                locale=locale,
            )
        told = invitation_out(invited.invitation).model_dump()
        return InvitedOut(**told, link=invited.link)

    @api.get(
        "/invitations",
        summary="List invitations",
        response_description="Some of the invitations.",
        responses=problems(403, 422),
    )
    async def list_invitations(
        who: Who, limit: Limit = 50, cursor: Cursor = None
    ) -> InvitationPage:
        """Those that nobody has accepted yet, the newest first."""
        async with db.tenant(who.tenant_id) as tx:
            found = await store.invitations(tx, limit=limit + 1, before=cursor)
        following = found[limit - 1].id if len(found) > limit else None
        return InvitationPage(
            items=[invitation_out(one) for one in found[:limit]], next_cursor=following
        )

    @api.delete(
        "/invitations/{invitation_id}",
        status_code=204,
        summary="Withdraw an invitation",
        response_description="Its link is worthless.",
        responses=problems(403, 404, 422),
    )
    async def withdraw(
        who: Who,
        invitation_id: Annotated[UUID, Path(description="The invitation.", examples=[AN_ID])],
    ) -> None:
        """404 `invitation_not_found` also for one that was accepted."""
        async with db.tenant(who.tenant_id) as tx:
            await actions.withdraw(tx, who, invitation_id)

    return api


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route of people may answer, and `statuses`, as RFC 9457 problems."""
    return documented(*sorted({401, 500, 503, *statuses}), said=_PROBLEMS)


async def _person(db: Database, user_id: UserId) -> tuple[User, list[Membership]]:
    async with db.directory() as tx:
        found = await store.person(tx, user_id)
    if found is None:
        raise Unauthenticated("session_required")
    return found


def _here(who: Caller, works_for: list[Membership]) -> Membership:
    found = [one for one in works_for if one.tenant_id == who.tenant_id]
    if not found:
        raise Unauthenticated("session_required")
    return found[0]


def _user_id(who: Caller) -> UserId:
    if who.user_id is None:
        raise Unauthenticated("session_required")
    return who.user_id
