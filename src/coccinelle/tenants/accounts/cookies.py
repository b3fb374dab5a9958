"""The cookie that carries a session, and which pages may make a browser send it.

Where a browser says where a request came from (`Sec-Fetch-Site`, `Origin`), it must be from a page
of ours; a request that writes and brings the cookie without saying so is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coccinelle.foundation.errors import Forbidden
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import Proxies
from coccinelle.tenants.accounts.mails import is_local

COOKIE = "__Host-coccinelle"
LOCAL_COOKIE = "coccinelle_session"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
DAY_SECONDS = 24 * 60 * 60


class NotFromOurPages(Forbidden):
    """A page of another site made a browser send this."""

    default_code = "cross_site"


def cookie_name(own_origin: str) -> str:
    """The cookie's name at `own_origin`: the prefix wants https, which localhost seldom has."""
    return LOCAL_COOKIE if is_plain(own_origin) else COOKIE


def set_cookie(response: Response, own_origin: str, token: str, *, days: int) -> None:
    """Have the browser keep a session."""
    response.set_cookie(
        cookie_name(own_origin),
        token,
        max_age=days * DAY_SECONDS,
        path="/",
        secure=not is_plain(own_origin),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, own_origin: str) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(
        cookie_name(own_origin),
        path="/",
        secure=not is_plain(own_origin),
        httponly=True,
        samesite="lax",
    )


class OwnPagesOnly:
    """ASGI: refuses a request that writes, whatever its path, when it brings the cookie and does
    not come from a page of ours; at an `entrance`, also one that brings none and says as much.

    Args:
        public_url: an origin of ours beside the one that a request is sent to.
        entrances: prefixes of the paths that set the cookie.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        refusals: Refusals,
        proxies: Proxies,
        public_url: str | None,
        entrances: tuple[str, ...],
    ) -> None:
        self._app = app
        self._refusals = refusals
        self._proxies = proxies
        self._public_url = (public_url or "").rstrip("/").lower()
        self._entrances = entrances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        is_unsafe = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if is_unsafe and not self._may_pass(scope, _headers(scope)):
            response = self._refusals.response(scope, NotFromOurPages())
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        if _has_cookie(headers):
            is_form_trick = headers.get("content-type", "").lower().startswith("text/plain")
            return self._is_ours(scope, headers) and not is_form_trick
        says = "origin" in headers or "sec-fetch-site" in headers
        is_entrance = scope["path"].startswith(self._entrances)
        return not (is_entrance and says) or self._is_ours(scope, headers)

    def _is_ours(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        site, page = headers.get("sec-fetch-site", "").lower(), headers.get("origin", "").lower()
        if site in ("cross-site", "same-site"):
            return False
        own = self._proxies.own_origin(scope)
        if site == "same-origin":
            # The browser vouches for the scheme, which a proxy may have hidden from us.
            return not page or page.partition("://")[2] == own.partition("://")[2]
        return bool(page) and page in (own, _without_default_port(own), self._public_url)


def is_plain(own_origin: str) -> bool:
    """Whether cookies must do without https there: on the machine itself only."""
    return own_origin.startswith("http://") and is_local(own_origin)


def _headers(scope: Scope) -> dict[str, str]:
    """By name. A proxy may hand cookies over in several headers: they are one."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}; {text}" if key == "cookie" and key in found else text
    return found


def _has_cookie(headers: Mapping[str, str]) -> bool:
    sent = cookie_parser(headers.get("cookie", ""))
    return COOKIE in sent or LOCAL_COOKIE in sent


def _without_default_port(own: str) -> str:
    scheme, _, host = own.partition("://")
    return f"{scheme}://{host.removesuffix({'http': ':80', 'https': ':443'}.get(scheme, ''))}"
