"""Visitor tokens: what a browser shows to read its conversation again, or to go on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

from coccinelle.foundation import clock
from coccinelle.foundation.errors import Unauthenticated
from coccinelle.foundation.ids import TenantId

HEADER = "X-Visitor-Token"
LEEWAY = timedelta(seconds=60)


@dataclass(frozen=True)
class Visitor:
    """Who wrote a conversation, to which business, from which page."""

    tenant_id: TenantId
    origin: str
    user_id: str
    conversation_id: str


class VisitorTokens:
    """Signs and reads visitor tokens.

    Args:
        secret: the key; who has it can read every conversation.
        days: how long a token lives; each use gives a new one.
    """

    def __init__(self, secret: str, *, days: int = 30):
        self._life = timedelta(days=days)
        self._serializer = URLSafeTimedSerializer(
            secret,
            salt="coccinelle.visitor",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def mint(self, visitor: Visitor) -> str:
        """A token for `visitor`, as of now."""
        claims = [visitor.tenant_id.hex, visitor.origin, visitor.user_id, visitor.conversation_id]
        token = self._serializer.dumps(claims)
        return token if isinstance(token, str) else token.decode("ascii")

    def read(self, token: str | None, *, tenant_id: TenantId, origin: str) -> Visitor:
        """Whose token this is.

        Raises:
            Unauthenticated: there is none, it is not ours, too old, or of another business or page.
        """
        if not token:
            raise Unauthenticated("visitor_token_required")
        try:
            claims, signed_at = self._serializer.loads(token, return_timestamp=True)
        except BadData as error:
            raise Unauthenticated("visitor_token_invalid") from error
        visitor = _visitor(claims)
        age = clock.now() - signed_at
        in_time = -LEEWAY <= age <= self._life
        if not in_time or visitor.tenant_id != tenant_id or visitor.origin != origin:
            raise Unauthenticated("visitor_token_invalid")
        return visitor


def _visitor(claims: Sequence[str]) -> Visitor:
    tenant, origin, user_id, conversation_id = claims
    return Visitor(TenantId(UUID(tenant)), origin, user_id, conversation_id)
