"""Nothing that could be invented reaches a customer unless a source says it.

A model's answer is held sentence by sentence. Prices, percentages, dates, hours, phone numbers,
e-mails, addresses of pages and proper names must stand in a passage that the answer has cited, in
a fact of the business, or in what the customer said; a sentence that fails is replaced, once, by
the offer of a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

NO_ANSWER = "NO_ANSWER"
LONGEST_SENTENCE_CHARS = 600

_MONTHS = (
    "janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre"
    "|january|february|march|april|may|june|july|august|september|october|november|december"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)[^\s<>()\[\]\"'»]+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|fr|net|org|io|eu|example|co|app|dev|info|biz|ru|cn|xyz|me|ly)\b(?:/[^\s<>()\[\]\"'»]*)?"
)
_PHONE = re.compile(r"(?<![\d,.])(?:\+|00)?\d(?:[ .\u00a0\u202f-]?\d){8,13}(?!\d)")
_NUMBER = r"\d+(?:[ .\u00a0\u202f]\d{3})*(?:[.,]\d+)?"
_PRICE = re.compile(rf"({_NUMBER})\s*(?:€|euros?\b|eur\b|\$|dollars?\b|£)|(?:€|\$|£)\s*({_NUMBER})")
_PERCENT = re.compile(rf"({_NUMBER})\s*(?:%|pour ?cent|percent)")
_DATE = re.compile(
    rf"\b(\d{{1,2}})(?:er|st|nd|rd|th)?\s+({_MONTHS})\b|\b({_MONTHS})\s+(\d{{1,2}})\b"
    r"|\b(\d{1,4}[/-]\d{1,2}[/-]\d{1,4})\b|\b(\d{1,2}/\d{1,2})\b"
)
_HOUR = re.compile(
    r"\b(\d{1,2})\s?(?:h|heures?\b|:(?=\d\d))\s?(\d{2})?(?!\d)|\b(\d{1,2})\s?([ap])\.?m\b"
)
_NAME = re.compile(
    r"(?<![.!?…:\n«\"(*•\-\d])(?:[ \u00a0]|(?<=['’]))([A-ZÀ-ÖØ-Þ][\w'’-]*[a-zà-öø-ÿ][\w’-]*)"
)
_CITATION = re.compile(r"\s*\[(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\]")
_END = re.compile(
    r"(?:[.!?…]+[\"»)\*]*(?:\s*\[[\d,; ]+\])*\s+|\s*(?:\[[\d,; ]+\])*\s*\n+)(?=[^\s\[])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:m|mm|mme|mlle|dr|ex|etc|env|tel|no|art|cf|p|st|mr|mrs|e\.g|i\.e)\.|^\d+\.)\s*$",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!(?=\[)")
_ALWAYS_KNOWN = frozenset({"i", "i'm", "i'll", "i've", "ia", "ai", "monsieur", "madame", "bonjour"})


class Facts:
    """What a set of texts says that can be checked."""

    def __init__(self, texts: Iterable[str]):
        joined = "\n".join(texts)
        self.claims = claims(joined)
        self.words = frozenset(_words(joined))

    def __or__(self, other: Facts) -> Facts:
        union = Facts(())
        union.claims = self.claims | other.claims
        union.words = self.words | other.words
        return union


class Guard:
    """Takes a model's words as they come and gives back those that may be said.

    Args:
        passages: texts that the model was shown, in the order of their numbers, from 1.
        known: what may be said without citing: the business's facts, what the customer said, the
            agents' names.
        replacement: said once in place of sentences that fail.
    """

    def __init__(self, passages: Sequence[str], known: Iterable[str], replacement: str):
        self._passages = [Facts([text]) for text in passages]
        self._known = Facts(known)
        self._replacement = replacement
        self._held = ""
        self.cited: list[int] = []
        self.refused = 0
        self.passed = 0

    def reset(self) -> None:
        """Another model starts the answer again."""
        self._held = ""
        self.cited.clear()
        self.refused = self.passed = 0

    @property
    def has_no_answer(self) -> bool:
        """Whether the model says, in the word it was given for it, that it has no answer."""
        return self.passed == 0 and NO_ANSWER in self._held

    def feed(self, piece: str) -> str:
        """The sentences that `piece` completes, checked; often empty."""
        self._held += piece
        said = ""
        while (end := self._boundary()) is not None:
            sentence, self._held = self._held[:end], self._held[end:]
            said += self._checked(sentence)
        return said

    def finish(self) -> str:
        """What is left, checked."""
        sentence, self._held = self._held, ""
        return self._checked(sentence) if sentence.strip() else ""

    def _boundary(self) -> int | None:
        for match in _END.finditer(self._held):
            if not _ABBREVIATION.search(self._held[: match.end()].rstrip(" ")):
                return match.end()
        if len(self._held) > LONGEST_SENTENCE_CHARS:
            return self._held.rfind(" ", 0, LONGEST_SENTENCE_CHARS) + 1 or LONGEST_SENTENCE_CHARS
        return None

    def _checked(self, sentence: str) -> str:
        if NO_ANSWER in sentence:
            self.refused += 1
            return self._replaced()
        for number in _numbers(sentence):
            if 1 <= number <= len(self._passages) and number not in self.cited:
                self.cited.append(number)
        plain = _IMAGE.sub("", _CITATION.sub("", sentence))
        if self._is_supported(sentence, plain):
            self.passed += 1
            return plain
        self.refused += 1
        return self._replaced()

    def _replaced(self) -> str:
        if self.refused > 1:
            return ""
        return f"{self._replacement} " if self._replacement else ""

    def _is_supported(self, sentence: str, plain: str) -> bool:
        """A sentence that cites is held to what it cites; another to all that was cited so far."""
        allowed = self._known
        numbers = [n for n in _numbers(sentence) if 1 <= n <= len(self._passages)]
        for number in numbers or self.cited:
            allowed = allowed | self._passages[number - 1]
        return claims(plain) <= allowed.claims and all(
            name in allowed.words for name in names(plain)
        )


def claims(text: str) -> frozenset[str]:
    """What a text asserts that can be checked, each in one canonical form."""
    folded = _folded(text)
    found: set[str] = set()
    for email in _EMAIL.findall(folded):
        found.add(f"email:{email.rstrip('.')}")
    rest = _EMAIL.sub(" ", folded)
    for address in _ADDRESS.findall(rest):
        found.add(f"address:{_address(address)}")
    rest = _ADDRESS.sub(" ", rest)
    for date in _DATE.finditer(rest):
        found.add(f"date:{_date(date)}")
    found.update(f"price:{_amount(a or b)}" for a, b in _PRICE.findall(rest))
    found.update(f"percent:{_amount(value)}" for value in _PERCENT.findall(rest))
    found.update(f"hour:{_hour(match)}" for match in _HOUR.finditer(rest))
    for phone in _PHONE.findall(_DATE.sub(" ", rest)):
        found.add(f"phone:{_phone(phone)}")
    return frozenset(found)


def names(text: str) -> list[str]:
    """Words written as proper names, elsewhere than at the start of a sentence, folded."""
    return [
        word
        for match in _NAME.finditer(text)
        if (word := _folded(match.group(1)).strip("'-")) not in _ALWAYS_KNOWN and len(word) > 2
    ]


def _numbers(sentence: str) -> list[int]:
    return [int(n) for group in _CITATION.findall(sentence) for n in re.findall(r"\d+", group)]


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize(
        "NFKD", text.casefold().replace("’", "'").replace("€", " € ")
    )
    return "".join(c for c in decomposed if not unicodedata.combining(c))


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
