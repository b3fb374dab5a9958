"""Templates and the files that pages load."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from coccinelle.dashboard import quantities
from coccinelle.dashboard.translation import translations
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.i18n import Locale

STATIC = resources.files("coccinelle.dashboard") / "static"
STATIC_PATH = "/dashboard/static"
FILES = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "insights.js": "text/javascript; charset=utf-8",
    "vendor/htmx.min.js": "text/javascript; charset=utf-8",
    "vendor/uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "vendor/uPlot.min.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
SHORT = "public, max-age=300"
FOR_EVER = "public, max-age=31536000, immutable"

_BOLD = re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*")

# In this order: most programs also say that they are some of the later ones.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class Asset:
    """A file as it is sent: `digest` is the first 16 hex digits of its SHA-256."""

    content: bytes
    digest: str
    media_type: str


@cache
def environment(locale: Locale) -> Environment:
    """The templates in a language: everything is escaped, and a name that nobody gave is an error.

    Beside what a page gives them they have `_` and `ngettext`, `lang`, `asset`, `when` and those
    of `quantities`.
    """
    made = Environment(
        loader=PackageLoader("coccinelle.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    spoken = translations(locale)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        spoken.gettext, spoken.ngettext, newstyle=True
    )
    made.globals.update(lang=locale, asset=asset)
    made.filters.update(quantities.filters(locale), when=_when(locale), device=device, prose=prose)
    return made


def asset(name: str) -> str:
    """The address of a file, which changes when the file does."""
    return f"{STATIC_PATH}/{name}?v={assets()[name].digest}"


@cache
def assets() -> Mapping[str, Asset]:
    """Every file that pages load, by name."""
    found = {}
    for name, media_type in FILES.items():
        content = STATIC.joinpath(name).read_bytes()
        found[name] = Asset(content, hashlib.sha256(content).hexdigest()[:16], media_type)
    return found


def device(user_agent: str) -> str:
    """What a program says of itself, in the two words by which people know their devices."""
    names = [
        next((name for mark, name in marks if mark in user_agent), "")
        for marks in (_BROWSERS, _SYSTEMS)
    ]
    return " · ".join(filter(None, names)) or user_agent[:60] or "–"


def prose(text: str) -> Markup:
    """What an assistant says, with what it makes bold; any other mark stays as it was written."""
    bold = Markup("<strong>{}</strong>")
    parts = enumerate(_BOLD.split(text))
    return Markup("").join(bold.format(part) if place % 2 else part for place, part in parts)


def static_routes() -> APIRouter:
    """The files, for anybody: they are the same for every business."""
    router = APIRouter(include_in_schema=False)

    async def file(request: Request, name: str) -> Response:
        found = assets().get(name)
        if found is None:
            raise NotFound
        is_current = request.query_params.get("v") == found.digest
        headers = {"Cache-Control": FOR_EVER if is_current else SHORT}
        return Response(found.content, headers=headers, media_type=found.media_type)

    router.add_api_route(STATIC_PATH + "/{name:path}", file, methods=["GET"])
    return router


def _when(locale: Locale) -> object:
    """A filter: an instant as people read it, in a zone."""

    def when(instant: datetime, zone: str = "Europe/Paris") -> str:
        pattern = "d MMMM y 'à' HH:mm" if locale == "fr" else "d MMMM y 'at' HH:mm"
        return format_datetime(instant, pattern, tzinfo=ZoneInfo(zone), locale=locale)

    return when
