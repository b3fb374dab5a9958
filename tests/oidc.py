"""An OpenID Connect issuer on loopback: discovery, authorize, token, keys; it can also misbehave.

A browser that comes to `/authorize` is recognised at once as `person` and sent back: its session at
the issuer lives.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.listening import listening

CLIENT_ID = "coccinelle"
CLIENT_SECRET = "un secret: avec des signes/"


@dataclass
class Person:
    """Somebody who is logged in at the issuer."""

    subject: str = field(default_factory=lambda: uuid4().hex)
    email: str = field(default_factory=lambda: f"lea-{uuid4().hex[:12]}@example.com")
    name: str = "Léa Martin"
    email_verified: Any = True

    def claims(self) -> dict[str, Any]:
        return {
            "sub": self.subject,
            "email": self.email,
            "name": self.name,
            "email_verified": self.email_verified,
        }


@dataclass
class Key:
    """A key that signs, under a name."""

    kid: str = field(default_factory=lambda: uuid4().hex[:8])
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def published(self) -> dict[str, Any]:
        told = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**told, "kid": self.kid, "use": "sig", "alg": "RS256"}


Forge = Callable[["Issuer", dict[str, Any]], str]


def signed(issuer: Issuer, claims: dict[str, Any]) -> str:
    """As an honest issuer signs."""
    headers = {"kid": issuer.key.kid}
    return jwt.encode(claims, issuer.key.private, algorithm="RS256", headers=headers)


@dataclass
class Issuer:
    """What the issuer does, which a test may change."""

    url: str = ""
    person: Person = field(default_factory=Person)
    key: Key = field(default_factory=Key)
    published: list[Key] = field(default_factory=list)
    forge: Forge = signed
    refuses: str | None = None
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published = self.published or [self.key]

    def begin_again(self) -> None:
        """Honest, with somebody new at its browser, and as if nobody had asked it anything."""
        self.__dict__.update(vars(Issuer(url=self.url, key=self.key)))

    def claims(self, nonce: str) -> dict[str, Any]:
        """What an honest token says."""
        now = int(time.time())
        return {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person.claims(),
        }

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.document,
        }

    def authorized(self, query: dict[str, str]) -> str:
        """Where the browser goes with its code, or with what was refused."""
        back = {"state": query["state"]}
        if self.refuses is not None:
            back["error"] = self.refuses
        else:
            back["code"] = uuid4().hex
            self.codes[back["code"]] = query
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def exchanged(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The tokens of a code: once, for the client that asked, with what it began with."""
        if authorization != "Basic " + _basic():
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        sent = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if (
            asked is None
            or sent != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        claims = self.claims(asked["nonce"])
        return 200, {
            "id_token": self.forge(self, claims),
            "access_token": "unused",
            "token_type": "Bearer",
        }


def _basic() -> str:
    pair = f"{quote(CLIENT_ID, safe='')}:{quote(CLIENT_SECRET, safe='')}"
    return base64.b64encode(pair.encode()).decode()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """An issuer that answers on loopback until the block ends."""
    issuer = Issuer()
    config = uvicorn.Config(_app(issuer), log_config=None, lifespan="off")
    server, listener = uvicorn.Server(config), listening()
    issuer.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield issuer
    finally:
        server.should_exit = server.force_exit = True
        await serving


def environment(issuer: Issuer, **more: str) -> dict[str, str]:
    """The settings of an installation that trusts `issuer`."""
    return {
        "COCCINELLE_OIDC_ISSUER": issuer.url,
        "COCCINELLE_OIDC_CLIENT_ID": CLIENT_ID,
        "COCCINELLE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "COCCINELLE_OIDC_NAME": "Annuaire",
        "COCCINELLE_UPSTREAM_ALLOW": urlsplit(issuer.url).netloc,
        **more,
    }


def _app(issuer: Issuer) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        issuer.asked.append(path)
        body = b""
        while path == "/token":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        while path in issuer.slow:  # noqa: ASYNC110  (until the caller hangs up, or it is let go)
            await asyncio.sleep(0.05)
        status, headers, content = _answer(issuer, scope, body)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def _answer(
    issuer: Issuer, scope: Any, body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    path, json_type = scope["path"], [(b"content-type", b"application/json")]
    if path in issuer.answers:
        status, text = issuer.answers[path]
        return status, json_type, text.encode()
    if path in issuer.redirects:
        return 307, [(b"location", issuer.redirects[path].encode())], b""
    if path == "/authorize":
        to = issuer.authorized(_pairs(scope["query_string"].decode()))
        return 303, [(b"location", to.encode())], b""
    if path == "/token":
        sent = dict(scope["headers"]).get(b"authorization", b"").decode()
        status, told = issuer.exchanged(_pairs(body.decode()), sent)
        return status, json_type, json.dumps(told).encode()
    if path == "/keys":
        keys = [key.published() for key in issuer.published]
        return 200, json_type, json.dumps({"keys": keys}).encode()
    return 200, json_type, json.dumps(issuer.discovery()).encode()


def _pairs(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}
