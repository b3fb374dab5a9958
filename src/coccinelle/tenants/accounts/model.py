"""A person's account: her roles, her sessions, her tokens, and the rules of each."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.ids import SessionId, TenantId, UserId
from coccinelle.tenants.model import MAX_EMAIL_CHARS, MAX_NAME_CHARS, Role, is_email

SESSION_PREFIX = "cs_"
MAX_USER_AGENT_CHARS = 300
MAX_SLUG_CHARS = 40

_SCOPES: dict[Role, frozenset[str]] = {
    "member": frozenset({"chat", "knowledge"}),
    "admin": frozenset({"chat", "knowledge", "manage"}),
    "owner": frozenset({"chat", "knowledge", "manage"}),
}


@dataclass(frozen=True)
class AccountRules:
    """How long what proves somebody lasts, and how often it may be tried."""

    session_idle_days: int = 14
    session_days: int = 90
    invitation_days: int = 7
    logins_per_minute: int = 5
    logins_per_email: int = 10
    signups_per_hour: int = 10
    resets_per_hour: int = 10


@dataclass(frozen=True)
class User:
    """A person."""

    id: UserId
    email: str
    name: str


@dataclass(frozen=True)
class Membership:
    """What somebody may do for a business."""

    tenant_id: TenantId
    slug: str
    company_name: str
    role: Role


@dataclass(frozen=True)
class Member:
    """A person of a business, as its owner sees her."""

    user_id: UserId
    email: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True)
class Device:
    """Where a log-in came from, as its owner will recognise it."""

    address: str
    user_agent: str


@dataclass(frozen=True)
class Session:
    """A log-in, as its owner sees it."""

    id: SessionId
    tenant_id: TenantId
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


@dataclass(frozen=True)
class Invitation:
    """Somebody who is asked to join a business."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Token:
    """A secret at its birth, and the digest that alone is kept of it: 256 random bits."""

    secret: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What a table keeps."""
        return digest(self.secret)


def new_token(prefix: str = "") -> Token:
    """A secret that nobody has had before."""
    return Token(prefix + secrets.token_urlsafe(32))


def digest(secret: str) -> bytes:
    """SHA-256: enough for a secret that cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()


def scopes_of(role: Role) -> frozenset[str]:
    """What a session of that role may do."""
    return _SCOPES[role]


def checked_email(value: str) -> str:
    """The one spelling of an e-mail address. Raises `Invalid`."""
    found = unicodedata.normalize("NFKC", value).strip().lower()
    if not (len(found) <= MAX_EMAIL_CHARS and found.isprintable() and is_email(found)):
        raise Invalid(errors=(FieldError("email", "bad_email"),))
    return found


def checked_person(value: str) -> str:
    """The name of a person, trimmed. Raises `Invalid`."""
    found = value.strip()
    if not (0 < len(found) <= MAX_NAME_CHARS and found.isprintable()):
        error = FieldError("name", "bad_person_name", (("max_length", MAX_NAME_CHARS),))
        raise Invalid(errors=(error,))
    return found


def slug_of(name: str) -> str:
    """A short name for a business called `name`: as read aloud, in plain letters."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe").replace("æ", "ae"))
    letters = plain.encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", letters.replace("'", "-"))
    return words[:MAX_SLUG_CHARS].strip("-") or "entreprise"


def slug_candidates(name: str, *, count: int = 6) -> list[str]:
    """Short names to try in this order: the plain one, then ones that nobody is likely to have."""
    plain = slug_of(name)
    return [plain, *(f"{plain}-{secrets.token_hex(2 + n)}" for n in range(count - 1))]
