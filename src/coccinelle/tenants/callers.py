"""Whose request this is: found by key, session or host name, and never by default."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Forbidden, Invalid, Unauthenticated
from coccinelle.foundation.web import Proxies, add_header, vary_on
from coccinelle.tenants import actions, store
from coccinelle.tenants.accounts import actions as accounts
from coccinelle.tenants.accounts.cookies import cookie_name
from coccinelle.tenants.accounts.model import SESSION_PREFIX
from coccinelle.tenants.model import Caller, Role, covers, host_name, is_allowed_origin, origin

MAX_CACHED = 10_000
PREFLIGHT_SECONDS = 600
EXPOSED = "X-Visitor-Token, Retry-After, X-Request-Id"
ALLOWED_HEADERS = (
    "Content-Type, Accept-Language, Authorization, X-Coccinelle-Key, X-Visitor-Token,"
    " Last-Event-ID, Idempotency-Key"
)
UNNAMED_ORIGIN = "https://…"

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Callers:
    """Answers who is calling, and which pages may.

    Args:
        proxies: whose forwarded headers are believed.
        cache_seconds: how long a key or host name that was found is not looked up again, which is
            also how long a revoked one may live. A session is looked up each time.
        session_idle_days: how long an unused session lives.
    """

    def __init__(
        self,
        db: Database,
        *,
        proxies: Proxies | None = None,
        cache_seconds: float = 5.0,
        session_idle_days: int = 14,
    ):
        self.proxies = proxies or Proxies()
        self._session_idle_days = session_idle_days
        self._db = db
        self._cache_seconds = cache_seconds
        self._cache: OrderedDict[tuple[str, str], tuple[float, Caller]] = OrderedDict()

    async def of(self, request: Request, *, scope: str = "chat") -> Caller:
        """The caller of a request, who may do `scope`.

        A page that may call gets CORS headers on whatever the answer is.

        Raises:
            Unauthenticated: nothing, or nothing valid, says which tenant it is for.
            Forbidden: `origin_not_allowed`, or the credential does not cover `scope`.
        """
        caller = await self._found(request)
        self._check_origin(request, caller)
        if scope not in caller.scopes:
            if caller.via in ("public_key", "host"):
                raise Unauthenticated("api_key_required")
            raise Forbidden("scope_missing", scope=scope)
        return caller

    async def session_of(self, request: Request, *, at_least: Role = "member") -> Caller:
        """The person who sends a request, by her session and nothing else.

        Raises:
            Unauthenticated: `session_required`: it brings no session, or one that has ended.
            Forbidden: `role_missing`: she may not do what `at_least` may.
        """
        caller = await self.session_in(request)
        if caller is None or caller.role is None:
            raise Unauthenticated("session_required")
        if not covers(caller.role, at_least):
            raise Forbidden("role_missing", role=at_least)
        return caller

    async def session_in(self, request: Request) -> Caller | None:
        """The person whose session a request brings, if it brings a good one."""
        secret = _bearer(request)
        token = request.cookies.get(cookie_name(self.own_origin(request))) or ""
        if secret is not None:
            token = secret if secret.startswith(SESSION_PREFIX) else ""
        if not token:
            return None
        return await accounts.caller_by_session(self._db, token, idle_days=self._session_idle_days)

    def own_origin(self, request: Request) -> str:
        """The origin of pages that we serve ourselves, as this request's sender sees it."""
        return spelled(self.proxies.own_origin(request.scope))

    def page_of(self, request: Request) -> str:
        """The origin of the page that sends a request; ours when it does not say."""
        return request.headers.get("origin") or self.own_origin(request)

    def address_of(self, request: Request, caller: Caller) -> str | None:
        """The sender's address, or None for a caller whom no limit per address concerns."""
        return None if caller.is_program else self.proxies.client_address(request.scope)

    def preflight(self, methods: str, headers: str = ALLOWED_HEADERS) -> Preflight:
        """An endpoint that tells browsers which pages may use `methods` with `headers`."""

        async def answer(request: Request) -> Response:
            sent = request.headers.get("origin")
            if sent is not None:
                await self._check_preflight(request, sent)
                allow_page(request, sent)
                add_header(request.scope, "Access-Control-Allow-Methods", methods)
                add_header(request.scope, "Access-Control-Allow-Headers", headers)
                add_header(request.scope, "Access-Control-Max-Age", str(PREFLIGHT_SECONDS))
            return Response(status_code=204, headers={"Allow": methods})

        return answer

    async def _found(self, request: Request) -> Caller:
        session = await self.session_in(request)
        if session is not None:
            return session
        secret = _bearer(request)
        if secret is not None:
            if secret.startswith(SESSION_PREFIX):
                raise Unauthenticated("session_required")
            return await self._known("api_key", secret, actions.caller_by_api_key)
        key = request.headers.get("x-coccinelle-key") or request.query_params.get("key")
        if key:
            return await self._known("public_key", key, actions.caller_by_public_key)
        return await self._known("host", _host(request), actions.caller_by_host)

    async def _known(self, kind: str, value: str, look_up: LookUp) -> Caller:
        """The caller behind a credential: remembered for a while once found, never when not."""
        cached = self._cache.get((kind, value))
        if cached and cached[0] > time.monotonic():
            return cached[1]
        caller = await look_up(self._db, value) if value else None
        if caller is None:
            self._cache.pop((kind, value), None)
            raise Unauthenticated(_UNKNOWN[kind])
        self._cache[kind, value] = (time.monotonic() + self._cache_seconds, caller)
        self._cache.move_to_end((kind, value))
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return caller

    def _check_origin(self, request: Request, caller: Caller) -> None:
        if caller.allowed_origins is None:
            return
        sent = request.headers.get("origin")
        # A browser names the page in every request that writes: without it, no page is allowed.
        is_missing = sent is None and request.method not in _SAFE_METHODS
        is_unproven = is_missing and caller.via == "public_key"
        own = self.own_origin(request)
        if is_unproven or not is_allowed_origin(sent, allowed=caller.allowed_origins, own=own):
            raise Forbidden("origin_not_allowed", origin=_nameable(sent))
        if sent is not None:
            allow_page(request, sent)

    async def _check_preflight(self, request: Request, sent: str) -> None:
        """A preflight carries no header of ours: a key in one may be any tenant's that lists us."""
        asked = request.headers.get("access-control-request-headers", "").lower()
        if sent == self.own_origin(request):
            return
        if "x-coccinelle-key" in asked:
            async with self._db.directory() as tx:
                if await store.lists_origin(tx, sent):
                    return
        elif "authorization" not in asked:
            self._check_origin(request, await self._found(request))
            return
        raise Forbidden("origin_not_allowed", origin=_nameable(sent))


LookUp = Callable[[Database, str], Awaitable[Caller | None]]
Preflight = Callable[[Request], Awaitable[Response]]

_UNKNOWN = {
    "api_key": "api_key_unknown",
    "public_key": "public_key_unknown",
    "host": "unauthenticated",
}


def allow_page(request: Request, page: str) -> None:
    """Let the page at origin `page` read the answer."""
    add_header(request.scope, "Access-Control-Allow-Origin", page)
    add_header(request.scope, "Access-Control-Expose-Headers", EXPOSED)
    vary_on(request.scope, "Origin")


def _bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _host(request: Request) -> str:
    try:
        return host_name(request.headers.get("host", ""))
    except Invalid:
        return ""


def spelled(found: str) -> str:
    """An origin as browsers write it; what is none, as it is."""
    try:
        return origin(found)
    except Invalid:
        return found


def _nameable(sent: str | None) -> str:
    """The origin as it can be added to a list; an ellipsis for what is none."""
    try:
        return origin(sent) if sent else UNNAMED_ORIGIN
    except Invalid:
        return UNNAMED_ORIGIN
