"""What a browser keeps between leaving for an issuer and being let in: signed, dated, http-only.

It binds the answer of the issuer to the browser that asked: an address with somebody else's answer
in it opens nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from coccinelle.providers.oidc import Attempt, Identity, NotProven
from coccinelle.tenants.accounts.cookies import is_plain
from coccinelle.tenants.accounts.federation import Arrival

COOKIE = "__Host-coccinelle-oidc"
LOCAL_COOKIE = "coccinelle_oidc"
LIFE_SECONDS = 15 * 60


@dataclass(frozen=True)
class Departure:
    """A log-in that went to the issuer: by what it is recognised, and what it was for."""

    attempt: Attempt
    path: str
    invitation: str | None


@dataclass(frozen=True)
class Awaited:
    """An arrival that must still say something, and where she wanted to go."""

    arrival: Arrival
    path: str


class Tickets:
    """Writes and reads the cookie. Raises `NotProven` for none, another's, or an old one.

    Args:
        secret: the key; who has it can come in as whom he likes.
    """

    def __init__(self, secret: str) -> None:
        self._departures = _serializer(secret, "coccinelle.oidc.departure")
        self._arrivals = _serializer(secret, "coccinelle.oidc.arrival")

    def leave(self, response: Response, own_origin: str, departure: Departure) -> None:
        """Have the browser keep what it left for."""
        _keep(response, own_origin, self._departures, asdict(departure))

    def back(self, request: Request, own_origin: str) -> Departure:
        """What this browser left for."""
        found = _read(request, own_origin, self._departures)
        with _written_by_this_version():
            return Departure(Attempt(**found.pop("attempt")), **found)

    def wait(self, response: Response, own_origin: str, awaited: Awaited) -> None:
        """Have the browser keep who the issuer said it is."""
        _keep(response, own_origin, self._arrivals, asdict(awaited))

    def waiting(self, request: Request, own_origin: str) -> Awaited:
        """Who the issuer said this browser is."""
        found = _read(request, own_origin, self._arrivals)
        with _written_by_this_version():
            arrival = found["arrival"]
            identity = Identity(**arrival.pop("identity"))
            return Awaited(Arrival(identity, **arrival), found["path"])

    def forget(self, response: Response, own_origin: str) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            _name(own_origin),
            path="/",
            secure=not is_plain(own_origin),
            httponly=True,
            samesite="lax",
        )


def _serializer(secret: str, salt: str) -> URLSafeTimedSerializer:
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(secret, salt=salt, signer_kwargs=how)


def _keep(
    response: Response, own_origin: str, signer: URLSafeTimedSerializer, content: dict[str, Any]
) -> None:
    signed = signer.dumps(content)
    response.set_cookie(
        _name(own_origin),
        signed if isinstance(signed, str) else signed.decode("ascii"),
        max_age=LIFE_SECONDS,
        path="/",
        secure=not is_plain(own_origin),
        httponly=True,
        # The issuer sends the browser back from its own site.
        samesite="lax",
    )


def _read(request: Request, own_origin: str, signer: URLSafeTimedSerializer) -> dict[str, Any]:
    try:
        found: dict[str, Any] = signer.loads(
            request.cookies.get(_name(own_origin), ""), max_age=LIFE_SECONDS
        )
    except BadData as error:
        raise NotProven("oidc_lost") from error
    return found


@contextmanager
def _written_by_this_version() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError) as error:
        raise NotProven("oidc_lost") from error


def _name(own_origin: str) -> str:
    return LOCAL_COOKIE if is_plain(own_origin) else COOKIE
