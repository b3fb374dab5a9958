"""Who somebody is, as an OpenID Connect issuer says: authorization code flow with PKCE.

After OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 (PKCE), RFC 8725 (JWT best practices) and
RFC 9207 (issuer in the answer). The issuer is the operator's setting; what it names is asked over
https only, by the guarded client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import anyio
import jwt
import structlog

from coccinelle.foundation.errors import Forbidden, Invalid, Unavailable
from coccinelle.foundation.outgoing import Fetched, Outgoing

ALGORITHMS = ("RS256", "PS256", "ES256")
SCOPE = "openid email profile"
LEEWAY_SECONDS = 60
ANSWER_BYTES = 256 * 1024
ANSWER_SECONDS = 8.0
KEPT_SECONDS = 60 * 60.0
PAUSE_SECONDS = 5.0
MAX_KEYS = 50
MAX_SUBJECT_CHARS = 255
MAX_NAME_CHARS = 200
MAX_CODE_CHARS = 4_096
MAX_TOKEN_CHARS = 65_536

Kept = TypeVar("Kept")

log = structlog.get_logger(__name__)

_CODE = re.compile(r"[a-z_]{1,40}")


class ProviderDown(Unavailable):
    """The issuer does not answer, or not as one; trying later may help."""

    default_code = "oidc_unavailable"


class NotProven(Forbidden):
    """What came back does not prove who somebody is."""

    default_code = "oidc_refused"


@dataclass(frozen=True)
class Client:
    """Us, as the issuer knows us.

    Args:
        issuer: as the issuer writes itself, with or without a slash at its end.
        secret: none for a public client.
        verified_claim: what in a token says that the e-mail address is the person's.
    """

    issuer: str
    id: str
    secret: str | None = field(default=None, repr=False)
    verified_claim: str = "email_verified"


@dataclass(frozen=True)
class Attempt:
    """What one log-in is recognised by when it comes back; the browser alone keeps it."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Identity:
    """Who somebody is. `email` is None unless the issuer says that it is hers."""

    issuer: str
    subject: str
    email: str | None
    name: str


@dataclass(frozen=True)
class _Document:
    issuer: str
    authorization: str
    token: str
    keys: str
    takes_basic: bool


def new_attempt() -> Attempt:
    """A log-in that nobody else has begun: 256 random bits each."""
    return Attempt(*(secrets.token_urlsafe(32) for _ in range(3)))


class Oidc:
    """The issuer that an installation trusts to say who people are.

    Args:
        outgoing: reaches the issuer also where it is not public, and nothing else that is not.
        plain: `host:port` that may be asked over http.
        pause_seconds: how often a token that names an unknown key, or a provider that is down, has
            us ask again.
    """

    def __init__(
        self,
        client: Client,
        outgoing: Outgoing,
        *,
        plain: frozenset[str] = frozenset(),
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._outgoing = outgoing
        self._plain = plain
        self._document = _Remembered(self._discovered, pause_seconds)
        self._keys = _Remembered(self._published, pause_seconds)

    async def authorization_url(
        self, attempt: Attempt, *, redirect_uri: str, locale: str = "fr"
    ) -> str:
        """Where the browser goes to be recognised. Raises `ProviderDown`."""
        document = await self._document.get()
        challenge = hashlib.sha256(attempt.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
            "ui_locales": locale,
        }
        return f"{document.authorization}{'&' if '?' in document.authorization else '?'}" + (
            urlencode(asked, quote_via=quote)
        )

    async def identity(
        self, attempt: Attempt, answer: Mapping[str, str], *, redirect_uri: str
    ) -> Identity:
        """Who came back with `answer`, the parameters of the redirect.

        Raises:
            NotProven: of another log-in, refused, spent, or a token that proves nothing.
            ProviderDown: the issuer does not answer.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise _unproven("state")
        document = await self._document.get()
        if answer.get("iss", document.issuer) != document.issuer:
            raise _unproven("answer_issuer")
        if "error" in answer:
            raise _unproven(_named(answer["error"]))
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE_CHARS:
            raise _unproven("no_code")
        token = await self._exchanged(document, code, attempt, redirect_uri)
        claims = await self._claims(document, token)
        return self._identity(document, claims, attempt)

    async def _exchanged(
        self, document: _Document, code: str, attempt: Attempt, redirect_uri: str
    ) -> str:
        """The ID token for a code, which is good once."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        if self._client.secret is not None and document.takes_basic:
            headers["Authorization"] = _basic(self._client.id, self._client.secret)
        else:
            sent["client_id"] = self._client.id
            if self._client.secret is not None:
                sent["client_secret"] = self._client.secret
        told = await self._asked(
            lambda: self._outgoing.post(
                document.token,
                urlencode(sent).encode(),
                headers=headers,
                accept="application/json",
            )
        )
        if told.status >= 500:
            raise _down(f"token_{told.status}")
        body = _object(told)
        token = body.get("id_token")
        if told.status != 200:
            raise _unproven(_named(body.get("error")))
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS:
            raise _unproven("no_id_token")
        return token

    async def _claims(self, document: _Document, token: str) -> dict[str, Any]:
        """What a token says, once its signature and whom it is for are checked."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS:
                raise _unproven("algorithm")
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._key(algorithm, kid),
                algorithms=[algorithm],
                audience=self._client.id,
                issuer=document.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise _unproven(type(error).__name__) from error
        party, audience = claims.get("azp"), claims["aud"]
        is_shared = isinstance(audience, list) and len(audience) > 1
        if (party is not None or is_shared) and party != self._client.id:
            raise _unproven("authorized_party")
        return claims

    async def _key(self, algorithm: str, kid: object) -> Any:
        """The key that signed; one that is not known yet is asked for."""
        for fresher in (False, True):
            keys = await self._keys.get(fresher=fresher)
            fitting = [one for one in keys if _fits(one, algorithm, kid)]
            if len(fitting) == 1:
                return jwt.PyJWK(fitting[0], algorithm=algorithm).key
        raise _unproven("key")

    def _identity(
        self, document: _Document, claims: Mapping[str, Any], attempt: Attempt
    ) -> Identity:
        nonce, subject = claims.get("nonce"), claims["sub"]
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode(), attempt.nonce.encode()
        ):
            raise _unproven("nonce")
        if not (0 < len(subject) <= MAX_SUBJECT_CHARS and subject.isprintable()):
            raise _unproven("subject")
        email, name = claims.get("email"), claims.get("name")
        is_hers = claims.get(self._client.verified_claim) in (True, "true", "1")
        return Identity(
            issuer=document.issuer,
            subject=subject,
            email=email if is_hers and isinstance(email, str) else None,
            name=_line(name) if isinstance(name, str) else "",
        )

    async def _discovered(self) -> _Document:
        issuer = self._client.issuer.rstrip("/")
        if not self._is_safe(issuer):
            raise _down("issuer_not_https")
        told = _object(await self._got(f"{issuer}/.well-known/openid-configuration"))
        own = told.get("issuer")
        if not isinstance(own, str) or own.rstrip("/") != issuer:
            raise _down("issuer")
        methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Document(
            issuer=own,
            authorization=self._endpoint(told, "authorization_endpoint"),
            token=self._endpoint(told, "token_endpoint"),
            keys=self._endpoint(told, "jwks_uri"),
            takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        )

    async def _published(self) -> Sequence[dict[str, Any]]:
        told = _object(await self._got((await self._document.get()).keys))
        keys = told.get("keys")
        if not isinstance(keys, list):
            raise _down("keys")
        return [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]

    async def _got(self, url: str) -> Fetched:
        told = await self._asked(
            lambda: self._outgoing.get(url, accept="application/json", may_follow=self._is_safe)
        )
        if told.status != 200:
            raise _down(f"answer_{told.status}")
        return told

    async def _asked(self, ask: Callable[[], Awaitable[Fetched]]) -> Fetched:
        try:
            return await ask()
        except Invalid as error:
            raise _down(error.code) from error

    def _endpoint(self, told: Mapping[str, Any], name: str) -> str:
        value = told.get(name)
        if not isinstance(value, str) or not self._is_safe(value):
            raise _down(name)
        return value

    def _is_safe(self, url: str) -> bool:
        """https, or of a host that may be asked without it."""
        if not url.isprintable() or "#" in url or " " in url:
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        is_https = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
        return is_https or (parts.scheme == "http" and parts.netloc.lower() in self._plain)


class _Remembered(Generic[Kept]):
    """What the issuer publishes: kept for an hour, asked for by one at a time.

    A failure is remembered for some seconds, so that a crowd at the door does not queue for it.
    """

    def __init__(self, ask: Callable[[], Awaitable[Kept]], pause_seconds: float) -> None:
        self._ask = ask
        self._pause_seconds = pause_seconds
        self._lock = anyio.Lock()
        self._value: Kept | None = None
        self._asked_at = self._failed_at = float("-inf")

    async def get(self, *, fresher: bool = False) -> Kept:
        """What is known; `fresher`: asked again, unless it was a few seconds ago."""
        async with self._lock:
            age, now = time.monotonic() - self._asked_at, time.monotonic()
            if self._value is not None and age < (self._pause_seconds if fresher else KEPT_SECONDS):
                return self._value
            if now - self._failed_at < self._pause_seconds:
                raise ProviderDown(retry_after_seconds=int(PAUSE_SECONDS))
            try:
                self._value = await self._ask()
            except ProviderDown:
                self._failed_at = time.monotonic()
                raise
            self._asked_at = time.monotonic()
            return self._value


def _fits(key: Mapping[str, Any], algorithm: str, kid: object) -> bool:
    kind = "EC" if algorithm == "ES256" else "RSA"
    return (
        key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    )


def _line(text: str) -> str:
    """What can be shown of it, and kept: a cookie holds 4 kB."""
    return "".join(char for char in text if char.isprintable())[:MAX_NAME_CHARS]


def _object(told: Fetched) -> dict[str, Any]:
    try:
        found = json.loads(told.body)
    except (ValueError, RecursionError) as error:
        raise _down("not_json") from error
    if not isinstance(found, dict):
        raise _down("not_json")
    return found


def _basic(name: str, secret: str) -> str:
    """RFC 6749, section 2.3.1: each is form-encoded first."""
    pair = f"{quote(name, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _named(code: object) -> str:
    """An error code of the protocol; whatever else was sent is not repeated."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "other"


def _unproven(reason: str) -> NotProven:
    log.warning("oidc_refused", code=reason)
    return NotProven("oidc_cancelled" if reason == "access_denied" else "")


def _down(reason: str) -> ProviderDown:
    log.error("oidc_unavailable", code=reason)
    return ProviderDown(retry_after_seconds=int(PAUSE_SECONDS))
