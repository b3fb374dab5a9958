"""How a refusal is told over HTTP: the only place that knows which error has which status.

The body is `application/problem+json` (RFC 9457), except under the paths of a contract that has a
shape of its own.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout, TooManyRequests
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from coccinelle.foundation import i18n
from coccinelle.foundation.errors import (
    CoccinelleError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from coccinelle.foundation.i18n import Locale

log = structlog.get_logger(__name__)

STATUSES: dict[type[CoccinelleError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Invalid: 422,
    TooMany: 429,
    Unavailable: 503,
    CoccinelleError: 500,
}
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:coccinelle:problem:"

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 429: "rate_limited"}
_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field, in the reader's language."""

    field: str
    code: str
    message: str


@dataclass(frozen=True)
class Problem:
    """A refusal, in the reader's language. Nothing in it comes from the inside of the program."""

    status: int
    code: str
    title: str
    detail: str
    request_id: str
    locale: Locale
    errors: tuple[FieldProblem, ...] = ()
    retry_after_seconds: int | None = None
    members: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The members of RFC 9457, `code`, `request_id`, `errors`, and those of its own code."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": self.request_id,
        }
        if self.errors:
            members["errors"] = [
                {"field": e.field, "code": e.code, "message": e.message} for e in self.errors
            ]
        return {**members, **self.members}


Shape = Callable[[Problem], Response]


def problem_response(problem: Problem) -> Response:
    """The usual shape: problem+json."""
    return Response(msgspec.json.encode(problem.body()), problem.status, media_type=MEDIA_TYPE)


class Refusals:
    """Turns what went wrong into a response.

    Args:
        shapes: by path prefix, the shape of a contract that has its own.
    """

    def __init__(self, shapes: Mapping[str, Shape] | None = None):
        self._shapes = tuple((shapes or {}).items())

    def response(self, scope: MutableMapping[str, Any], error: Exception) -> Response:
        """What the client is told. What is not its fault is logged under the same request id."""
        problem = problem_of(error, locale=locale_of(scope), request_id=request_id_of(scope))
        _log(problem, error, scope)
        response = self._shape(scope["path"])(problem)
        if problem.retry_after_seconds is not None:
            response.headers.setdefault("Retry-After", str(problem.retry_after_seconds))
        if problem.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, HTTPException) and problem.status == 405:
            response.headers.update(error.headers or {})
        return response

    def _shape(self, path: str) -> Shape:
        for prefix, shape in self._shapes:
            if path.startswith(prefix):
                return shape
        return problem_response


def problem_of(error: Exception, *, locale: Locale, request_id: str) -> Problem:
    """The refusal that an error amounts to; an unforeseen one says no more than its incident id."""
    known = _known(error)
    status = known.status if isinstance(known, _HttpError) else status_of(known)
    errors = known.errors if isinstance(known, Invalid) else ()
    return Problem(
        status=status,
        code=known.code,
        title=i18n.title(status, locale),
        detail=i18n.sentence(known.code, locale, **known.values),
        request_id=request_id,
        locale=locale,
        errors=tuple(_field_problem(item, locale) for item in errors),
        retry_after_seconds=getattr(known, "retry_after_seconds", None),
        members=known.members,
    )


def status_of(error: CoccinelleError) -> int:
    """The HTTP status of a kind of error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def locale_of(scope: MutableMapping[str, Any]) -> Locale:
    """The language that a request asks for."""
    for name, value in scope["headers"]:
        if name == b"accept-language":
            return i18n.locale_of(value.decode("latin-1"))
    return i18n.locale_of(None)


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The number under which a request is found in the logs."""
    found: str = scope.get("state", {}).get("request_id", "")
    return found


def install(app: FastAPI, refusals: Refusals) -> None:
    """Have `app` tell every error that it knows through `refusals`."""

    async def refuse(request: Request, error: Exception) -> Response:
        return refusals.response(request.scope, error)

    for kind in (CoccinelleError, RequestValidationError, HTTPException, psycopg.Error):
        app.add_exception_handler(kind, refuse)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_schemas())
        _forget_the_frameworks_own(schema, schemas)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


class FieldProblemOut(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Where it is in the request.", examples=["message"])
    code: str = Field(description="Stable, for programs.", examples=["too_long"])
    message: str = Field(
        description="In the language of Accept-Language (French by default).",
        examples=["C'est trop long : 2000 caractères au plus."],
    )


class ProblemOut(BaseModel):
    """A refusal (RFC 9457)."""

    type: str = Field(
        description="Identifier of the kind of problem.",
        examples=["urn:coccinelle:problem:rate_limited"],
    )
    title: str = Field(description="What the status means.", examples=["Trop de requêtes"])
    status: int = Field(description="The HTTP status.", examples=[429])
    detail: str = Field(
        description="What happened, in the language of Accept-Language (French by default).",
        examples=["Trop de messages. Attendez quelques instants."],
    )
    code: str = Field(description="Stable, for programs.", examples=["rate_limited"])
    request_id: str = Field(
        description="The request's number in the logs.",
        examples=["0193a5c27b6a7c3e9f6e2d1c0b9a8877"],
    )
    errors: list[FieldProblemOut] | None = Field(
        None,
        description="The fields that cannot be accepted (422 only).",
        examples=[[{"field": "message", "code": "required", "message": "…"}]],
    )


def documented(
    *statuses: int, said: Mapping[int, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these statuses, for OpenAPI.

    They refer to a schema that `install` adds.

    Args:
        said: what each status means there; else its title does.
    """
    said = said or {}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    return {
        status: {
            "description": said.get(status) or i18n.title(status, "en"),
            "content": content,
            **({"headers": _RETRY_AFTER} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def managed(
    *statuses: int, said: Mapping[int, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """As `documented`, of a route by which a business is managed: these statuses, and those that
    every such route may answer.
    """
    return documented(*sorted({401, 403, 500, 503, *statuses}), said={**_MANAGED, **(said or {})})


_MANAGED = {
    401: "Nothing in the request says which business it is for (`unauthenticated`).",
    403: "The credential has no scope `manage` (`scope_missing`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer; `Retry-After` says when to ask again.",
}


def _schemas() -> dict[str, Any]:
    schema = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ProblemOut": schema}


def _forget_the_frameworks_own(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Take out the shape in which the framework would refuse: no answer of ours has it."""
    for methods in schema["paths"].values():
        for operation in methods.values():
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "examples": [12]},
    }
}


class _HttpError(CoccinelleError):
    def __init__(self, status: int):
        super().__init__(_HTTP_CODES.get(status, "invalid" if status < 500 else "internal"))
        self.status = status


def _known(error: Exception) -> CoccinelleError:
    if isinstance(error, CoccinelleError):
        return error
    if isinstance(error, RequestValidationError):
        return invalid_fields(error.errors())
    if isinstance(error.__cause__, CoccinelleError):
        return error.__cause__  # The framework's own wrapping of what reading the body raised.
    if isinstance(error.__context__, MultiPartException):
        return Invalid("bad_form")
    if isinstance(error, HTTPException):
        return Invalid("bad_json") if error.status_code == 400 else _HttpError(error.status_code)
    if isinstance(error, psycopg.OperationalError | PoolTimeout | TooManyRequests):
        return Unavailable("database_unavailable")
    return CoccinelleError()


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> Invalid:
    """pydantic's findings as ours: by field, without the input."""
    return Invalid(errors=tuple(_field_error(item) for item in errors))


def _field_error(item: Mapping[str, Any]) -> FieldError:
    context = dict(item.get("ctx") or {})
    kind = str(item["type"])
    code = _pydantic_code(kind)
    if kind == "string_too_short" and context.get("min_length") == 1:
        code = "empty"
    values = {
        "min_length": context.get("min_length"),
        "max_length": context.get("max_length"),
        "minimum": context.get("ge", context.get("gt")),
        "maximum": context.get("le", context.get("lt")),
        "expected": context.get("expected"),
    }
    told = tuple((name, value) for name, value in values.items() if value is not None)
    return FieldError(_field_name(item["loc"]), code, told)


_KINDS = {
    "missing": "required",
    "string_type": "not_text",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "string_unicode": "unstorable_characters",
    "json_invalid": "bad_json",
    "model_attributes_type": "not_an_object",
    "model_type": "not_an_object",
    "dict_type": "not_an_object",
    "extra_forbidden": "unknown_field",
    "literal_error": "not_one_of",
    "enum": "not_one_of",
    "list_type": "not_a_list",
    "greater_than_equal": "too_small",
    "greater_than": "too_small",
    "less_than_equal": "too_big",
    "less_than": "too_big",
}


def _pydantic_code(kind: str) -> str:
    if kind in _KINDS:
        return _KINDS[kind]
    if kind.startswith(("int_", "float_", "decimal_")):
        return "not_a_number"
    if kind.startswith("bool_"):
        return "not_a_boolean"
    if kind.startswith("date_"):
        return "bad_day"
    return kind if kind in i18n.codes() else "invalid"


def _field_name(location: Iterable[object]) -> str:
    parts = [p for p in location if p not in ("body", "query", "path", "header")]
    # Part of a location may be a name that the client made up: only a harmless one is told.
    known = [str(p) if isinstance(p, int) or _SAFE_NAME.fullmatch(str(p)) else "…" for p in parts]
    return ".".join(known)


def _field_problem(error: FieldError, locale: Locale) -> FieldProblem:
    message = i18n.sentence(error.code, locale, **dict(error.values))
    return FieldProblem(error.field, error.code, message)


def _log(problem: Problem, error: Exception, scope: MutableMapping[str, Any]) -> None:
    if problem.status < 500:
        return
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    log.log(
        30 if problem.status == 503 else 40,
        "request_failed",
        request_id=problem.request_id,
        method=scope.get("method"),
        status=problem.status,
        code=problem.code,
        error=type(error).__name__,
        cause=type(error.__cause__).__name__ if error.__cause__ else None,
        where=[f"{frame.name}:{frame.lineno}" for frame in frames],
        # An exception may quote what people said.
        pii={"traceback": "".join(traceback.format_exception(error))},
    )
