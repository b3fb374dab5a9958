"""A business, the origins it is embedded on, and who is asking."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.ids import SessionId, TenantId, UserId

SCOPES = ("chat", "knowledge")
ALL_SCOPES = (*SCOPES, "manage")
Role = Literal["owner", "admin", "member"]

ROLES: tuple[Role, ...] = ("member", "admin", "owner")
MAX_NAME_CHARS = 200
MAX_KEY_NAME_CHARS = 100
MAX_FACT_CHARS = 2000
MAX_EMAIL_CHARS = 254

# None with what a mail's header would decode: a comma, or a line break.
_EMAIL = re.compile(
    r"(?!.*=\?)[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]+"
)
_PHONE = re.compile(r"\+?[0-9 \u00a0\u202f.()/-]{3,32}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:.]+\]$")


@dataclass(frozen=True)
class Tenant:
    """A business: facts that its agents may state, and where its hand-offs are mailed."""

    id: TenantId
    slug: str
    company_name: str
    sector: str
    email: str | None
    phone: str | None
    website: str | None
    address: str | None
    locale: str
    timezone: str
    handoff_email: str | None
    offer_text: str | None
    offer_url: str | None

    @property
    def facts(self) -> tuple[str, ...]:
        """What an answer may say of the business without a passage that says so."""
        known = (self.company_name, self.email, self.phone, self.website, self.address)
        return tuple(fact for fact in known if fact)


@dataclass(frozen=True)
class Listed:
    """A tenant as the operator's list shows it."""

    id: TenantId
    slug: str
    company_name: str


@dataclass(frozen=True)
class ApiKey:
    """A program's key, without its secret."""

    id: UUID
    name: str
    scopes: list[str]
    last_four: str
    created_at: datetime


@dataclass(frozen=True)
class PublicKey:
    """A widget's key: it is in the page, for all to see."""

    id: UUID
    name: str
    key: str
    allowed_origins: list[str]
    created_at: datetime


@dataclass(frozen=True)
class Caller:
    """Whose request this is, how we know, and what it may do.

    `allowed_origins` is None where the credential is not tied to a page (an API key, a session).
    The last four are of a session only.
    """

    tenant_id: TenantId
    via: str
    scopes: frozenset[str]
    allowed_origins: tuple[str, ...] | None = None
    key_id: UUID | None = None
    user_id: UserId | None = None
    role: Role | None = None
    session_id: SessionId | None = None
    session_expires_at: datetime | None = None

    @property
    def is_program(self) -> bool:
        """True for a holder of an API key, who is exempt from the limit per address."""
        return self.via == "api_key"


def covers(role: Role, wanted: Role) -> bool:
    """Whether `role` may do all that `wanted` may."""
    return ROLES.index(role) >= ROLES.index(wanted)


def checked_name(name: str) -> str:
    """The name of a company, trimmed. Raises `Invalid`."""
    found = name.strip()
    if not (0 < len(found) <= MAX_NAME_CHARS and found.isprintable()):
        raise _refused("company_name", "bad_company_name", max_length=MAX_NAME_CHARS)
    return found


def checked_key_name(name: str) -> str:
    """The name that an owner gives a key, trimmed. Raises `Invalid`."""
    found = name.strip()
    if not (0 < len(found) <= MAX_KEY_NAME_CHARS and found.isprintable()):
        raise _refused("name", "bad_key_name", max_length=MAX_KEY_NAME_CHARS)
    return found


def checked_facts(facts: Mapping[str, str | None]) -> dict[str, str | None]:
    """Facts of a business, trimmed; a blank one counts as not known.

    Raises:
        Invalid: an e-mail address, a phone number or an address of a page that cannot be one, or a
            text that cannot be kept.
    """
    found = {name: (value or "").strip() or None for name, value in facts.items()}
    for name, value in found.items():
        if value is not None:
            _check_fact(name, value)
    return found


def _check_fact(name: str, value: str) -> None:
    if len(value) > MAX_FACT_CHARS:
        raise _refused(name, "too_long", max_length=MAX_FACT_CHARS)
    if _UNSTORABLE.search(value):
        raise _refused(name, "unstorable_characters")
    if name in ("email", "handoff_email") and not is_email(value):
        raise _refused(name, "bad_email")
    if name == "phone" and not (_PHONE.fullmatch(value) and sum(map(str.isdigit, value)) >= 3):
        raise _refused(name, "bad_phone")
    if name in ("website", "offer_url") and not _is_web_address(value):
        raise _refused(name, "bad_web_address")


def is_email(value: str) -> bool:
    """Whether `value` can be an e-mail address."""
    return len(value) <= MAX_EMAIL_CHARS and _EMAIL.fullmatch(value) is not None


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and value.isprintable()
        and (" " not in value)
    )


def _refused(field: str, code: str, **values: object) -> Invalid:
    return Invalid(code, errors=(FieldError(field, code, tuple(values.items())),), **values)


def proves(proof: str, identity: str, secret: str) -> bool:
    """Whether `proof` is the lower-case hex HMAC-SHA256 of `identity` under `secret`.

    Compared in constant time: how near a guess is cannot be measured.
    """
    expected = hmac.new(secret.encode(), identity.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), proof.encode())


def bound_name(host: str) -> str:
    """A host name as an operator writes it: a port may follow, but it is no address.

    Raises:
        Invalid: it has a scheme or a path, or is not a host name.
    """
    if "/" in host:
        raise Invalid("host_not_address")
    _, has_port, port = host.strip().partition(":")
    if has_port and not port.isdigit() and not host.strip().startswith("["):
        raise Invalid("bad_host")
    return host_name(host)


def host_name(host: str) -> str:
    """The host of a Host header or an address: lower case, without port or trailing dot.

    Raises:
        Invalid: it is not a host name.
    """
    name = host.strip().lower()
    name = (
        name[: name.index("]") + 1] if name.startswith("[") and "]" in name else name.split(":")[0]
    )
    name = name.rstrip(".")
    if len(name) > 253 or not _HOST.match(name):
        raise Invalid("bad_host")
    return name


def origin(value: str) -> str:
    """`scheme://host[:port]` as a browser sends it: exact, lower case, default port left out.

    Raises:
        Invalid: it is not an http(s) origin.
    """
    try:
        parts = urlsplit(value.strip().rstrip("/"))
        port = parts.port
    except ValueError as error:
        raise Invalid("bad_origin") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise Invalid("bad_origin")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if "*" in host:
        raise Invalid("bad_origin")
    default = {"http": 80, "https": 443}[parts.scheme]
    suffix = "" if port in (None, default) else f":{port}"
    return f"{parts.scheme}://{host.lower()}{suffix}"


def is_allowed_origin(sent: str | None, *, allowed: tuple[str, ...], own: str) -> bool:
    """Whether a page at origin `sent` may use a credential that lists `allowed`.

    No Origin header is not a page; our own origin always may; any other only when listed, to the
    letter.
    """
    return sent is None or sent == own or sent in allowed
