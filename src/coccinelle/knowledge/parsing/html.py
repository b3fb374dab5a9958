"""Web pages: what a visitor reads, without navigation, banners and whatever is hidden."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import lxml.html
from lxml import etree

from coccinelle.knowledge.parsing.cleaning import clean, decode, one_line, visible
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits, is_question
from coccinelle.knowledge.parsing.outline import Outline

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{3,20})", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_NEVER_SEEN = (
    *("script", "style", "template", "noscript", "svg", "iframe", "object", "canvas", "head"),
    *("select", "datalist", "audio", "video", "math", "input", "textarea"),
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|font-size\s*:\s*0(?![.\d]*[1-9])"
    r"|opacity\s*:\s*0(?![.\d]*[1-9])|(left|top|text-indent)\s*:\s*-\d{3,}"
    r"|(^|;)\s*(max-)?(width|height)\s*:\s*[01](px)?\s*(;|$)|clip\s*:\s*rect\(\s*0",
    re.IGNORECASE,
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_CSS_NESTED = re.compile(r"@[^{}]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_CSS_SIMPLE = re.compile(r"[.#][\w-]+")
_AROUND_TAGS = ("nav", "footer", "aside", "dialog")
_AROUND_ROLES = frozenset(
    ("navigation", "banner", "contentinfo", "dialog", "alertdialog", "search")
)
_AROUND_NAME = re.compile(
    r"cookie|consent|gdpr|rgpd|newsletter|breadcrumb|fil-d?-?ariane|sidebar|social|share|popup"
    r"|modal|(^|[\s_-])(menu|nav|navbar|footer)([\s_-]|$)",
    re.IGNORECASE,
)
_BLOCKS = frozenset(
    (
        *("p", "div", "section", "article", "main", "body", "header", "footer", "aside", "nav"),
        *("ul", "ol", "dl", "dd", "blockquote", "pre", "figure", "figcaption", "address", "form"),
        *("fieldset", "details", "table", "tr", "caption", "hr", "center", "td", "th"),
    )
)
_ENTRY_LEVEL = 7
_ENTRIES = ("details", "dl")
_LARGEST_FOR_EXTRACTION_CHARS = 1_500_000
_LEAST_SHARE_FOUND = 0.4
_MOST_SHARE_AROUND = 0.4
_MOST_SPAN = 100
_MOST_COLUMNS = 256

Keep = Callable[[str], bool]


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """Headings, paragraphs, lists and tables of the page's main part, in order.

    A paragraph is kept if trafilatura finds it to be content; if that finds too little, all that
    is not navigation, footer or banner is kept; and if even this is nothing, the whole body.

    Raises:
        ParseFailed: `file_too_complex` for more than `limits.markup_bytes`.
    """
    if len(data) > limits.markup_bytes:
        raise ParseFailed("file_too_complex")
    page = _page(_decoded(data))
    titles = _titles(page)
    _drop_hidden(page)
    whole = deepcopy(page)
    _drop_around(page)
    parsed = _outlined(page, titles, _keep(page), filename)
    return parsed if parsed.sections else _outlined(whole, titles, lambda _: True, filename)


def _decoded(data: bytes) -> str:
    declared = _META_CHARSET.search(data[:4_096])
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = declared[1].decode().lower()
        name = "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii", "ascii") else name
        try:
            return data.decode(codecs.lookup(name).name)
        except (LookupError, UnicodeError):
            pass
    return decode(data)


def _page(text: str) -> Any:
    parser = lxml.html.HTMLParser(
        remove_comments=True, remove_pis=True, huge_tree=False, no_network=True
    )
    page = lxml.html.document_fromstring(_XML_DECLARATION.sub("", visible(text)), parser=parser)
    if page is None:
        raise ParseFailed("no_text")
    return page


def _titles(page: Any) -> tuple[str, ...]:
    """The only first-level heading, else what the page calls itself, without the site's name."""
    headings = [one_line(h1.text_content()) for h1 in page.iter("h1")]
    own = one_line(page.findtext(".//title") or "")
    shared = [*page.xpath("//meta[@property='og:title']/@content"), ""][0]
    return (headings[0] if len(headings) == 1 else "", re.split(r" [|–—·] ", own)[0], shared)


def _drop_hidden(page: Any) -> None:
    selectors = _hiding_selectors(page)
    for element in list(page.iter(etree.Element)):
        if element.tag in _NEVER_SEEN or _is_hidden(element, selectors):
            _drop(element)


def _hiding_selectors(page: Any) -> frozenset[str]:
    """Classes and ids that the page's own style sheets hide at any width."""
    found: set[str] = set()
    for style in page.iter("style"):
        css = _CSS_NESTED.sub("", _CSS_COMMENT.sub("", (style.text or "")[:50_000]))
        for selectors, declarations in _CSS_RULE.findall(css):
            if _HIDDEN_STYLE.search(declarations):
                found |= {
                    s.strip() for s in selectors.split(",") if _CSS_SIMPLE.fullmatch(s.strip())
                }
    return frozenset(found)


def _is_hidden(element: Any, selectors: frozenset[str]) -> bool:
    if element.tag in ("html", "body"):
        return False
    attributes = element.attrib
    if "hidden" in attributes or _HIDDEN_STYLE.search(attributes.get("style", "")):
        return True
    if not selectors:
        return False
    names = {f".{name}" for name in attributes.get("class", "").split()}
    return bool(selectors & {*names, f"#{attributes.get('id', '')}"})


def _drop(element: Any) -> None:
    """Remove an element and what it holds; the text after it stays."""
    if element.getparent() is not None:
        element.drop_tree()


def _drop_around(page: Any) -> None:
    """Remove navigation, footers and banners, unless that is most of the page."""
    most = len(page.text_content()) * _MOST_SHARE_AROUND
    for element in list(page.iter(etree.Element)):
        if _is_around(element) and len(element.text_content()) <= max(most, 1):
            _drop(element)


def _is_around(element: Any) -> bool:
    tag, attributes = element.tag, element.attrib
    if tag in ("html", "body", "main", "article", "h1", "h2", "h3", "table", "tr", "td"):
        return False
    if tag in _AROUND_TAGS or attributes.get("role") in _AROUND_ROLES:
        return True
    if tag == "header" and element.find(".//h1") is None and element.find(".//p") is None:
        return True
    return (
        _AROUND_NAME.search(f"{attributes.get('id', '')} {attributes.get('class', '')}") is not None
    )


def _keep(page: Any) -> Keep:
    """Whether a paragraph belongs to the page's main text; tables are not asked about."""
    prose = deepcopy(page)
    for table in list(prose.iter("table")):
        if _is_data(table):
            _drop(table)
    text = prose.text_content()
    if len(text) > _LARGEST_FOR_EXTRACTION_CHARS:
        return lambda _: True
    from trafilatura import extract  # noqa: PLC0415 (slow to load, of no use for a large page)

    found = _letters(
        extract(prose, favor_recall=True, include_comments=False, include_tables=True) or ""
    )
    if len(found) < len(_letters(text)) * _LEAST_SHARE_FOUND:
        return lambda _: True
    return lambda paragraph: _letters(paragraph) in found


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _outlined(page: Any, titles: tuple[str, ...], keep: Keep, filename: str) -> Parsed:
    outline = Outline()
    _Walk(outline, keep).run(page)
    return outline.done(*titles, filename=filename)


class _Walk:
    """One pass over a page that feeds an outline."""

    def __init__(self, outline: Outline, keep: Keep) -> None:
        self._outline = outline
        self._keep = keep
        self._text: list[str] = []
        self._lists = 0
        self._entries = 0  # Depth within lists of terms and parts that unfold: always content.

    def run(self, page: Any) -> None:
        walker = etree.iterwalk(page, events=("start", "end"))
        for event, element in walker:
            if event == "start":
                if self._enter(element):
                    walker.skip_subtree()
            else:
                self._leave(element)
                self._text.append(element.tail or "")
        self._end_paragraph()

    def _enter(self, element: Any) -> bool:
        """Take an element as a whole (True), or begin it."""
        tag = element.tag
        if level := _heading_level(element):
            self._end_paragraph()
            self._outline.heading(level, element.text_content())
            return True
        if tag == "table" and _is_data(element):
            self._end_paragraph()
            self._outline.table(_grid(element))
            return True
        self._entries += tag in _ENTRIES
        if tag == "br":
            self._text.append("\n")
        elif tag == "li":
            self._text.append("\n- ")
        elif tag in ("ul", "ol"):
            self._begin_list()
        elif tag in _BLOCKS:
            self._break()
        self._text.append(_flat(element.text) if tag != "pre" else element.text or "")
        return False

    def _leave(self, element: Any) -> None:
        if element.tag in ("ul", "ol"):
            self._lists -= 1
        if element.tag in _ENTRIES:
            self._end_paragraph()
            self._entries -= 1
            self._outline.leave(_ENTRY_LEVEL)
        elif element.tag in _BLOCKS:
            self._break()
        if element.tail:
            element.tail = _flat(element.tail)

    def _begin_list(self) -> None:
        if self._lists == 0 and "".join(self._text).strip():
            self._end_paragraph()
        self._lists += 1

    def _break(self) -> None:
        if self._lists:
            self._text.append("\n")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        lines = clean("".join(self._text)).split("\n")
        self._text.clear()
        text = re.sub(r"^-\n+", "- ", "\n".join(line for line in lines if line), flags=re.M)
        if text and text != "-" and (self._entries or self._keep(text)):
            self._outline.paragraph(text)


def _flat(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _heading_level(element: Any) -> int:
    tag = element.tag
    if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
        return int(tag[1])
    if tag in ("dt", "summary"):
        return _ENTRY_LEVEL
    if tag == "button" and is_question(one_line(element.text_content())):
        return _ENTRY_LEVEL
    return 0


def _is_data(table: Any) -> bool:
    """Whether a table holds data, rather than the page's layout."""
    if table.get("role") == "presentation" or table.find(".//table") is not None:
        return False
    return all(table.find(f".//{tag}") is None for tag in ("h1", "h2", "h3"))


def _grid(table: Any) -> list[list[str]]:
    """The cells by row and column, those that span given to each place (HTML standard, 4.9.12)."""
    grid: list[list[str]] = []
    pending: dict[int, tuple[int, str]] = {}
    caption = table.find(".//caption")
    if caption is not None:
        grid.append([one_line(caption.text_content())])
    for row in table.iter("tr"):
        cells: list[str] = []
        for cell in row.iterchildren("td", "th"):
            _take_pending(cells, pending)
            if len(cells) > _MOST_COLUMNS:
                break
            text = _cell_text(cell)
            columns, rows = _span(cell, "colspan"), _span(cell, "rowspan")
            for _ in range(columns):
                if rows > 1:
                    pending[len(cells)] = (rows - 1, text)
                cells.append(text)
        _take_pending(cells, pending)
        grid.append(cells)
    return grid


def _take_pending(cells: list[str], pending: dict[int, tuple[int, str]]) -> None:
    """Fill the places that cells of rows above reach down to."""
    while (column := len(cells)) in pending:
        rows, text = pending.pop(column)
        cells.append(text)
        if rows > 1:
            pending[column] = (rows - 1, text)


def _cell_text(cell: Any) -> str:
    for br in cell.iter("br", "p", "li", "div"):
        br.tail = "\n" + (br.tail or "")
    return clean(cell.text_content()).strip()


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(int(value), _MOST_SPAN) if value.isdigit() and int(value[:4]) > 0 else 1
