"""How a business wants its widget, and what the widget says before anybody wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from coccinelle.foundation import i18n
from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.i18n import Locale

MAX_GREETING_CHARS = 500
MAX_REPLY_MINUTES = 30 * 24 * 60

Position = Literal["left", "right"]
Value = str | int | None

_COLOR = re.compile(r"#[0-9a-f]{6}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class WidgetSettings:
    """What a business chose; what is None is left to us."""

    color: str | None = None
    position: Position | None = None
    greeting_fr: str | None = None
    greeting_en: str | None = None
    reply_within_minutes: int | None = None


@dataclass(frozen=True)
class Spokesperson:
    """The agent whose name and greeting a widget opens with: the tenant's first that is live."""

    key: str
    name: str
    greeting: str
    language: str


@dataclass(frozen=True)
class Shopfront:
    """A business as its widget presents it."""

    company_name: str
    locale: Locale
    website: str | None
    offer_url: str | None
    settings: WidgetSettings
    agent: Spokesperson | None


def disclosure(company_name: str, locale: Locale) -> str:
    """That an AI answers, which may be wrong, and that a person can be asked for.

    Of the business's own words it has the name alone: no prompt can change or remove it.
    """
    return i18n.text("widget_disclosure", locale, company=company_name)


def greeting(shopfront: Shopfront, locale: Locale) -> str:
    """The business's greeting in that language, else its first agent's, else ours."""
    settings, agent = shopfront.settings, shopfront.agent
    chosen = settings.greeting_en if locale == "en" else settings.greeting_fr
    if chosen:
        return chosen
    if agent is None:
        return i18n.text("widget_greeting", locale, company=shopfront.company_name)
    if agent.language == locale:
        return agent.greeting
    company = shopfront.company_name
    return i18n.text("widget_greeting_by_name", locale, agent=agent.name, company=company)


def reply_promise(within_minutes: int | None, locale: Locale) -> str:
    """When a person answers, in plain words; never sooner than was said."""
    if within_minutes is None:
        return i18n.text("widget_reply_soon", locale)
    hours = math.ceil(within_minutes / 60)
    if within_minutes == 1:
        return i18n.text("widget_reply_one_minute", locale)
    if within_minutes == 60:
        return i18n.text("widget_reply_one_hour", locale)
    if within_minutes <= 90:
        return i18n.text("widget_reply_minutes", locale, count=within_minutes)
    if hours < 48:
        return i18n.text("widget_reply_hours", locale, count=hours)
    return i18n.text("widget_reply_days", locale, count=math.ceil(hours / 24))


def link_hosts(shopfront: Shopfront) -> tuple[str, ...]:
    """Hosts that a link in an answer may lead to: those of the business's own addresses."""
    found = (urlsplit(url).hostname for url in (shopfront.website, shopfront.offer_url) if url)
    return tuple(dict.fromkeys(host for host in found if host))


def checked(changes: Mapping[str, str]) -> dict[str, Value]:
    """What an owner typed, by field, as it is kept; a blank value is forgotten.

    Raises:
        Invalid: what cannot be a colour, a side, a greeting or a delay.
    """
    typed = {field: value.strip() for field, value in changes.items()}
    return {
        field: _CHECKS[field](field, value) if value else None for field, value in typed.items()
    }


def _color(field: str, value: str) -> str:
    found = value.lower()
    if not _COLOR.fullmatch(found):
        raise _refused(field, "bad_color")
    return found


def _position(field: str, value: str) -> str:
    if value not in ("left", "right"):
        raise _refused(field, "not_one_of", expected="left, right")
    return value


def _greeting(field: str, value: str) -> str:
    if len(value) > MAX_GREETING_CHARS:
        raise _refused(field, "too_long", max_length=MAX_GREETING_CHARS)
    if _UNSTORABLE.search(value):
        raise _refused(field, "unstorable_characters")
    return value


def _minutes(field: str, value: str) -> int:
    is_number = value.isascii() and value.isdigit() and len(value) < 10
    if not (is_number and 1 <= int(value) <= MAX_REPLY_MINUTES):
        raise _refused(field, "bad_reply_delay", maximum=MAX_REPLY_MINUTES)
    return int(value)


_CHECKS: Mapping[str, Callable[[str, str], str | int]] = {
    "color": _color,
    "position": _position,
    "greeting_fr": _greeting,
    "greeting_en": _greeting,
    "reply_within_minutes": _minutes,
}


def _refused(field: str, code: str, **values: object) -> Invalid:
    return Invalid(code, errors=(FieldError(field, code, tuple(values.items())),), **values)
