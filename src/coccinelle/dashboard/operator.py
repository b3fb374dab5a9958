"""The operator's page: how onboarding goes on this installation, over all businesses.

It is there where the operator has set a token, for whoever sends it: as a bearer, or as the
password that a browser asks for. No member of a business sees it, whatever her role.
"""

from __future__ import annotations

import base64
import hmac

from fastapi import APIRouter, Request
from pydantic import SecretStr, TypeAdapter
from starlette.responses import PlainTextResponse, Response

from coccinelle.dashboard.pages import Pages
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation import i18n
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound
from coccinelle.onboarding.funnel import Funnel, funnel

PAGE = "/operator/onboarding"
FIGURES = f"{PAGE}.json"
_ASKING = {"WWW-Authenticate": 'Basic realm="Coccinelle", charset="UTF-8"'}
_FUNNEL = TypeAdapter(Funnel)


def routes(pages: Pages, db: Database, token: SecretStr | None) -> APIRouter:
    """The figures as a page and as JSON; neither is there without a token."""
    router = pages.router()

    @router.get(PAGE)
    async def page(request: Request) -> Response:
        if not _is_operator(request, token):
            return _who_are_you(request)
        return pages.render(request, "operator/onboarding.html", found=await funnel(db))

    @router.get(FIGURES)
    async def figures(request: Request) -> Response:
        if not _is_operator(request, token):
            return _who_are_you(request)
        return Response(_FUNNEL.dump_json(await funnel(db)), media_type="application/json")

    return router


def _is_operator(request: Request, token: SecretStr | None) -> bool:
    """Raises `NotFound` where there is no token to know an operator by."""
    if token is None:
        raise NotFound
    return hmac.compare_digest(_sent(request), token.get_secret_value().encode())


def _sent(request: Request) -> bytes:
    """The token of a bearer, or the password of whatever user a browser names."""
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return said.strip().encode()
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(said, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _who_are_you(request: Request) -> Response:
    said = i18n.sentence("operator_required", language_of(request))
    return PlainTextResponse(said, 401, headers=_ASKING)
