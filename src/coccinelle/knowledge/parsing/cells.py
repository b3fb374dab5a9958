"""A spreadsheet's values the way a French reader sees them in their cells."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_HALF_UP, Decimal

_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre"),
    *("octobre", "novembre", "décembre"),
)
_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_CURRENCY = re.compile(r"\[\$([^\]\-]*)(?:-[0-9A-Fa-f]+)?\]")
_CONDITION = re.compile(r"\[(?!h+\]|m+\]|s+\])[^\]]*\]", re.IGNORECASE)
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_LITERAL = re.compile(r"\"([^\"]*)\"|\\(.)")
_SKIPPED = re.compile(r"_.|\*.")
_PLACEHOLDERS = re.compile(r"[0#?]")
_NUMBER_PART = re.compile(r"[0#?][0#?,.\s]*(?:E[+-]0+)?", re.IGNORECASE)
_AMBIGUOUS_GENERAL = ("", "general", "standard", "@")
_SIGNIFICANT_DIGITS = 12
_HELD = "\ue000"  # Stands for a literal while the rest of a format is read.


def shown(value: object, number_format: str | None) -> str:
    """`value` with its `number_format` (ECMA-376 part 1, 18.8.31), in French, never scientific."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Oui" if value else "Non"
    if isinstance(value, dt.datetime):
        return _date_time(value, number_format or "")
    if isinstance(value, dt.date):
        return _date(value, number_format or "")
    if isinstance(value, dt.time):
        return _time(value, number_format or "")
    if isinstance(value, dt.timedelta):
        return _elapsed(value)
    if isinstance(value, int | float):
        return _number(value, number_format or "")
    return str(value)


def _date_time(value: dt.datetime, number_format: str) -> str:
    tokens = _LITERAL.sub("", number_format).lower()
    has_date = any(letter in tokens for letter in "yjda") or "mmm" in tokens
    has_time = "h" in tokens or "s" in tokens
    if has_time and not has_date:
        return _time(value.time(), number_format)
    midnight = value.time() == dt.time()
    if not has_time and (has_date or midnight):
        return _date(value.date(), number_format)
    return f"{_date(value.date(), number_format)} {_time(value.time(), number_format)}"


def _date(value: dt.date, number_format: str) -> str:
    tokens = _LITERAL.sub("", _CONDITION.sub("", number_format)).lower()
    if "mmm" not in tokens:
        return _numeric_date(value, tokens)
    day = ("1er" if value.day == 1 else str(value.day)) if re.search(r"[dj]", tokens) else ""
    weekday = _DAYS[value.weekday()] if re.search(r"dddd|jjjj", tokens) else ""
    year = str(value.year) if re.search(r"[ya]", tokens) else ""
    return " ".join(part for part in (weekday, day, _MONTHS[value.month - 1], year) if part)


def _numeric_date(value: dt.date, tokens: str) -> str:
    if re.search(r"[ya]", tokens) and not re.search(r"[dj]", tokens):
        return f"{value:%m/%Y}" if "m" in tokens else f"{value:%Y}"
    if re.search(r"[dj]", tokens) and not re.search(r"[ya]", tokens):
        return f"{value:%d/%m}"
    return f"{value:%d/%m/%Y}"


def _time(value: dt.time, number_format: str) -> str:
    return f"{value:%H:%M:%S}" if "s" in number_format.lower() else f"{value:%H:%M}"


def _elapsed(value: dt.timedelta) -> str:
    minutes = round(value.total_seconds() / 60)
    return f"{'-' if minutes < 0 else ''}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _number(value: float, number_format: str) -> str:
    exact = _exact(value)
    if exact is None:
        return ""
    if number_format.lower() in _AMBIGUOUS_GENERAL:
        return _plain(exact)
    section, magnitude = _section(exact, number_format)
    if _ELAPSED.search(section):
        return _elapsed(dt.timedelta(days=float(exact)))
    return _in_section(magnitude, section)


def _exact(value: float) -> Decimal | None:
    """The decimal that a cell shows for a binary float: 0.1 + 0.2 is 0.3."""
    if not math.isfinite(value):
        return None
    if value == int(value):
        return Decimal(int(value))
    return Decimal(format(value, f".{_SIGNIFICANT_DIGITS}g"))


def _plain(number: Decimal) -> str:
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return digits.replace(".", ",") or "0"


def _section(number: Decimal, number_format: str) -> tuple[str, Decimal]:
    """The part of `positive;negative;zero` for this number, and the number to put in it."""
    parts = number_format.split(";")
    if number < 0 and len(parts) > 1 and parts[1].strip():
        signed = re.search(r"[-(]", _LITERAL.sub(r"\1\2", parts[1]))
        return parts[1], abs(number) if signed else number
    if number == 0 and len(parts) > 2 and _PLACEHOLDERS.search(parts[2]):
        return parts[2], number
    return parts[0], number


def _in_section(number: Decimal, section: str) -> str:
    literals: list[str] = []
    pattern = _held(section, literals)
    percent = "%" in pattern
    found = _NUMBER_PART.search(pattern)
    if found is None:
        return _plain(number)
    if _HELD in pattern[found.start() :] and _digits_around_literals(pattern):
        return _released(_spread(number, pattern), literals)
    digits = _digits(number * 100 if percent else number, found[0])
    before, after = pattern[: found.start()], pattern[found.end() :]
    text = _released(f"{before}{digits}{after}", literals)
    return _with_currency_behind(re.sub(r"\s*%", " %", text))


def _held(section: str, literals: list[str]) -> str:
    """The section with each literal and currency replaced by a mark, and its padding dropped."""

    def hold(text: str) -> str:
        literals.append(text)
        return _HELD

    pattern = _CURRENCY.sub(lambda found: hold(found[1]), section)
    pattern = _CONDITION.sub("", pattern)
    pattern = _LITERAL.sub(
        lambda found: hold(found[1] if found[1] is not None else found[2]), pattern
    )
    return _SKIPPED.sub("", pattern)


def _released(text: str, literals: list[str]) -> str:
    remaining = iter(literals)
    return re.sub(_HELD, lambda _: next(remaining, ""), text).strip()


def _digits_around_literals(pattern: str) -> bool:
    """Telephone numbers and the like: `0#" "##" "##" "##" "##`."""
    groups = [group for group in re.split(_HELD, pattern) if _PLACEHOLDERS.search(group)]
    return len(groups) > 1 and "." not in pattern


def _spread(number: Decimal, pattern: str) -> str:
    """The digits put into the placeholders from the right; what is left over goes in front."""
    digits = list(str(int(number.to_integral_value(ROUND_HALF_UP))))
    out: list[str] = []
    places = len(_PLACEHOLDERS.findall(pattern))
    for char in reversed(pattern):
        if not _PLACEHOLDERS.fullmatch(char):
            out.append(char)
            continue
        places -= 1
        out.append(digits.pop() if digits else ("0" if char == "0" else ""))
        if places == 0 and digits:
            out.append("".join(digits)[::-1])
            digits = []
    return "".join(reversed(out))


def _digits(number: Decimal, placeholders: str) -> str:
    """The number with the decimals, leading zeros and thousands that the placeholders ask for."""
    body = re.sub(r"E[+-]0+", "", placeholders, flags=re.IGNORECASE).strip()
    if "e" in placeholders.lower():
        return _plain(number)
    whole, _, fraction = body.partition(".")
    scale = len(whole) - len(whole.rstrip(",")) if not fraction else 0
    number = number / (Decimal(1000) ** scale)
    rounded = number.quantize(
        Decimal(1).scaleb(-len(_PLACEHOLDERS.findall(fraction))), ROUND_HALF_UP
    )
    integer, _, decimals = format(abs(rounded), "f").partition(".")
    integer = integer.zfill(whole.count("0"))
    if "," in whole.rstrip(",") or re.search(r"[#0]\s[#0]", whole):
        integer = f"{int(integer):,}".replace(",", " ")
    decimals = _without_optional(decimals, fraction)
    return f"{'-' if rounded < 0 else ''}{integer}{',' if decimals else ''}{decimals}"


def _without_optional(decimals: str, fraction: str) -> str:
    """Drop trailing zeros that `#` does not ask for."""
    required = fraction.count("0")
    while len(decimals) > required and decimals.endswith("0"):
        decimals = decimals[:-1]
    return decimals


def _with_currency_behind(text: str) -> str:
    """ "€ 1 200,00" as a French reader writes it: "1 200,00 €"."""
    found = re.fullmatch(r"(-?)\s*([€$£])\s*(-?[\d ]+(?:,\d+)?)(.*)", text)
    if found:
        text = f"{found[1]}{found[3]} {found[2]}{found[4]}"
    return re.sub(r"(?<=\d)\s*([€£])", r" \1", " ".join(text.split()))
