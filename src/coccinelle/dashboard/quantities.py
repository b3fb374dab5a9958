"""Numbers, times, money and days as people read them, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache

from babel.dates import format_date

from coccinelle.foundation.i18n import Locale

MICROEUROS = 1_000_000
CENT_MICROEUR = 10_000
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3_600, 86_400
_SPACE, _NARROW = "\u00a0", "\u202f"


def filters(locale: Locale) -> Mapping[str, Callable[..., str]]:
    """What templates write quantities with."""
    is_french = locale == "fr"

    def number(value: float, decimals: int = 0) -> str:
        """With as many decimals as are asked for."""
        written = f"{value:,.{decimals}f}"
        return written.replace(",", _NARROW).replace(".", ",") if is_french else written

    def percent(share: float) -> str:
        """A share of 0 to 1."""
        return number(100 * share) + (f"{_SPACE}%" if is_french else "%")

    def seconds(milliseconds: int) -> str:
        """A short time: in milliseconds while it is not a tenth of a second."""
        if milliseconds < 100:
            return f"{milliseconds}{_SPACE}ms"
        return number(milliseconds / 1_000, 1) + f"{_SPACE}s"

    def lasting(span_seconds: float) -> str:
        """A long time, in the unit that says enough."""
        if span_seconds < MINUTE_SECONDS:
            return f"{span_seconds:.0f}{_SPACE}s"
        if span_seconds < HOUR_SECONDS:
            return f"{span_seconds / MINUTE_SECONDS:.0f}{_SPACE}min"
        if span_seconds < DAY_SECONDS:
            hours, rest = divmod(round(span_seconds / MINUTE_SECONDS), 60)
            return f"{hours}{_SPACE}h{_SPACE}{rest:02}"
        return number(span_seconds // DAY_SECONDS) + f"{_SPACE}{'j' if is_french else 'd'}"

    def euros(microeur: int) -> str:
        """Money, never shown as nothing while it is something."""
        if 0 < microeur < CENT_MICROEUR:
            return f"<{_SPACE}{euros(CENT_MICROEUR)}"
        written = number(microeur / MICROEUROS, 2 if microeur else 0)
        return f"{written}{_SPACE}€" if is_french else f"€{written}"

    return {
        "number": number,
        "percent": percent,
        "seconds": seconds,
        "lasting": lasting,
        "euros": euros,
        "day": lambda value: _day(value, "EEE d MMM" if is_french else "EEE, d MMM", locale),
        "whole_day": lambda value: _day(value, "d MMMM y", locale),
    }


@lru_cache(maxsize=1_000)
def _day(value: date, pattern: str, locale: Locale) -> str:
    return format_date(value, pattern, locale=locale)
