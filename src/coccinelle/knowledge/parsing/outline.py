"""Collects a document's headings, paragraphs and tables into sections, in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from coccinelle.knowledge.parsing.cleaning import clean, one_line
from coccinelle.knowledge.parsing.model import Parsed, Section, bare_heading, is_question
from coccinelle.knowledge.parsing.tables import table_sections

_QUESTION_LINE = re.compile(r"\s*(?:q|question)\s*\d*\s*[:.)–-]+\s+(?P<text>\S.*)", re.I)
_ANSWER_LINE = re.compile(
    r"\s*(?:r|a|réponse|reponse|answer)\s*\d*\s*[:.)–-]+\s+(?P<text>\S.*)", re.I
)
_MEANINGLESS_TITLE = re.compile(
    r"(microsoft (word|excel|powerpoint) - .*|document\s*\d*|sans[ -]titre.*|untitled.*|feuil\d+"
    r"|sheet\d+|classeur\d*|présentation\d*|.*\.(docx?|xlsx?|pdf|odt|indd|pages))",
    re.IGNORECASE,
)
_LONGEST_TITLE_CHARS = 200
_LONGEST_LONE_QUESTION_CHARS = 180
_LONGEST_CELL_CHARS = 1_500


class Outline:
    """What a parser fills while it walks its document, from top to bottom."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._headings: list[tuple[int, str]] = []
        self._paragraphs: list[str] = []
        self._tops: list[str] = []
        self._top_level = 99
        self._began_with_heading: bool | None = None
        self._is_bare = False

    def heading(self, level: int, text: str) -> None:
        """A heading; 1 is the outermost level."""
        title = one_line(text)
        if not title:
            return
        self._flush()
        self._leave(level)
        if self._began_with_heading is None:
            self._began_with_heading = True
        if level < self._top_level:
            self._top_level, self._tops = level, []
        if level == self._top_level:
            self._tops.append(title)
        self._headings.append((level, title))
        self._is_bare = True

    def leave(self, level: int) -> None:
        """End what headings of `level` and below began."""
        self._flush()
        self._leave(level)

    def paragraph(self, text: str) -> None:
        """A paragraph, a list, or any text that belongs together; lines are kept."""
        if cleaned := clean(text).strip():
            self._paragraphs.append(cleaned)
            self._is_bare = False
            self._began_with_heading = self._began_with_heading or False

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A table as a grid; one that only arranges text on a page becomes paragraphs."""
        if _only_arranges(rows):
            for row in rows:
                for cell in dict.fromkeys(row):
                    self.paragraph(cell)
            return
        self._flush()
        self._began_with_heading = self._began_with_heading or False
        self._sections += table_sections(rows, self._path())
        self._is_bare = False

    def done(self, *titles: str | None, filename: str) -> Parsed:
        """The document; its title is the first of `titles` that means something.

        Failing that, the only outermost heading, and failing that, the file's name.
        """
        self._flush()
        self._leave(0)
        only = self._tops[0] if len(self._tops) == 1 and self._began_with_heading else None
        candidates = (one_line(title or "")[:_LONGEST_TITLE_CHARS] for title in (*titles, only))
        meaningful = (t for t in candidates if t and not _MEANINGLESS_TITLE.fullmatch(t))
        title = next(meaningful, "") or title_from_name(filename)
        drop = {title, only} if only else {title}
        return Parsed(title, tuple(_without_outermost(s, drop) for s in self._sections))

    def only_top(self) -> str | None:
        """The outermost heading, if there is just one."""
        return self._tops[0] if len(self._tops) == 1 else None

    def _leave(self, level: int) -> None:
        """Drop the headings of `level` and below; one that nothing followed is kept as text."""
        if self._is_bare and self._headings and self._headings[-1][0] >= level:
            *above, (_, text) = self._headings
            self._sections.append(Section(tuple(title for _, title in above), "text", text))
            self._is_bare = False
        self._headings = [kept for kept in self._headings if kept[0] < level]

    def _path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._headings)

    def _flush(self) -> None:
        paragraphs, self._paragraphs = self._paragraphs, []
        path = self._path()
        if not paragraphs:
            return
        question = bare_heading(path[-1]) if path and is_question(path[-1]) else None
        for asked, kind_is_qa, texts in _by_question(paragraphs):
            text = "\n\n".join(texts)
            if asked is None:
                self._sections.append(Section(path, "text", text, question))
            elif kind_is_qa:
                self._sections.append(Section(path, "qa", text, asked))
            else:
                self._sections.append(Section((*path, asked), "text", text, bare_heading(asked)))


def title_from_name(filename: str) -> str:
    """A readable title from a file's name: "tarifs_2025.pdf" is "Tarifs 2025"."""
    stem = PurePosixPath(filename.replace("\\", "/")).stem
    words = one_line(re.sub(r"[_\-+]+|%20", " ", stem))
    return (words[:1].upper() + words[1:])[:_LONGEST_TITLE_CHARS] or "Document"


def _only_arranges(rows: Sequence[Sequence[str]]) -> bool:
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if len(filled) < 2 or max(len({*row} - {""}) for row in filled) < 2:
        return True
    longest = sorted(max(len(cell) for cell in row) for row in filled)
    return longest[len(longest) // 2] > _LONGEST_CELL_CHARS


def _without_outermost(section: Section, titles: set[str]) -> Section:
    path = section.heading_path
    if not path or path[0] not in titles:
        return section
    return Section(path[1:], section.kind, section.text, section.question)


def _by_question(paragraphs: list[str]) -> Iterator[tuple[str | None, bool, list[str]]]:
    """Runs of paragraphs: (the question that they answer, marked as question and answer, texts)."""
    asked: str | None = None
    marked = False
    texts: list[str] = []
    for paragraph, following in zip(
        *_with_next(list(_separate_questions(paragraphs))), strict=True
    ):
        found = _question_in(paragraph, following)
        if found is None:
            texts.append(paragraph)
            continue
        if texts:
            yield asked, marked, _without_marks(texts) if marked else texts
        asked, marked = found
        texts = []
    if texts:
        yield asked, marked, _without_marks(texts) if marked else texts


def _with_next(paragraphs: list[str]) -> tuple[list[str], list[str]]:
    return paragraphs, [*paragraphs[1:], ""]


def _separate_questions(paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs, with "Q : ..." and "R : ..." lines of one paragraph taken apart."""
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        marks = [bool(_QUESTION_LINE.match(line) or _ANSWER_LINE.match(line)) for line in lines]
        if not any(_QUESTION_LINE.match(line) for line in lines):
            yield paragraph
            continue
        current: list[str] = []
        for line, begins in zip(lines, marks, strict=True):
            if begins and current:
                yield "\n".join(current)
                current = []
            current.append(line)
        yield "\n".join(current)


def _question_in(paragraph: str, following: str) -> tuple[str, bool] | None:
    """The question that a paragraph is, and whether it and its answer are marked as such."""
    if not following or "\n" in paragraph:
        return None
    if (found := _QUESTION_LINE.fullmatch(paragraph)) and _ANSWER_LINE.match(following):
        return found["text"].strip(), True
    lone = len(paragraph) <= _LONGEST_LONE_QUESTION_CHARS and paragraph.endswith("?")
    if lone and not paragraph.startswith(("-", "•", "*")) and not following.endswith("?"):
        return paragraph, False
    return None


def _without_marks(texts: list[str]) -> list[str]:
    found = re.match(_ANSWER_LINE, texts[0])
    return [texts[0][found.start("text") :], *texts[1:]] if found else texts
