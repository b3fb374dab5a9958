"""Pictures of text: PNG and JPEG, read by PP-OCR models that are inside the rapidocr package."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from coccinelle.knowledge.parsing.cleaning import visible
from coccinelle.knowledge.parsing.layout import take_lines
from coccinelle.knowledge.parsing.limiting import make_room_for_models
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_LONGEST_SIDE_PIXELS = 2_000
# Of the picture that text is looked for in; its memory grows with the square (430 MB at 1088).
_DETECTION_SIDE_PIXELS = 1_056
_FORMATS = ("PNG", "JPEG")
_LEAST_CONFIDENCE = 0.5
_HEADING_RATIO = 1.45
_MOST_HEADING_CHARS = 100


@dataclass(frozen=True)
class Word:
    """A run of text in a picture, with its place in pixels."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        """In pixels."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Of its height."""
        return (self.top + self.bottom) / 2


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """The text of a picture, tables and headings where its layout shows them.

    Raises:
        ParseFailed: `image_too_large`, before anything is unpacked or for want of memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = None  # The check below is stricter.
        picture = Image.open(BytesIO(data), formats=_FORMATS)
    refuse_flood(*picture.size, limits)
    picture.draft("RGB", (_LONGEST_SIDE_PIXELS, _LONGEST_SIDE_PIXELS))
    try:
        small = ImageOps.exif_transpose(_reduced(picture))
    except MemoryError as error:
        raise ParseFailed("image_too_large", max_megapixels=limits.pixels // 2_000_000) from error
    outline = Outline()
    take_picture(outline, small, limits)
    return outline.done(filename=filename)


def refuse_flood(width: int, height: int, limits: ParseLimits) -> None:
    """Raise `image_too_large` for a picture of more pixels than the limit."""
    if width * height > limits.pixels:
        raise ParseFailed("image_too_large", max_megapixels=limits.pixels // 1_000_000)


def take_picture(outline: Outline, picture: Image.Image, limits: ParseLimits) -> None:
    """Read one picture into `outline`."""
    make_room_for_models(limits)
    words = _read(np.asarray(_on_white(_reduced(picture)))[:, :, ::-1])
    if words:
        text, heading_level = laid_out(words)
        take_lines(outline, text, heading_level)


def laid_out(words: list[Word]) -> tuple[str, Callable[[str], int]]:
    """Words as lines of text that keep their columns, and which lines are headings."""
    char_width = max(median((word.right - word.left) / len(word.text) for word in words), 1.0)
    usual_height = median(word.height for word in words)
    lines: list[str] = []
    headings: set[str] = set()
    above = 0.0
    for row in _rows(words):
        if lines and min(word.top for word in row) - above > usual_height * 0.9:
            lines.append("")
        above = max(word.bottom for word in row)
        line = _line(row, char_width)
        if min(word.height for word in row) > usual_height * _HEADING_RATIO and _may_head(line):
            headings.add(line)
        lines.append(line)
    return "\n".join(lines), lambda line: 2 if line in headings else 0


def _may_head(line: str) -> bool:
    return len(line) <= _MOST_HEADING_CHARS and sum(map(str.isalpha, line)) >= 3


def _rows(words: list[Word]) -> list[list[Word]]:
    """Words by line, from top to bottom, each line from left to right."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.middle):
        if rows and abs(rows[-1][-1].middle - word.middle) < 0.5 * min(
            rows[-1][-1].height, word.height
        ):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _line(row: list[Word], char_width: float) -> str:
    line, right = "", 0.0
    for word in row:
        gap = (word.left - right) / char_width
        column = int(word.left / char_width)
        if line:
            line += " " if gap < 2 else " " * max(3, column - len(line))
        line += word.text
        right = word.right
    return line


def _reduced(picture: Image.Image) -> Image.Image:
    """At most `_LONGEST_SIDE_PIXELS` on a side, with little memory beside the picture's own."""
    if picture.mode in ("P", "1", "I", "I;16", "F"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    if max(picture.size) > _LONGEST_SIDE_PIXELS:
        picture.thumbnail((_LONGEST_SIDE_PIXELS, _LONGEST_SIDE_PIXELS), reducing_gap=2.0)
    return picture


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGBA", "LA", "PA"):
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    return paper.convert("RGB")


def _read(pixels: Any) -> list[Word]:
    found = _engine()(np.ascontiguousarray(pixels))
    if found.txts is None or found.boxes is None:
        return []
    words = []
    for text, box, score in zip(found.txts, found.boxes, found.scores, strict=True):
        if (seen := visible(text).strip()) and score >= _LEAST_CONFIDENCE:
            left, top = box.min(axis=0)
            right, bottom = box.max(axis=0)
            words.append(Word(seen, float(left), float(right), float(top), float(bottom)))
    return words


@cache
def _engine() -> Any:
    """The models by their paths: without these, rapidocr would look for them on the network."""
    import rapidocr  # noqa: PLC0415 (300 ms and 60 MB, of no use to a PDF that has text)

    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.max_side_len": _LONGEST_SIDE_PIXELS,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTION_SIDE_PIXELS,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "Rec.rec_batch_num": 1,
            "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
        }
    )
