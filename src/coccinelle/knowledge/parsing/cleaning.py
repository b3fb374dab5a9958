"""Bytes to text, and text to visible text."""

from __future__ import annotations

import codecs
import re
import unicodedata

# Characters that carry nothing a reader sees: controls, zero-width, soft hyphen, bidirectional
# controls, variation selectors, tags, byte-order marks, non-characters and lone surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe"
    "\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FRENCH = frozenset("éèàçêùôîâûïëüœæÉÈÀÇÊÔÎÂÛŒÙ")
_USUAL = frozenset("€’‘“”«»–—…°²³ñöäóíáßÖÄÜÑ\u00a0•·×™©®½¼")
_SINGLE_BYTE = ("cp1252", "mac_roman", "cp850")
_SAMPLE_BYTES = 200_000


def decode(data: bytes) -> str:
    """The text of `data`, whatever its encoding: never fails, French encodings first."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace")
    if utf16 := utf16_without_bom(data):
        return data.decode(utf16, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(data)


def utf16_without_bom(data: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` when every other byte of mostly Latin text is zero."""
    sample = data[:4_000]
    if len(sample) < 4 or len(data) % 2:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > len(sample) * 0.35 and even == 0:
        return "utf-16-le"
    if even > len(sample) * 0.35 and odd == 0:
        return "utf-16-be"
    return None


def clean(text: str) -> str:
    """NFC text of visible characters, with single spaces and at most one blank line in a row."""
    lines = visible(text).split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join(_SPACES.sub(" ", line).strip() for line in lines))


def visible(text: str) -> str:
    """`text` in NFC without invisible characters; spaces and columns are kept."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    unified = unified.replace("\x0c", "\n").replace("\x0b", "\n").replace("\u2029", "\n\n")
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", unified)).replace("\u00a0", " ")


def one_line(text: str) -> str:
    """`clean` text on a single line."""
    return " ".join(clean(text).split())


def _decode_legacy(data: bytes) -> str:
    sample = data[:_SAMPLE_BYTES]
    scores = {encoding: _frenchness(sample, encoding) for encoding in _SINGLE_BYTE}
    best = max(_SINGLE_BYTE, key=lambda encoding: scores[encoding])
    if scores[best] < 0 and (guess := _guessed(sample)):
        return data.decode(guess, "replace")
    return data.decode(best, "replace")


def _frenchness(sample: bytes, encoding: str) -> int:
    """Accented letters of French beside other letters and prices count for, odd ones against."""
    text = sample.decode(encoding, "replace")
    score = 0
    for before, char in zip(" " + text, text, strict=False):
        if char.isascii():
            continue
        if char in _FRENCH:
            # "VidangÈ" is a wrong encoding: capitals with accents start words or follow capitals.
            score += -2 if char.isupper() and before.islower() else 2
        else:
            score += 3 if char == "€" and (before.isdigit() or before == " ") else 0
            score -= 0 if char in _USUAL else 3
    return score


def _guessed(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes  # noqa: PLC0415 (loaded when nothing else serves)

    best = from_bytes(sample[:20_000]).best()
    return best.encoding if best else None
