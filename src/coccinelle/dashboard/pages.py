"""The ground of all pages: who is signed in, the layout, the policy, forms, and what went wrong.

A group of pages makes its routes of a `Pages`:

    router = pages.router()

    @router.get("/dashboard/things")
    async def things(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        return pages.render(request, "things.html", things=...)

    @router.post("/dashboard/things")
    async def add(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            ...
        except CoccinelleError as error:
            return pages.refused(request, "things.html", error, form=form, things=...)
        return see_other("/dashboard/things?done=added")

A page is `{% extends layout %}` with the blocks `title` and `main`: `layout` is the whole page, or
for htmx what goes into `<main>`. Errors that a page does not catch become pages of their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from coccinelle.dashboard.navigation import HOME, place_of
from coccinelle.dashboard.rendering import environment
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError, Forbidden, Invalid, Unauthenticated
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import UserId
from coccinelle.foundation.problems import Problem, invalid_fields, problem_of, request_id_of
from coccinelle.tenants.accounts import store as accounts_store
from coccinelle.tenants.accounts.model import Membership, User
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller, Role, covers

Body = TypeVar("Body", bound=BaseModel)

LOGIN = "/login"
MAX_FIELDS = 500
MAX_PATH_CHARS = 500
# Paths whose refusals are pages, wherever they are refused.
PREFIXES = (
    "/dashboard",
    "/onboarding",
    "/login",
    "/logout",
    "/signup",
    "/password",
    "/reset",
    "/invitation",
    "/language",
)


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, the business that she works for in this session, and all hers."""

    caller: Caller
    user: User
    here: Membership
    works_for: tuple[Membership, ...]


@dataclass(frozen=True)
class Trouble:
    """What was refused, in the reader's language: by field, and what is of none."""

    fields: Mapping[str, str] = field(default_factory=dict)
    detail: str | None = None
    code: str = ""


class Form(dict[str, str]):
    """The fields of a form, the last of each name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def all(self, name: str) -> list[str]:
        """Every value of a name that may be chosen several times."""
        return [value for key, value in self._pairs if key == name]


class Pages:
    """Makes routes that answer with pages."""

    def __init__(self, db: Database, callers: Callers) -> None:
        self._db = db
        self._callers = callers

    def router(self) -> APIRouter:
        """Where a group of pages puts its routes: they are pages, and so is what goes wrong."""
        return APIRouter(include_in_schema=False, route_class=_page_route(self))

    async def signed_in(self, request: Request, at_least: Role = "member") -> Caller:
        """Who asks, by her session. Without one the answer is the way to the log-in page.

        Raises:
            Unauthenticated, Forbidden: which become that way, and the page of what is denied.
        """
        caller = await self._callers.session_of(request)
        request.state.person = person = await self._person(caller, user_of(caller))
        if not covers(person.here.role, at_least):
            raise Forbidden("role_missing", role=at_least)
        return caller

    async def visitor(self, request: Request) -> Caller | None:
        """Who asks, where a page is for people without a session, too."""
        caller = await self._callers.session_in(request)
        if caller is not None and caller.user_id is not None:
            request.state.person = await self._person(caller, caller.user_id)
        return caller

    def render(
        self, request: Request, name: str, /, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page; for htmx, only what changes. `trouble` is what was refused before."""
        person: Person | None = getattr(request.state, "person", None)
        return html(
            name,
            language_of(request),
            status=status,
            is_fragment=_is_fragment(request),
            **{"path": request.url.path, "person": person, "trouble": Trouble(), **values},
        )

    def refused(
        self,
        request: Request,
        name: str,
        error: CoccinelleError,
        /,
        *,
        at: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """The page again, with what was wrong beside its field.

        Args:
            at: for codes that name no field, the field that they are about.
        """
        problem = self.problem(request, error)
        trouble = _trouble(problem, at or {}, order=list(values.get("form", ())))
        response = self.render(request, name, status=problem.status, trouble=trouble, **values)
        if problem.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(problem.retry_after_seconds)
        return response

    def problem(self, request: Request, error: Exception) -> Problem:
        """What went wrong, in the reader's language."""
        number = request_id_of(request.scope)
        return problem_of(error, locale=language_of(request), request_id=number)

    def answer_to(self, request: Request, error: CoccinelleError) -> Response:
        """The page of an error that no page caught."""
        if isinstance(error, Unauthenticated):
            return _to_login(request)
        return self.render(request, "problem.html", **_told(self.problem(request, error)))

    async def _person(self, caller: Caller, user_id: UserId) -> Person:
        async with self._db.directory() as tx:
            found = await accounts_store.person(tx, user_id)
        user, works_for = found or (None, [])
        here = [one for one in works_for if one.tenant_id == caller.tenant_id]
        if user is None or not here:
            raise Unauthenticated("session_required")
        return Person(caller, user, here[0], tuple(works_for))


async def read_form(request: Request) -> Form:
    """The fields of a form as browsers send it (application/x-www-form-urlencoded).

    Raises:
        Invalid: it is no such form, is not UTF-8, or has a character that cannot be kept.
        TooLarge: more than the bytes that are accepted.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Invalid
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:  # Also what is not UTF-8.
        raise Invalid from error
    if any("\x00" in part for pair in pairs for part in pair):
        raise Invalid("unstorable_characters")
    return Form(pairs)


def checked(kind: type[Body], values: Mapping[str, object]) -> Body:
    """What a form says, as the body that the API takes; blank values count as not given.

    Raises:
        Invalid: by field.
    """
    given = {name: value for name, value in values.items() if value not in ("", None)}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid_fields(dict(item) for item in error.errors()) from error


def user_of(caller: Caller) -> UserId:
    """Who she is, whose session it is."""
    if caller.user_id is None:
        raise Unauthenticated("session_required")
    return caller.user_id


def see_other(path: str) -> Response:
    """Go and see there what came of it: reloading that page does nothing again."""
    return RedirectResponse(path, 303)


def local_path(wanted: str | None, otherwise: str = HOME) -> str:
    """`wanted` where it is a path of ours, else `otherwise`: nobody is sent to another site."""
    path = wanted or ""
    is_plain = path.isascii() and path.isprintable() and "\\" not in path and " " not in path
    if not (path.startswith("/") and is_plain and len(path) <= MAX_PATH_CHARS):
        return otherwise
    try:
        parts = urlsplit(path)
    except ValueError:
        return otherwise
    is_local = not (parts.scheme or parts.netloc or path.startswith("//"))
    return path if is_local else otherwise


def html(
    name: str, locale: Locale, *, status: int = 200, is_fragment: bool = False, **values: Any
) -> HTMLResponse:
    """A rendered template with the headers that every page has."""
    nonce = secrets.token_urlsafe(16)
    person: Person | None = values.get("person")
    content = (
        environment(locale)
        .get_template(name)
        .render(
            layout="fragment.html" if is_fragment else "base.html",
            csp_nonce=nonce,
            caller=person.caller if person else None,
            company=person.here.company_name if person else None,
            place=place_of(values["path"]),
            may=_may(person),
            **values,
        )
    )
    return HTMLResponse(content, status, headers=_headers(nonce, locale))


def problem_page(problem: Problem) -> Response:
    """A refusal from before any page was asked, as a page."""
    told = _told(problem)
    return html("problem.html", problem.locale, path="", person=None, trouble=Trouble(), **told)


def _page_route(pages: Pages) -> type[APIRoute]:
    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            handle = super().get_route_handler()

            async def handle_as_page(request: Request) -> Response:
                try:
                    return await handle(request)
                except CoccinelleError as error:
                    return pages.answer_to(request, error)

            return handle_as_page

    return PageRoute


def _told(problem: Problem) -> dict[str, Any]:
    return {"status": problem.status, "problem": problem}


def _trouble(problem: Problem, at: Mapping[str, str], *, order: list[str]) -> Trouble:
    """Fields in the order of the form, so that the first of them has the focus."""
    found: dict[str, str] = {}
    for one in problem.errors:
        found.setdefault(one.field, one.message)
    if problem.code in at:
        found = {at[problem.code]: problem.detail}
    known = [name for name in order if name in found]
    fields = {name: found[name] for name in dict.fromkeys([*known, *found])}
    return Trouble(fields, None if fields else problem.detail, problem.code)


def _may(person: Person | None) -> Callable[[Role], bool]:
    """Whether she may do what a role may."""

    def may(role: Role) -> bool:
        return person is not None and covers(person.here.role, role)

    return may


def _is_fragment(request: Request) -> bool:
    """Whether htmx asks, and has the rest of the page already."""
    headers = request.headers
    return "hx-request" in headers and "hx-history-restore-request" not in headers


def _to_login(request: Request) -> Response:
    wanted = request.url.path
    if request.url.query:
        wanted += "?" + request.url.query
    is_page = request.method == "GET" and local_path(wanted, "") and wanted != HOME
    to = f"{LOGIN}?next={quote(wanted, safe='/')}" if is_page else LOGIN
    if _is_fragment(request):
        return Response(status_code=204, headers={"HX-Redirect": to})
    return see_other(to)


def _headers(nonce: str, locale: Locale) -> dict[str, str]:
    policy = (
        "default-src 'none'",
        f"script-src 'self' 'nonce-{nonce}'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "media-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Content-Language": locale,
        "Cross-Origin-Opener-Policy": "same-origin",
        # With no-referrer, browsers would send our own forms from the origin "null".
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Cookie, Accept-Language, HX-Request",
    }
