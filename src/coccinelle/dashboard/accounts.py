"""The pages by which people come in and leave, and the choice of their language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard.navigation import HOME
from coccinelle.dashboard.pages import (
    LOGIN,
    Form,
    Pages,
    checked,
    local_path,
    read_form,
    see_other,
)
from coccinelle.dashboard.translation import COOKIE, language_of
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.foundation.i18n import LOCALES
from coccinelle.tenants.accounts import actions, store
from coccinelle.tenants.accounts.api import Reception
from coccinelle.tenants.accounts.api_model import (
    AcceptBody,
    ForgotBody,
    LoginBody,
    ResetBody,
    SignupBody,
)
from coccinelle.tenants.accounts.entrance import Entrance, Opened
from coccinelle.tenants.accounts.mails import INVITATION_PATH, RESET_PATH
from coccinelle.tenants.accounts.model import digest
from coccinelle.tenants.model import Caller

SIGNUP = "/signup"
FORGOT = "/password/forgot"
FIRST_STEP = "/onboarding"
BUSINESSES = "/dashboard/settings/businesses"
YEAR_SECONDS = 365 * 24 * 60 * 60
# Paths whose forms bring no session yet: a page of another site may not send them either.
ENTRANCES = (SIGNUP, LOGIN, "/password", RESET_PATH, INVITATION_PATH)


@dataclass(frozen=True)
class Invitee:
    """What the page of an invitation says: who asks whom, and whether she has an account."""

    company_name: str
    email: str
    has_account: bool
    is_signed_in: bool


def routes(
    pages: Pages,
    db: Database,
    entrance: Entrance,
    reception: Reception,
    *,
    issuer: str | None = None,
) -> APIRouter:
    """Every page for which nobody needs a session, and the way out.

    Args:
        issuer: what people call the issuer by which they may come in, too.
    """
    router = pages.router()
    router.include_router(_door(pages, entrance, reception, issuer))
    router.include_router(_ways_out(pages, db, reception))
    router.include_router(_passwords(pages, db, entrance, reception))
    router.include_router(_invitations(pages, db, entrance, reception, issuer))
    return router


def _door(pages: Pages, entrance: Entrance, reception: Reception, issuer: str | None) -> APIRouter:
    router = pages.router()

    def offered(request: Request) -> str | None:
        return issuer if reception.home(request) else None

    @router.get(SIGNUP)
    async def signup_page(request: Request) -> Response:
        if await pages.visitor(request):
            return see_other(HOME)
        return pages.render(request, "accounts/signup.html", form=Form([]), issuer=offered(request))

    @router.post(SIGNUP)
    async def sign_up(request: Request) -> Response:
        form = await read_form(request)
        try:
            body = checked(SignupBody, _only(form, "name", "company_name", "email", "password"))
            opened = await entrance.sign_up(
                **body.model_dump(),
                locale=language_of(request),
                device=reception.device(request),
            )
        except CoccinelleError as error:
            return pages.refused(
                request,
                "accounts/signup.html",
                error,
                form=form,
                at={"email_taken": "email"},
                issuer=offered(request),
            )
        return await seated(reception, request, opened, FIRST_STEP)

    @router.get(LOGIN)
    async def login_page(request: Request) -> Response:
        wanted = local_path(request.query_params.get("next"))
        if await pages.visitor(request):
            return see_other(wanted)
        done = request.query_params.get("done", "")
        form = Form([("next", wanted), ("email", request.query_params.get("email", "")[:254])])
        return pages.render(
            request, "accounts/login.html", form=form, done=done, issuer=offered(request)
        )

    @router.post(LOGIN)
    async def log_in(request: Request) -> Response:
        form = await read_form(request)
        try:
            body = checked(LoginBody, _only(form, "email", "password"))
            opened = await entrance.log_in(**body.model_dump(), device=reception.device(request))
        except CoccinelleError as error:
            form["next"] = local_path(form.get("next"))
            return pages.refused(
                request,
                "accounts/login.html",
                error,
                form=form,
                done="",
                issuer=offered(request),
            )
        return await seated(reception, request, opened, local_path(form.get("next")))

    return router


def _ways_out(pages: Pages, db: Database, reception: Reception) -> APIRouter:
    router = pages.router()

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        caller = await pages.signed_in(request)
        if caller.user_id is not None and caller.session_id is not None:
            await actions.end_session(db, caller.user_id, caller.session_id)
        response = see_other(f"{LOGIN}?done=left")
        reception.leave(request, response)
        return response

    @router.post("/language")
    async def choose_language(request: Request) -> Response:
        form = await read_form(request)
        response = see_other(local_path(form.get("next")))
        if form.get("lang") in LOCALES:
            response.set_cookie(
                COOKIE,
                form["lang"],
                max_age=YEAR_SECONDS,
                httponly=True,
                secure=request.url.scheme == "https",
                samesite="lax",
            )
        return response

    return router


def _passwords(pages: Pages, db: Database, entrance: Entrance, reception: Reception) -> APIRouter:
    router = pages.router()

    @router.get(FORGOT)
    async def forgot_page(request: Request) -> Response:
        return pages.render(
            request, "accounts/forgot.html", form=Form([]), done=request.query_params.get("done")
        )

    @router.post(FORGOT)
    async def forgot(request: Request) -> Response:
        form = await read_form(request)
        try:
            body = checked(ForgotBody, _only(form, "email"))
            await entrance.forgot(
                email=body.email,
                base_url=reception.base_url(request),
                locale=language_of(request),
                device=reception.device(request),
            )
        except CoccinelleError as error:
            return pages.refused(request, "accounts/forgot.html", error, form=form, done="")
        return see_other(f"{FORGOT}?done=sent")

    @router.get(RESET_PATH)
    async def reset_page(request: Request) -> Response:
        token = request.query_params.get("token", "")
        async with db.directory() as tx:
            is_good = await store.reset(tx, digest(token)) is not None
        name = "accounts/reset.html" if is_good else "accounts/reset_over.html"
        return pages.render(request, name, status=200 if is_good else 404, token=token)

    @router.post(RESET_PATH)
    async def reset(request: Request) -> Response:
        form = await read_form(request)
        try:
            body = checked(ResetBody, _only(form, "token", "password"))
            await entrance.reset(token=body.token, password=body.password)
        except NotFound as error:
            return pages.refused(request, "accounts/reset_over.html", error)
        except CoccinelleError as error:
            token = form.get("token", "")
            return pages.refused(request, "accounts/reset.html", error, token=token)
        return see_other(f"{LOGIN}?done=reset")

    return router


def _invitations(
    pages: Pages, db: Database, entrance: Entrance, reception: Reception, issuer: str | None
) -> APIRouter:
    router = pages.router()

    async def shown(request: Request, form: Form, error: CoccinelleError | None = None) -> Response:
        token = form.get("token", "")
        caller = await pages.visitor(request)
        invitee = await _invitee(db, token, caller)
        if invitee is None:
            return pages.render(request, "accounts/invitation_over.html", status=404)
        name, at = "accounts/invitation.html", {"login_failed": "password"}
        values: dict[str, Any] = {"form": form, "token": token, "invitee": invitee}
        values["issuer"] = issuer if reception.home(request) else None
        if error is None:
            return pages.render(request, name, **values)
        return pages.refused(request, name, error, at=at, **values)

    @router.get(INVITATION_PATH)
    async def invitation_page(request: Request) -> Response:
        return await shown(request, Form([("token", request.query_params.get("token", ""))]))

    @router.post(INVITATION_PATH)
    async def accept(request: Request) -> Response:
        form = await read_form(request)
        try:
            body = checked(AcceptBody, _only(form, "token", "name", "password"))
            opened = await entrance.accept(
                **body.model_dump(),
                caller=await pages.visitor(request),
                device=reception.device(request),
            )
        except CoccinelleError as error:
            return await shown(request, form, error)
        return await seated(reception, request, opened, HOME)

    return router


async def _invitee(db: Database, token: str, caller: Caller | None) -> Invitee | None:
    async with db.directory() as tx:
        invited = await store.invited(tx, digest(token))
        if invited is None:
            return None
        tenant = await store.tenant_names(tx, invited.tenant_id)
        known = await store.known_by_email(tx, invited.email)
    is_hers = known is not None and caller is not None and caller.user_id == known.id
    return Invitee(tenant.company_name, invited.email, known is not None, is_hers)


async def seated(reception: Reception, request: Request, opened: Opened, path: str) -> Response:
    """To `path` with a session; by the choice of a business, where she works for several."""
    wanted = "" if path == HOME else f"?next={quote(path, safe='/')}"
    response = see_other(f"{BUSINESSES}{wanted}" if opened.is_choice else path)
    await reception.seated(request, response, opened)
    return response


def _only(form: Form, *names: str) -> dict[str, str]:
    return {name: form.get(name, "") for name in names}
