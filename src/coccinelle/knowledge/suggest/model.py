"""What is proposed of a business, each with the page and the words that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

MAX_EXCERPT_CHARS = 300


@dataclass(frozen=True)
class Proposal:
    """A value, and where it stands. `excerpt` are the page's own words, at most 300 characters."""

    value: str
    url: str
    excerpt: str


@dataclass(frozen=True)
class Opening:
    """A range of hours on an ISO weekday (1-7), local times, as `opening_hours` keeps it."""

    weekday: int
    opens: time
    closes: time
    url: str
    excerpt: str


@dataclass(frozen=True)
class Service:
    """A service with its price in cents; `at_least`: the page says "à partir de"."""

    name: str
    price_cents: int
    at_least: bool
    url: str
    excerpt: str


@dataclass(frozen=True)
class Suggestion:
    """All that was found; None and empty where the site says nothing.

    Args:
        pages: addresses that were read, the home page first.
        hours: of the usual week; a weekday without a range is closed, or not told.
        closed_days: ISO weekdays that the site says are closed.
        tone: how the site speaks, by a language model; None without one.
    """

    website: str
    pages: tuple[str, ...]
    name: Proposal | None = None
    phone: Proposal | None = None
    email: Proposal | None = None
    address: Proposal | None = None
    hours: tuple[Opening, ...] = ()
    closed_days: tuple[int, ...] = ()
    services: tuple[Service, ...] = ()
    tone: Proposal | None = None
