"""What a page says of its business for machines: JSON-LD and microdata of schema.org, meta, links.

https://schema.org/LocalBusiness, https://schema.org/OpeningHoursSpecification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from coccinelle.knowledge.facts.hours import WEEKDAYS
from coccinelle.knowledge.parsing.cleaning import one_line

MAX_JSON_CHARS = 200_000
MAX_NODES = 2_000
MAX_FOOTER_LINES = 80
MAX_LINE_CHARS = 500
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NO_BUSINESS = frozenset(
    ("person", "website", "webpage", "breadcrumblist", "product", "article", "event", "review")
    + ("imageobject", "searchaction", "postaladdress", "offer", "faqpage", "question", "answer")
    + ("blogposting", "newsarticle", "jobposting", "service", "listitem", "contactpoint")
)
_CLOCK = re.compile(r"^T?(\d{1,2}):?(\d{2})?")
_SHORT_HOURS = re.compile(
    r"^((?:Mo|Tu|We|Th|Fr|Sa|Su)(?:(?:\s*[-,]\s*)(?:Mo|Tu|We|Th|Fr|Sa|Su))*)"
    r"\s+(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})"
)
_SHORT_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_AROUND = "//footer | //header | //address | //aside | //*[@role='contentinfo']"


@dataclass
class Marked:
    """What one page marks up; texts as they are written there."""

    name: list[str] = field(default_factory=list)
    phone: list[str] = field(default_factory=list)
    email: list[str] = field(default_factory=list)
    address: list[str] = field(default_factory=list)
    hours: list[tuple[int, str, str]] = field(default_factory=list)
    services: list[tuple[str, str]] = field(default_factory=list)
    site_name: str = ""
    title: str = ""
    headings: list[str] = field(default_factory=list)
    linked_phones: list[str] = field(default_factory=list)
    linked_emails: list[str] = field(default_factory=list)
    around: list[str] = field(default_factory=list)


def marked(body: bytes, charset: str) -> Marked:
    """All that the first 2 MiB of an HTML page mark up; nothing of a page that is not HTML."""
    found = Marked()
    root = _html(body[: 2 * 1024 * 1024], charset)
    if root is None:
        return found
    for script in root.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() == "application/ld+json":
            _json_ld(script.text or "", found)
    _microdata(root, found)
    _head(root, found)
    found.around = _around(root)
    return found


def _html(body: bytes, charset: str) -> Any:
    try:
        parser = etree.HTMLParser(encoding=charset or "utf-8", no_network=True, huge_tree=False)
        return etree.fromstring(body, parser)
    except (LookupError, etree.XMLSyntaxError, ValueError):
        return None


def _json_ld(text: str, found: Marked) -> None:
    try:
        data = json.loads(text[:MAX_JSON_CHARS].strip())
    except (ValueError, RecursionError):
        return
    for node in _nodes(data):
        if _is_business(node):
            _business(node, found)


def _nodes(data: object) -> Iterator[dict[str, Any]]:
    waiting, seen = [data], 0
    while waiting and seen < MAX_NODES:
        one = waiting.pop(0)
        seen += 1
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _is_business(node: dict[str, Any]) -> bool:
    types = {kind.rsplit("/", 1)[-1].lower() for kind in _texts(node.get("@type"))}
    told = {"telephone", "address", "openingHours", "openingHoursSpecification"} & node.keys()
    return bool(types) and not types & _NO_BUSINESS and bool(told)


def _business(node: dict[str, Any], found: Marked) -> None:
    found.name += _texts(node.get("name"))
    found.phone += _texts(node.get("telephone"))
    found.email += [one.removeprefix("mailto:") for one in _texts(node.get("email"))]
    for place in _dicts(node.get("address")):
        if address := _postal(place):
            found.address.append(address)
    found.address += _texts(node.get("address"))
    for hours in _dicts(node.get("openingHoursSpecification")):
        _specification(hours, found)
    for text in _texts(node.get("openingHours")):
        _short_hours(text, found)
    for offer in [
        one for key in ("makesOffer", "hasOfferCatalog") for one in _nodes(node.get(key))
    ]:
        _offer(offer, found)


def _postal(place: dict[str, Any]) -> str:
    street = ", ".join(_texts(place.get("streetAddress")))
    town = " ".join(
        text for key in ("postalCode", "addressLocality") for text in _texts(place.get(key))
    )
    return ", ".join(part for part in (street, town) if part)


def _specification(hours: dict[str, Any], found: Marked) -> None:
    """The usual week: what holds from one day to another only is left out."""
    if "validFrom" in hours or "validThrough" in hours:
        return
    opens, closes = (_clock(_texts(hours.get(key))) for key in ("opens", "closes"))
    for day in _texts(hours.get("dayOfWeek")):
        name = day.rsplit("/", 1)[-1].lower()
        if opens and closes and name in _DAYS:
            found.hours.append((_DAYS.index(name) + 1, opens, closes))


def _short_hours(text: str, found: Marked) -> None:
    """`Mo-Fr 09:00-18:00` and its like."""
    match = _SHORT_HOURS.match(text.strip())
    if match is None:
        return
    days, opens, closes = match.groups()
    for part in days.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        start, end = _SHORT_DAYS.index(first), _SHORT_DAYS.index(last or first)
        for day in range(start, end + 1 if end >= start else start + 1):
            found.hours.append((day + 1, opens.zfill(5), closes.zfill(5)))


def _offer(offer: dict[str, Any], found: Marked) -> None:
    item = offer.get("itemOffered")
    names = _texts(offer.get("name")) + (_texts(item.get("name")) if isinstance(item, dict) else [])
    prices = _texts(offer.get("price"))
    if names and prices and "EUR" in (*_texts(offer.get("priceCurrency")), "EUR")[:1]:
        found.services.append((names[-1], prices[0]))


def _clock(texts: Sequence[str]) -> str:
    match = _CLOCK.match(texts[0]) if texts else None
    if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
        return ""
    return f"{int(match[1]):02d}:{match[2] or '00'}"


def _microdata(root: Any, found: Marked) -> None:
    for item in root.xpath("//*[@itemscope and contains(@itemtype, 'schema.org/')]"):
        kind = item.get("itemtype").rsplit("/", 1)[-1].lower()
        values = {name: _property(item, name) for name in ("name", "telephone", "email")}
        places = {name: _property(item, name) for name in ("streetAddress", "postalCode")}
        if kind in _NO_BUSINESS or not (values["telephone"] or places["streetAddress"]):
            continue
        found.name += values["name"]
        found.phone += values["telephone"]
        found.email += values["email"]
        towns = [*places["postalCode"], *_property(item, "addressLocality")]
        if places["streetAddress"]:
            found.address.append(
                ", ".join(p for p in (places["streetAddress"][0], " ".join(towns[:2])) if p)
            )
        for text in _property(item, "openingHours"):
            _short_hours(text, found)


def _property(item: Any, name: str) -> list[str]:
    nodes = item.xpath(f".//*[@itemprop='{name}']")
    texts = (n.get("content") or n.get("datetime") or one_line(_text(n)) for n in nodes)
    return [text for text in texts if text]


def _head(root: Any, found: Marked) -> None:
    found.site_name = one_line("".join(root.xpath("//meta[@property='og:site_name']/@content")[:1]))
    found.title = one_line(root.findtext(".//title") or "")
    found.headings = [one_line(_text(h1)) for h1 in root.iter("h1")]
    for link in root.iter("a"):
        href = (link.get("href") or "").strip()
        if href.startswith("tel:"):
            found.linked_phones.append(href[4:].replace("%20", " "))
        if href.startswith("mailto:"):
            found.linked_emails.append(href[7:].split("?")[0])


def _around(root: Any) -> list[str]:
    """The lines of headers, footers and addresses, where a site says who it is."""
    lines = [line[:MAX_LINE_CHARS] for part in root.xpath(_AROUND) for line in _lines(part)]
    return list(dict.fromkeys(lines))[:MAX_FOOTER_LINES]


def _lines(part: Any) -> Iterator[str]:
    for element in part.iter("script", "style"):
        element.text = ""
    for element in part.iter("br", "p", "div", "li", "h2", "h3", "h4", "td", "address", "ul"):
        element.tail = "\n" + (element.tail or "")
        if element.tag != "br":
            element.text = "\n" + (element.text or "")
    yield from (one_line(line) for line in _text(part).split("\n") if one_line(line))


def _text(element: Any) -> str:
    return "".join(element.itertext())


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one_line(str(one)) for one in values if isinstance(one, str | int | float) and str(one)]


def _dicts(value: object) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def day_name(weekday: int) -> str:
    """The French name of an ISO weekday."""
    return WEEKDAYS[weekday - 1]
