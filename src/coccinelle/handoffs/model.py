"""A customer's wish for a person, and the mail that tells the business of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.ids import ConversationId, HandoffId

MAX_REASON_CHARS = 500
MAX_EMAIL_CHARS = 254
MAX_PHONE_CHARS = 32
MAX_NOTE_CHARS = 2000

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,189}")
_PHONE = re.compile(r"\+?[0-9 .()/-]{4,32}")


@dataclass(frozen=True)
class Contact:
    """How to reach the customer, as far as they said."""

    email: str | None = None
    phone: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Handoff:
    """A hand-off as people of the business see it; `last_message` is the customer's.

    The business's own site proved `identity`; `identity_email` is only what its page said.
    """

    id: HandoffId
    conversation_id: ConversationId
    conversation_external_id: str
    reason: str
    email: str | None
    phone: str | None
    note: str | None
    opened_at: datetime
    mailed_at: datetime | None
    closed_at: datetime | None
    last_message: str | None
    identity: str | None
    identity_email: str | None


def contact(*, email: str | None, phone: str | None, note: str | None) -> Contact:
    """What a customer left, trimmed; what is blank counts as not given.

    Raises:
        Invalid: an e-mail address or a phone number that is none, or a note too long.
    """
    found = Contact(_trimmed(email), _trimmed(phone), _trimmed(note))
    errors = []
    if found.email and not (_EMAIL.fullmatch(found.email) and len(found.email) <= MAX_EMAIL_CHARS):
        errors.append(FieldError("email", "bad_email"))
    if found.phone and not _PHONE.fullmatch(found.phone):
        errors.append(FieldError("phone", "bad_phone"))
    if found.note and len(found.note) > MAX_NOTE_CHARS:
        errors.append(FieldError("note", "too_long", (("max_length", MAX_NOTE_CHARS),)))
    if errors:
        raise Invalid(errors=tuple(errors))
    return found


def _trimmed(value: str | None) -> str | None:
    return (value or "").strip() or None
