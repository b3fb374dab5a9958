"""A business, the origins it is embedded on, and who is asking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import TenantId

SCOPES = ("chat", "knowledge")

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
class Caller:
    """Whose request this is, how we know, and what it may do.

    `allowed_origins` is None where the credential is not tied to a page (an API key).
    """

    tenant_id: TenantId
    via: str
    scopes: frozenset[str]
    allowed_origins: tuple[str, ...] | None = None
    key_id: UUID | None = None

    @property
    def is_program(self) -> bool:
        """True for a holder of an API key, who is exempt from the limit per address."""
        return self.via == "api_key"


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
    default = {"http": 80, "https": 443}[parts.scheme]
    suffix = "" if port in (None, default) else f":{port}"
    return f"{parts.scheme}://{host.lower()}{suffix}"


def is_allowed_origin(sent: str | None, *, allowed: tuple[str, ...], own: str) -> bool:
    """Whether a page at origin `sent` may use a credential that lists `allowed`.

    No Origin header is not a page; our own origin always may; any other only when listed, to the
    letter.
    """
    return sent is None or sent == own or sent in allowed
