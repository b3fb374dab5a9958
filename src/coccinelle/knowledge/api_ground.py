"""What all routes of knowledge share: who may ask, in which language, and what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from coccinelle.foundation.errors import Forbidden
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.foundation.problems import documented
from coccinelle.tenants.model import Caller

SCOPE = "knowledge"
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"

Authenticate = Callable[[Request], Awaitable[Caller]]
Place = Annotated[
    int,
    Query(ge=-1, le=2**31 - 1, description="`next_cursor` of the answer before.", examples=[49]),
]

_PROBLEMS = {
    401: "Nothing in the request says which business it is for (`unauthenticated`).",
    403: "The credential has no scope `knowledge` (`scope_missing`).",
    404: "There is nothing of this id, or it is another business's; `code` says of what.",
    409: "The state at this moment does not allow it; `code` says why.",
    413: "More bytes than are accepted (`too_large`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer; `Retry-After` says when to ask again.",
}


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language"))


Language = Annotated[Locale, Depends(_locale)]


def permitted(caller: Authenticate) -> Authenticate:
    """Who asks, if the credential has the scope `knowledge`."""

    async def permitted_caller(request: Request) -> Caller:
        found = await caller(request)
        if SCOPE not in found.scopes:
            raise Forbidden("scope_missing", scope=SCOPE)
        return found

    return permitted_caller


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route may answer, and `statuses`, as RFC 9457 problems."""
    return documented(*sorted({401, 403, 500, 503, *statuses}), said=_PROBLEMS)
