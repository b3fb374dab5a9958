"""The texts of the pages and their English: `python -m tests.dashboard.catalogue` brings the
catalogue up to date (new texts without a translation, those that nobody says any more left out).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from coccinelle.dashboard.translation import catalogue

DASHBOARD = Path("src/coccinelle/dashboard")
FILE = DASHBOARD / "locale/en/LC_MESSAGES/dashboard.po"
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}

HEADER = """# English of the pages; the French is in the templates.
msgid ""
msgstr ""
"Language: en\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""

Text = str | tuple[str, ...]


def said() -> Iterator[tuple[str, Text]]:
    """Every text of the pages that is to be translated, and the file that says it."""
    found = extract_from_dir(DASHBOARD, METHODS, OPTIONS, keywords=KEYWORDS)
    for file, _, text, _, _ in found:
        if text:
            yield file, tuple(text) if isinstance(text, list) else text


def renewed(known: Catalog) -> Catalog:
    """A catalogue of what is said today, in a steady order, with what is translated already."""
    fresh = Catalog(locale="en")
    for file, text in sorted(said(), key=str):
        key = text[0] if isinstance(text, tuple) else text
        before = known.get(key)
        string = before.string if before and before.id == text else None
        fresh.add(text, string, locations=[(file, None)])  # type: ignore[list-item]
    return fresh


def main() -> None:
    """Write the catalogue anew."""
    fresh = renewed(catalogue())
    with FILE.open("wb") as file:
        file.write(HEADER.encode())
        write_po(file, fresh, width=96, omit_header=True, include_lineno=False)


if __name__ == "__main__":
    main()
