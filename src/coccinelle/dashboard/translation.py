"""What pages say, in the reader's language: French is written in the templates, English beside it.

The catalogue is read as it is reviewed (`.po`), once, so that there is nothing to compile.
"""

from __future__ import annotations

import re
from functools import cache
from gettext import NullTranslations
from importlib import resources

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from starlette.requests import Request

from coccinelle.foundation import i18n
from coccinelle.foundation.i18n import LOCALES, Locale

COOKIE = "lang"
_BREAKABLE = re.compile(r" (?=[?!:;»]|%%)|(?<=«) ")
CATALOGUE = resources.files("coccinelle.dashboard") / "locale/en/LC_MESSAGES/dashboard.po"


def language_of(request: Request) -> Locale:
    """The language that the reader chose in the footer, else the one that her browser prefers."""
    chosen = request.cookies.get(COOKIE)
    for locale in LOCALES:
        if locale == chosen:
            return locale
    return i18n.locale_of(request.headers.get("accept-language"))


@cache
def translations(locale: Locale) -> NullTranslations:
    """What turns the French of templates into `locale`."""
    return French() if locale == "fr" else English(catalogue())


def catalogue() -> Catalog:
    """English by French, as it is written in the package."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


class French(NullTranslations):
    """The texts as they are written, with the spaces that a line is not broken at.

    None and one are singular.
    """

    def gettext(self, message: str) -> str:
        """A text."""
        return _BREAKABLE.sub("\u00a0", message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The one of two texts that goes with a number."""
        return self.gettext(msgid1 if n < 2 else msgid2)


class English(NullTranslations):
    """The texts of a catalogue; French where it has none, which a test forbids."""

    def __init__(self, known: Catalog) -> None:
        super().__init__()
        self._one: dict[str, str] = {}
        self._several: dict[str, tuple[str, ...]] = {}
        for message in known:
            if not message.id:
                continue
            if isinstance(message.id, str):
                self._one[message.id] = str(message.string)
            else:
                self._several[message.id[0]] = tuple(message.string or message.id)

    def gettext(self, message: str) -> str:
        """A text."""
        return self._one.get(message) or message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The one of two texts that goes with a number."""
        several = self._several.get(msgid1, (msgid1, msgid2))
        return several[0 if n == 1 else 1]
