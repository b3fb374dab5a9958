"""A grid of cells to one section a row, each with its headers, so that no price loses its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from coccinelle.knowledge.parsing.cleaning import clean, one_line
from coccinelle.knowledge.parsing.model import Section

Row = tuple[str, ...]

_VALUE = re.compile(
    r"""[\W_]*(?:
        \d[\d\s.,:/’'()h%€$£+*x×–-]*            # a number, a date, a time, a telephone number
        (?:eur(?:os?)?|€|chf|ttc|ht|kg|g|km|m²|m2|cm|mm|ml|cl|l|min(?:utes?)?|h|heures?|jours?|j
           |mois|ans?|pers(?:onnes?)?|/|\s|%|-|–|à|[\d.,:])*
        | \S+@\S+\.\S+ | https?://\S+ | (?:oui|non|x|✓|✔|sur\ devis|gratuit|offert|inclus|fermé)
    )[\W_]*""",
    re.IGNORECASE | re.VERBOSE,
)
_QUESTIONS = frozenset(
    ("q", "question", "questions", "question posee", "questions frequentes", "faq", "demande")
)
_ANSWERS = frozenset(("r", "a", "reponse", "reponses", "reponse type", "answer", "answers"))
_THEMES = frozenset(("theme", "categorie", "rubrique", "sujet", "category", "topic", "section"))
_KEYS = frozenset(
    (
        *("nom", "adresse", "telephone", "tel", "email", "e mail", "mail", "courriel", "site"),
        *("site web", "horaires", "siret", "siren", "ville", "code postal", "raison sociale"),
        *("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche", "monday"),
        *("janvier", "fevrier", "mars", "avril", "mai", "juin", "juillet", "aout", "septembre"),
        *("octobre", "novembre", "decembre"),
    )
)
_LONGEST_LABEL_CHARS = 80
_LONGEST_CATEGORY_CHARS = 60
_ROWS_LOOKED_AT = 30


@dataclass
class _Reader:
    """Where we are in a sheet: under which category, below which header."""

    path: tuple[str, ...]
    header: Row | None = None
    category: tuple[str, ...] = ()
    above: Row = ()
    sections: list[Section] = field(default_factory=list)


def table_sections(rows: Sequence[Sequence[str]], path: tuple[str, ...]) -> list[Section]:
    """One section a row of the table, or of each table in the grid, in order.

    Titles above a header and notes below a table become text; a line with a single short cell
    becomes the heading of the rows below it; an empty first cell takes the value above it; a table
    of questions and answers gives `qa` sections. Cells that span are given to each place.
    """
    grid = _without_empty_columns([tuple(clean(cell).strip() for cell in row) for row in rows])
    reader = _Reader(path)
    index, first_of_block = 0, True
    while index < len(grid):
        row = grid[index]
        if not any(row):
            first_of_block, index = True, index + 1
            continue
        if first_of_block and (taken := _take_header(reader, grid, index)):
            index, first_of_block = index + taken, False
            continue
        if _is_lone(row):
            _take_lone(reader, row, grid, index)
            first_of_block = True
        elif row != reader.header:
            _take_row(reader, row)
            first_of_block = False
        index += 1
    return reader.sections


def _without_empty_columns(rows: list[Row]) -> list[Row]:
    width = max(map(len, rows), default=0)
    padded = [row + ("",) * (width - len(row)) for row in rows]
    kept = [column for column in range(width) if any(row[column] for row in padded)]
    return [tuple(row[column] for column in kept) for row in padded]


def _is_lone(row: Row) -> bool:
    """One value, possibly spread over merged cells."""
    return len({cell for cell in row if cell}) == 1


def _filled(row: Row) -> int:
    return sum(map(bool, row))


def _take_header(reader: _Reader, grid: list[Row], index: int) -> int:
    """How many rows at `index` are the header of what follows, after having noted it."""
    row = grid[index]
    body = list(islice(_block(grid, index + 1), _ROWS_LOOKED_AT))
    body = [other for other in body if other != row]  # A header may come again on each page.
    has_second = len(body) > 1 and _is_second_header(row, body[0])
    if not _is_header(row, body[has_second:], has_one=reader.header is not None):
        return 0
    reader.above, reader.category = (), reader.category if _under_category(grid, index) else ()
    reader.header = _joined(row, body[0]) if has_second else row
    return 1 + has_second


def _under_category(grid: list[Row], index: int) -> bool:
    return index > 0 and _filled(grid[index - 1]) > 0


def _block(grid: list[Row], start: int) -> Iterator[Row]:
    """The rows from `start` to the next empty one, without those that hold a single value."""
    for row in islice(grid, start, None):
        if not any(row):
            return
        if not _is_lone(row):
            yield row


def _is_header(row: Row, body: list[Row], *, has_one: bool) -> bool:
    if not body or _is_lone(row) or not all(_is_label(cell) for cell in row if cell):
        return False
    if _filled(row) < max(2, max(map(_filled, body)) / 2):
        return False
    if _is_question_header(row):
        return True
    if _name(row[0]) in _KEYS and any(_name(other[0]) in _KEYS for other in body):
        return False  # A list of facts: "Nom : ...", "Adresse : ...".
    if any(row[0] and row[0] == other[0] for other in body) or row[0].endswith(":"):
        return False
    if has_one or len(row) == 2:
        return _columns_agree(row, body, strictly=has_one)
    return True


def _columns_agree(row: Row, body: list[Row], *, strictly: bool) -> bool:
    """Whether the columns under the labels hold one sort of thing each, unlike a list of facts."""
    shares = [_share_of_values([other[column] for other in body]) for column in range(len(row))]
    has_values = any(share >= 0.6 for share in shares)
    return has_values or (not strictly and max(shares[1:]) <= 0.1)


def _share_of_values(cells: list[str]) -> float:
    filled = [cell for cell in cells if cell]
    return sum(_is_value(cell) for cell in filled) / len(filled) if filled else 0.0


def _is_label(cell: str) -> bool:
    short = len(cell) <= _LONGEST_LABEL_CHARS and not cell.endswith((".", ","))
    return short and not cell[0].isdigit() and not _is_value(cell)


def _is_value(cell: str) -> bool:
    return len(cell) <= _LONGEST_LABEL_CHARS and _VALUE.fullmatch(cell) is not None


def _is_second_header(first: Row, second: Row) -> bool:
    """A second line of labels below a label that spans columns: "Prix" above "HT" and "TTC"."""
    spans = any(a == b for a, b in pairwise(first) if a) or "" in first[1:]
    labels = [cell for cell in second if cell]
    if not (spans and all(_is_label(cell) for cell in labels)):
        return False
    new = [cell for cell, above in zip(second, first, strict=True) if cell and cell != above]
    leaves_gaps = any(not cell or cell == first[at] for at, cell in enumerate(second))
    return bool(new) and leaves_gaps and len({*new}) >= 2


def _joined(first: Row, second: Row) -> Row:
    labels, spanning = [], ""
    for above, below in zip(first, second, strict=True):
        spanning = above or (spanning if below else "")
        labels.append(spanning if below in ("", spanning) else f"{spanning} {below}".strip())
    return tuple(labels)


def _take_lone(reader: _Reader, row: Row, grid: list[Row], index: int) -> None:
    """A title, a category or a note: a line that holds a single value."""
    text = next(cell for cell in row if cell)
    follower = grid[index + 1] if index + 1 < len(grid) else ()
    short = len(text) <= _LONGEST_CATEGORY_CHARS and not text.endswith(".") and "\n" not in text
    if reader.header and short and row[0] and any(follower) and not _is_value(text):
        reader.category, reader.above = (one_line(text),), ()
    else:
        reader.sections.append(Section((*reader.path, *reader.category), "text", text))


def _take_row(reader: _Reader, row: Row) -> None:
    path = (*reader.path, *reader.category)
    if reader.header is None:
        reader.sections.append(Section(path, "table_row", _unlabelled(row)))
        return
    row = _with_value_above(row, reader.above)
    reader.above = row
    if _is_question_header(reader.header) and (section := _answer(reader.header, row, path)):
        reader.sections.append(section)
    else:
        reader.sections.append(Section(path, "table_row", _labelled(reader.header, row)))


def _with_value_above(row: Row, above: Row) -> Row:
    """An empty first cell before a second label belongs to the group that began above."""
    if row[0] or not above or len(row) < 3 or not row[1] or _is_value(row[1]):
        return row
    return (above[0], *row[1:])


def _labelled(header: Row, row: Row) -> str:
    parts = []
    for label, cell in zip(header, row, strict=True):
        value, name = one_line(cell), one_line(label).rstrip(" :")
        if value:
            parts.append(f"{name} : {value}" if name else value)
    return " ; ".join(parts)


def _unlabelled(row: Row) -> str:
    cells = [one_line(cell) for cell in row if cell]
    if len(cells) == 2 and not _is_value(cells[0]):
        return f"{cells[0].rstrip(' :')} : {cells[1]}"
    return " ; ".join(cells)


def _is_question_header(header: Row) -> bool:
    names = {_name(cell) for cell in header}
    return bool(names & _QUESTIONS) and bool(names & _ANSWERS)


def _answer(header: Row, row: Row, path: tuple[str, ...]) -> Section | None:
    """A row of a table of questions and answers; none if either is missing."""
    question, answer, themes, others = "", "", [], []
    for label, cell in zip(header, row, strict=True):
        name = _name(label)
        if name in _QUESTIONS and not question:
            question = one_line(cell)
        elif name in _ANSWERS and not answer:
            answer = cell
        elif name in _THEMES and cell:
            themes.append(one_line(cell))
        elif cell:
            others.append(f"{one_line(label)} : {one_line(cell)}")
    if not question or not answer:
        return None
    return Section((*path, *themes), "qa", "\n".join([answer, *others]), question)


def _name(label: str) -> str:
    """A label for comparing: lower case, without accents, numbers and punctuation."""
    plain = unicodedata.normalize("NFD", label).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z]+", plain))
