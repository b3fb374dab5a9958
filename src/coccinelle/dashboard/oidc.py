"""The way in by an issuer of OpenID Connect: there, back, and what is still to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard.accounts import FIRST_STEP, seated
from coccinelle.dashboard.navigation import HOME
from coccinelle.dashboard.pages import LOGIN, Form, Pages, local_path, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.providers.oidc import Oidc, new_attempt
from coccinelle.tenants.accounts import store
from coccinelle.tenants.accounts.api import Reception
from coccinelle.tenants.accounts.api_model import MAX_TOKEN_CHARS
from coccinelle.tenants.accounts.entrance import Opened
from coccinelle.tenants.accounts.federation import Arrival, Federation
from coccinelle.tenants.accounts.mails import INVITATION_PATH
from coccinelle.tenants.accounts.model import digest
from coccinelle.tenants.accounts.tickets import Awaited, Departure, Tickets

START = f"{LOGIN}/oidc"
CALLBACK = f"{START}/callback"
CONFIRM = f"{START}/confirm"


@dataclass(frozen=True)
class Issuer:
    """Who says who people are, what people call it, and what is done with it."""

    name: str
    provider: Oidc
    federation: Federation
    tickets: Tickets


def routes(pages: Pages, db: Database, reception: Reception, issuer: Issuer | None) -> APIRouter:
    """There and back; where no issuer is configured, there is no such page."""
    ways = _Ways(pages, db, reception, issuer)
    router = pages.router()
    router.add_api_route(START, ways.leave, methods=["GET"])
    router.add_api_route(CALLBACK, ways.come_back, methods=["GET"])
    router.add_api_route(CONFIRM, ways.ask, methods=["GET"])
    router.add_api_route(CONFIRM, ways.confirm, methods=["POST"])
    return router


class _Ways:
    def __init__(
        self, pages: Pages, db: Database, reception: Reception, issuer: Issuer | None
    ) -> None:
        self._pages = pages
        self._db = db
        self._reception = reception
        self._issuer = issuer

    async def leave(self, request: Request) -> Response:
        """To the issuer, and a cookie by which this browser will be recognised.

        Who is invited says so on our page: whom the issuer knows comes back as a member.
        """
        issuer = self._configured(request)
        invitation = request.query_params.get("invitation", "")[:MAX_TOKEN_CHARS]
        if invitation and _is_from_elsewhere(request):
            return see_other(f"{INVITATION_PATH}?token={quote(invitation, safe='')}")
        path = local_path(request.query_params.get("next"))
        departure = Departure(new_attempt(), path, invitation or None)
        try:
            to = await issuer.provider.authorization_url(
                departure.attempt,
                redirect_uri=self._redirect_uri(request),
                locale=language_of(request),
            )
        except CoccinelleError as error:
            return self._refused(request, issuer, error)
        response = see_other(to)
        issuer.tickets.leave(response, self._reception.own_origin(request), departure)
        return response

    async def come_back(self, request: Request) -> Response:
        """From the issuer: in, or to what is still to be said. The ticket is good once."""
        issuer = self._configured(request)
        device = self._reception.device(request)
        try:
            departure = issuer.tickets.back(request, self._reception.own_origin(request))
            await issuer.federation.count(device)
            identity = await issuer.provider.identity(
                departure.attempt,
                dict(request.query_params),
                redirect_uri=self._redirect_uri(request),
            )
            found = await issuer.federation.arrive(
                identity, invitation=departure.invitation, device=device
            )
        except CoccinelleError as error:
            return self._refused(request, issuer, error)
        if isinstance(found, Opened):
            return await self._in(request, issuer, found, departure.path)
        response = see_other(CONFIRM)
        awaited = Awaited(found, departure.path)
        issuer.tickets.wait(response, self._reception.own_origin(request), awaited)
        return response

    async def ask(self, request: Request) -> Response:
        """What is still to be said."""
        issuer = self._configured(request)
        try:
            arrival = self._waiting(request, issuer).arrival
            values = await self._shown(issuer, arrival, Form([("name", arrival.identity.name)]))
        except CoccinelleError as error:
            return self._refused(request, issuer, error)
        return self._pages.render(request, "accounts/oidc_confirm.html", **values)

    async def confirm(self, request: Request) -> Response:
        """It is said."""
        issuer = self._configured(request)
        form = await read_form(request)
        try:
            awaited = self._waiting(request, issuer)
        except CoccinelleError as error:
            return self._refused(request, issuer, error)
        try:
            opened = await self._said(request, issuer, awaited.arrival, form)
        except CoccinelleError as error:
            return await self._asked_again(request, issuer, awaited.arrival, form, error)
        path = FIRST_STEP if awaited.arrival.needs == "company" else awaited.path
        return await self._in(request, issuer, opened, path)

    async def _said(self, request: Request, issuer: Issuer, arrival: Arrival, form: Form) -> Opened:
        device = self._reception.device(request)
        if arrival.needs == "password":
            password = form.get("password", "")
            return await issuer.federation.link(arrival, password=password, device=device)
        return await issuer.federation.settle(
            arrival,
            name=form.get("name", ""),
            company_name=form.get("company_name"),
            locale=language_of(request),
            device=device,
        )

    async def _asked_again(
        self,
        request: Request,
        issuer: Issuer,
        arrival: Arrival,
        form: Form,
        error: CoccinelleError,
    ) -> Response:
        try:
            values = await self._shown(issuer, arrival, form)
        except NotFound as gone:
            return self._refused(request, issuer, gone)
        at = {"login_failed": "password"}
        return self._pages.refused(request, "accounts/oidc_confirm.html", error, at=at, **values)

    async def _shown(self, issuer: Issuer, arrival: Arrival, form: Form) -> dict[str, Any]:
        company = None
        if arrival.invitation is not None:
            async with self._db.directory() as tx:
                invited = await store.invited(tx, digest(arrival.invitation))
                if invited is None:
                    raise NotFound("invitation_not_found")
                company = (await store.tenant_names(tx, invited.tenant_id)).company_name
        return {"issuer": issuer.name, "arrival": arrival, "invited_by": company, "form": form}

    async def _in(self, request: Request, issuer: Issuer, opened: Opened, path: str) -> Response:
        response = await seated(self._reception, request, opened, local_path(path, HOME))
        issuer.tickets.forget(response, self._reception.own_origin(request))
        return response

    def _refused(self, request: Request, issuer: Issuer, error: CoccinelleError) -> Response:
        response = self._pages.refused(
            request, "accounts/oidc_refused.html", error, issuer=issuer.name
        )
        issuer.tickets.forget(response, self._reception.own_origin(request))
        return response

    def _waiting(self, request: Request, issuer: Issuer) -> Awaited:
        return issuer.tickets.waiting(request, self._reception.own_origin(request))

    def _configured(self, request: Request) -> Issuer:
        if self._issuer is None or not self._reception.home(request):
            raise NotFound
        return self._issuer

    def _redirect_uri(self, request: Request) -> str:
        return f"{self._reception.home(request)}{CALLBACK}"


def _is_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that no page of ours led here."""
    return request.headers.get("sec-fetch-site", "same-origin") != "same-origin"
