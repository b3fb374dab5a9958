"""A customer's wish for a person, and who of the business takes care of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coccinelle.foundation.errors import Conflict, FieldError, Invalid
from coccinelle.foundation.ids import ConversationId, HandoffId, UserId

HandoffState = Literal["open", "claimed", "closed"]

MAX_REASON_CHARS = 500
MAX_EMAIL_CHARS = 254
MAX_NOTE_CHARS = 2000
MAX_REPLY_CHARS = 2000

# None with what a mail's header would decode: a comma, or a line break.
_EMAIL = re.compile(r"(?!.*=\?)[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,189}")
_PHONE = re.compile(r"\+?[0-9 .()/-]{4,32}")


class HandoffClaimed(Conflict):
    """Somebody else takes care of it."""

    default_code = "handoff_claimed"


class HandoffClosed(Conflict):
    """It is over: the assistant answers again."""

    default_code = "handoff_closed"


@dataclass(frozen=True)
class Contact:
    """How to reach the customer, as far as they said."""

    email: str | None = None
    phone: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Handoff:
    """A hand-off as people of the business see it; `last_message` is the customer's.

    The business's own site proved `identity`; `identity_email` is only what its page said. While it
    is claimed the assistant is silent. Who has left the business, or is kept out of it, holds
    nobody: it is open then, as if it had not been claimed. Who closed it and left is None.
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
    claimed_at: datetime | None
    claimed_by: UserId | None
    claimed_by_name: str | None
    closed_by: UserId | None

    @property
    def state(self) -> HandoffState:
        """Open while nobody has claimed it."""
        if self.closed_at is not None:
            return "closed"
        return "open" if self.claimed_at is None else "claimed"


@dataclass(frozen=True)
class Presence:
    """Whether the customer of a conversation waits for a person or is with one, and with whom.

    `name` is the whole name of who has claimed it.
    """

    state: HandoffState
    name: str | None


def contact(*, email: str | None, phone: str | None, note: str | None) -> Contact:
    """What a customer left, trimmed; what is blank counts as not given.

    Raises:
        Invalid: an e-mail address or a phone number that is none, or a note too long.
    """
    found = Contact(_trimmed(email), _trimmed(phone), _trimmed(note))
    errors = []
    if found.email and not _is_email(found.email):
        errors.append(FieldError("email", "bad_email"))
    if found.phone and not _PHONE.fullmatch(found.phone):
        errors.append(FieldError("phone", "bad_phone"))
    if found.note and len(found.note) > MAX_NOTE_CHARS:
        errors.append(FieldError("note", "too_long", (("max_length", MAX_NOTE_CHARS),)))
    if errors:
        raise Invalid(errors=tuple(errors))
    return found


def reply_text(text: str) -> str:
    """What a person says to a customer, trimmed. Raises `Invalid` when it is blank or too long."""
    said = text.strip()
    if not said:
        raise Invalid(errors=(FieldError("text", "empty"),))
    if len(said) > MAX_REPLY_CHARS:
        values = (("max_length", MAX_REPLY_CHARS),)
        raise Invalid(errors=(FieldError("text", "too_long", values),))
    return said


def _is_email(value: str) -> bool:
    is_one = _EMAIL.fullmatch(value) is not None
    return is_one and value.isprintable() and len(value) <= MAX_EMAIL_CHARS


def _trimmed(value: str | None) -> str | None:
    return (value or "").strip() or None
