"""Nothing that could be invented reaches a customer unless a source says it.

A model's answer is held sentence by sentence. Prices, percentages, dates, hours, phone numbers,
other numbers above nine, e-mails, addresses of pages and proper names must stand in a passage that
the answer has cited, in a fact of the business, or (but for addresses of pages) in what the
customer said; a sentence that fails is replaced, once, by the offer of a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from coccinelle.engine.numerals import spelled_amounts

NO_ANSWER = "NO_ANSWER"
_NO_ANSWER = re.compile(r"\bNO[_ -]?ANSWER\b")
LONGEST_SENTENCE_CHARS = 600
KEPT_TEXTS = 4096

_MONTHS = (
    "janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre"
    "|january|february|march|april|may|june|july|august|september|october|november|december"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Whatever a browser could be made to open or fetch, and whatever is written like a host name.
_ADDRESS = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>()\[\]\"'»]+"
    r"|\b(?:javascript|vbscript|data|mailto|tel|sms|blob|file):(?=[^\s])[^\s<>()\[\]\"'»]+"
    r"|\b[\w-]{2,}(?:\.[\w-]+)*\.[a-z][a-z-]{1,23}\b(?::\d+)?(?:[/?#][^\s<>()\[\]\"'»]*)?"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)(?::\d+)?(?:/[^\s<>()\[\]\"'»]*)?"
)
# Passages are shown with other brackets: markup in an answer has come from nowhere good.
_MARKUP = re.compile(r"<[a-z!/?]", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\d,.])(?:\+|00)?\(?\d(?:[ .()\u00a0\u202f-]{0,3}\d){8,13}(?!\d)")
_PAIRS = re.compile(r"(?<![\d,.])0[1-9]([ .\u00a0\u202f-]?)\d\d(?:\1\d\d){3}(?!\d)")
_NUMBER = r"\d+(?:[ .\u00a0\u202f]\d{3})*(?:[.,]\d+)?"
_PRICE = re.compile(rf"({_NUMBER})\s*(?:€|euros?\b|eur\b|\$|dollars?\b|£)|(?:€|\$|£)\s*({_NUMBER})")
_RANGE = re.compile(
    rf"({_NUMBER})\s*(?:€|euros?)?\s*(?:-|–|a|et|ou|to|and|or)\s*{_NUMBER}\s*(?:€|euros?\b|eur\b)"
)
_MONTH_OF_YEAR = re.compile(rf"\b({_MONTHS})\s+(\d{{4}})\b")
_PERCENT = re.compile(rf"({_NUMBER})\s*(?:%|pour ?cent|percent)")
_DATE = re.compile(
    rf"\b(\d{{1,2}})(?:er|st|nd|rd|th)?\s+({_MONTHS})\b|\b({_MONTHS})\s+(\d{{1,2}})\b"
    r"|\b(\d{1,4}[/-]\d{1,2}[/-]\d{1,4})\b|\b(\d{1,2}/\d{1,2})\b"
)
_HOUR = re.compile(
    r"\b(\d{1,2})\s?(?:h(?![a-z])|heures?\b|:(?=\d\d))\s?(\d{2})?(?!\d)"
    r"|\b(\d{1,2})\s?([ap])\.?m\b"
)
_NAME = re.compile(
    r"(?:(?:(?<=[^\W\d])|(?<=[,;%€*)]))(?<!\d\))[ \u00a0][*_(]{0,4}|(?<=['’]))"
    r"([A-ZÀ-ÖØ-Þ][\w'’-]*[a-zà-öø-ÿ][\w’-]*)"
)
# The number of an entry in a list, which says nothing.
_ENTRY = re.compile(r"^\s*[*_(]{0,4}\d{1,2}[.)](?=\s)", re.MULTILINE)
_CITATION = re.compile(r"\s*\[(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\]")
_END = re.compile(
    r"(?:[.!?…]+[\"»)\*]*(?:\s*\[[\d,; ]+\])*\s+|\s*(?:\[[\d,; ]+\])*\s*\n+)(?=[^\s\[])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:m|mm|mme|mlle|dr|ex|etc|env|tel|no|art|cf|p|st|mr|mrs|e\.g|i\.e)\.|^\d+\.)\s*$",
    re.IGNORECASE,
)
# Every claim has a digit, an at sign, a dot or a colon within a word, or names a currency.
_CHECKABLE = re.compile(r"\d|@|\w[.:][\w/]|www|eur|dollar|pound|[€$£]")
_COMBINING = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_IMAGE = re.compile(r"!(?=\[)")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_ALWAYS_KNOWN = frozenset(
    ("i'm", "i'll", "i've", "i'd", "monsieur", "madame", "bonjour")
    + ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
)


@dataclass(frozen=True)
class Facts:
    """What a text says that can be checked."""

    claims: frozenset[str]
    words: frozenset[str]

    def __or__(self, other: Facts) -> Facts:
        return Facts(self.claims | other.claims, self.words | other.words)

    def without_addresses(self) -> Facts:
        """The same, but for what somebody could be made to open."""
        rest = frozenset(claim for claim in self.claims if not claim.startswith("address:"))
        return Facts(rest, self.words)


def facts(text: str) -> Facts:
    """What `text` says."""
    seen = visible(text)
    made = claims(seen)
    amounts = (claim.split(":", 1) for claim in made)
    bare = frozenset(f"number:{n}" for kind, n in amounts if kind in ("price", "percent"))
    return Facts(made | bare, frozenset(_words(seen)))


# Passages and the business's facts come again with every turn; what customers say is not kept.
_kept_facts = lru_cache(maxsize=KEPT_TEXTS)(facts)


class Guard:
    """Takes a model's words as they come and gives back those that may be said.

    Args:
        passages: texts that the model was shown, in the order of their numbers, from 1.
        known: what may be said without citing: the business's facts, the agents' names.
        said: what the customer said; it may be said again, except for addresses of pages.
        replacement: said once in place of sentences that fail.
    """

    def __init__(
        self,
        passages: Sequence[str],
        known: Iterable[str],
        replacement: str,
        *,
        said: Iterable[str] = (),
    ):
        self._passages = passages
        self._known = _kept_facts("\n".join(known)) | facts("\n".join(said)).without_addresses()
        self._replacement = replacement
        self._held = ""
        self._gave_up = False
        self.cited: list[int] = []
        self.refused = 0
        self.passed = 0

    def reset(self) -> None:
        """Another model starts the answer again."""
        self._held = ""
        self._gave_up = False
        self.cited.clear()
        self.refused = self.passed = 0

    @property
    def has_no_answer(self) -> bool:
        """Whether the model says, in the word it was given for it, that it has no answer."""
        return self._gave_up

    def feed(self, piece: str) -> str:
        """The sentences that `piece` completes, checked; often empty."""
        self._held += visible(piece)
        said = ""
        while not self._gave_up and (end := self._boundary()) is not None:
            sentence, self._held = self._held[:end], self._held[end:]
            said += self._checked(sentence)
        return said

    def finish(self) -> str:
        """What is left, checked; nothing of an answer that is none."""
        sentence, self._held = self._held, ""
        return self._checked(sentence) if sentence.strip() and not self._gave_up else ""

    def _boundary(self) -> int | None:
        """Where the first sentence ends; the same, however the text is cut into pieces."""
        for match in _END.finditer(self._held, 0, LONGEST_SENTENCE_CHARS + 1):
            if not _ABBREVIATION.search(self._held[: match.end()].rstrip(" ")):
                return match.end()
        if len(self._held) > LONGEST_SENTENCE_CHARS:
            return self._held.rfind(" ", 0, LONGEST_SENTENCE_CHARS) + 1 or LONGEST_SENTENCE_CHARS
        return None

    def _checked(self, sentence: str) -> str:
        if _NO_ANSWER.search(sentence):
            if self.passed == 0:
                self._gave_up = True
                return ""
            self.refused += 1
            return self._replaced()
        plain = _IMAGE.sub("", _CITATION.sub("", sentence))
        if not self._is_supported(sentence, plain):
            self.refused += 1
            return self._replaced()
        self.passed += 1
        for number in self._cited_by(sentence):
            if number not in self.cited:
                self.cited.append(number)
        return plain

    def _replaced(self) -> str:
        if self.refused > 1:
            return ""
        return f"{self._replacement} " if self._replacement else ""

    def _is_supported(self, sentence: str, plain: str) -> bool:
        """A sentence that cites is held to what it cites; another to all that was cited so far."""
        if _MARKUP.search(plain):
            return False
        allowed = self._known
        for number in self._cited_by(sentence) or self.cited:
            allowed = allowed | _kept_facts(self._passages[number - 1])
        return claims(plain) <= allowed.claims and all(
            name in allowed.words for name in names(plain)
        )

    def _cited_by(self, sentence: str) -> list[int]:
        return [number for number in _numbers(sentence) if 1 <= number <= len(self._passages)]


def claims(text: str) -> frozenset[str]:
    """What a text asserts that can be checked, each in one canonical form."""
    folded = _folded(text)
    if not _CHECKABLE.search(folded):
        return frozenset()
    found: set[str] = set()
    for email in _EMAIL.findall(folded):
        found.add(f"email:{email.rstrip('.')}")
    rest = _EMAIL.sub(" ", folded)
    for address in _ADDRESS.findall(rest):
        found.add(f"address:{_address(address)}")
    rest = _ADDRESS.sub(" ", rest)
    found.update(f"phone:{_phone(pairs.group())}" for pairs in _PAIRS.finditer(rest))
    rest = _PAIRS.sub(" ", rest)
    for date in _DATE.finditer(rest):
        found.add(f"date:{_date(date)}")
    found.update(f"month:{_MONTH_NUMBER[m]}/{year}" for m, year in _MONTH_OF_YEAR.findall(rest))
    found.update(f"price:{_amount(a or b)}" for a, b in _PRICE.findall(rest))
    found.update(f"price:{_amount(low)}" for low in _RANGE.findall(rest))
    found.update(f"price:{amount:g}" for amount in spelled_amounts(rest))
    found.update(f"percent:{_amount(value)}" for value in _PERCENT.findall(rest))
    found.update(f"hour:{_hour(match)}" for match in _HOUR.finditer(rest))
    rest = _DATE.sub(" ", rest)
    found.update(f"phone:{_phone(phone)}" for phone in _PHONE.findall(rest))
    for spoken_for in (_PHONE, _RANGE, _PRICE, _PERCENT, _HOUR):
        rest = spoken_for.sub(" ", rest)
    found.update(f"number:{amount}" for amount in _numbers_above_nine(_ENTRY.sub(" ", rest)))
    return frozenset(found)


def _numbers_above_nine(text: str) -> Iterator[str]:
    """Those below are told of a text that has as many things, without saying so in figures."""
    amounts = (_amount(found) for found in re.findall(_NUMBER, text))
    return (amount for amount in amounts if float(amount) > 9)


def names(text: str) -> list[str]:
    """Words written as proper names, elsewhere than at the start of a sentence, folded."""
    return [
        word
        for match in _NAME.finditer(text)
        if (word := _folded(match.group(1)).strip("'-")) not in _ALWAYS_KNOWN and len(word) > 2
    ]


def visible(text: str) -> str:
    """The text without what is not seen, cannot be stored, or hides in a word to change it."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t\u200d" or unicodedata.category(c) not in _UNSEEN)


def _numbers(sentence: str) -> list[int]:
    return [int(n) for group in _CITATION.findall(sentence) for n in re.findall(r"\d+", group)]


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize(
        "NFKD", text.casefold().replace("’", "'").replace("€", " € ")
    )
    return _COMBINING.sub("", decomposed)


def _words(text: str) -> Iterable[str]:
    for word in re.findall(r"[\w'’-]+", text):
        folded = _folded(word).strip("'-")
        yield folded
        yield from re.split(r"['-]", folded)


def _amount(value: str) -> str:
    digits = re.sub(r"[\s\u00a0\u202f]", "", value)
    digits = re.sub(r"\.(?=\d{3}(\D|$))", "", digits).replace(",", ".")
    return f"{float(digits):g}"


def _phone(value: str) -> str:
    digits = re.sub(r"\D", "", value)
    if value.startswith("+33") or digits.startswith("0033"):
        return "0" + digits.removeprefix("00").removeprefix("33")
    return digits


def _address(value: str) -> str:
    bare = re.sub(r"^(https?://)?(www\.)?", "", value)
    return bare.rstrip("/.,;:!?")


def _date(match: re.Match[str]) -> str:
    day, month, month_first, day_after, full, short = match.groups()
    if full or short:
        return "/".join(part.lstrip("0") for part in re.split(r"[/-]", full or short))
    return f"{int(day or day_after)} {_MONTH_NUMBER[month or month_first]}"


def _hour(match: re.Match[str]) -> str:
    hour, minutes, twelve, half = match.groups()
    if twelve:
        return f"{int(twelve) % 12 + (12 if half == 'p' else 0)}:00"
    return f"{int(hour)}:{minutes or '00'}"


_MONTH_NUMBER = {name: index % 12 + 1 for index, name in enumerate(_MONTHS.split("|"))}
