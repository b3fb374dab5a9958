"""A phone number: read as people write it, in the country where they live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import phonenumbers
from babel.core import get_global

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.tenants.model import Tenant

Channel = Literal["voice", "sms"]

DEFAULT_REGION = "FR"
MAX_WRITTEN_CHARS = 40


@dataclass(frozen=True)
class Number:
    """A number of a tenant: what it reaches, and which of the three facts about it hold."""

    id: UUID
    e164: str
    channel: Channel
    agent: str | None
    declared_at: datetime
    verified_at: datetime | None
    active_since: datetime | None


def region_of(timezone: str) -> str:
    """The country (ISO 3166) whose numbers are written without their prefix in `timezone`.

    Source: the zones' territories of the Unicode CLDR; France for a zone of no country.
    """
    found = get_global("zone_territories").get(timezone, "")
    return found if found in phonenumbers.SUPPORTED_REGIONS else DEFAULT_REGION


def normalised(written: str, *, timezone: str, field: str = "phone") -> str:
    """A number in E.164: `06 12 34 56 78`, `0033 6...` and `+33 (0)6...` are one number.

    Args:
        timezone: of the business, which says the country of a number without its prefix.
        field: what to name in the refusal.

    Raises:
        Invalid: it is no number that can be called from abroad.
    """
    region = region_of(timezone)
    try:
        found = phonenumbers.parse(_international(written), region)
    except phonenumbers.NumberParseException as error:
        raise _refused(field) from error
    # Its length is checked, and not its range: numbers are given out faster than tables are.
    length = phonenumbers.is_possible_number_with_reason(found)
    is_whole = length == phonenumbers.ValidationResult.IS_POSSIBLE and not found.extension
    if found.italian_leading_zero and not phonenumbers.is_valid_number(found):
        is_whole = False  # A digit is missing: what looks like its prefix was counted as one.
    if not (is_whole and _is_written(written)):
        raise _refused(field)
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def written(e164: str, *, timezone: str) -> str:
    """A number as people of `timezone` write it: in groups, with a prefix only from abroad."""
    found = phonenumbers.parse(e164)
    is_home = phonenumbers.region_code_for_number(found) == region_of(timezone)
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(found, style.NATIONAL if is_home else style.INTERNATIONAL)


def phone_of(tenant: Tenant) -> str | None:
    """The number of a business as people there write it; as it was kept where it is no number."""
    known = tenant.phone
    if known is None or not known.startswith("+"):
        return known
    try:
        return written(known, timezone=tenant.timezone)
    except phonenumbers.NumberParseException:
        return known


def _international(text: str) -> str:
    """`00` is dialled for `+` in nearly all of the world; a space is a space."""
    found = " ".join(text.split())
    return f"+{found[2:]}" if found.startswith("00") else found


def _is_written(text: str) -> bool:
    """Only what a number is written with: letters are dialled in some countries, not here."""
    return len(text) <= MAX_WRITTEN_CHARS and all(
        c.isdecimal() or c.isspace() or c in "+().-/‐‑–" for c in text
    )


def _refused(field: str) -> Invalid:
    return Invalid(errors=(FieldError(field, "bad_phone_number"),))
