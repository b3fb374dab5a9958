"""What a crawl reads off an address, a page or a sitemap: pure functions, bounded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

import httpx2
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from lxml import etree

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import MAX_URL_CHARS, PRODUCT, gunzip

HTML = frozenset({"text/html", "application/xhtml+xml"})
PDF = "application/pdf"

_MAX_LINKS = 2_000
_READ_BYTES = 2 * 1024 * 1024
_SNIFFED_BYTES = 1_024
_WEB = frozenset({"http", "https"})
_IGNORED_CHARS = dict.fromkeys(map(ord, "\t\r\n"))
_TRACKING_PREFIXES = ("utm_", "mtm_", "pk_", "_hs", "hsa_")
_TRACKING = frozenset(
    {
        *("fbclid", "gclid", "gclsrc", "gbraid", "wbraid", "dclid", "msclkid", "yclid", "ttclid"),
        *("twclid", "li_fat_id", "igshid", "igsh", "mc_cid", "mc_eid", "mkt_tok", "srsltid"),
        *("epik", "_ga", "_gl"),
    }
)
_NO_PAGE = (
    *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".ico", ".bmp", ".tif", ".tiff"),
    *(".mp3", ".mp4", ".m4a", ".mov", ".avi", ".webm", ".ogg", ".wav", ".mkv"),
    *(".css", ".js", ".mjs", ".json", ".xml", ".rss", ".atom", ".map", ".woff", ".woff2", ".ttf"),
    *(".zip", ".gz", ".rar", ".7z", ".tar", ".exe", ".dmg", ".apk", ".ics", ".vcf"),
    *(".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".csv", ".epub"),
)


def normalised(url: str) -> str:
    """`url` as it is asked for: no fragment, no parameter that only tells where a visitor is from.

    Raises:
        httpx2.InvalidURL: not an address.
    """
    parsed = httpx2.URL(url.strip())
    path, _, query = parsed.raw_path.decode("ascii").partition("?")
    kept = "&".join(part for part in query.split("&") if part and not _is_tracking(part))
    target = f"{path}?{kept}" if kept else path
    return str(parsed.copy_with(raw_path=target.encode("ascii"), fragment=None))


def resolved(base: str, reference: str) -> str | None:
    """The normalised http(s) address that `reference` means on the page `base`, if it means one."""
    try:
        joined = httpx2.URL(base).join(reference.strip().translate(_IGNORED_CHARS))
        url = normalised(str(joined))
    except (httpx2.InvalidURL, ValueError):
        return None
    return url if joined.scheme in _WEB and joined.host and len(url) <= MAX_URL_CHARS else None


def site_of(url: str) -> str:
    """Which site a normalised address is of: the same with and without `www.`, http and https."""
    parsed = httpx2.URL(url)
    host = parsed.raw_host.decode("ascii").removesuffix(".").removeprefix("www.")
    return host if parsed.port is None else f"{host}:{parsed.port}"


def identity(url: str) -> str:
    """What two spellings of one page's normalised address share: site, path, query.

    A slash at the end of the path does not count; the order of parameters does.
    """
    path, _, query = httpx2.URL(url).raw_path.decode("ascii").partition("?")
    return f"{site_of(url)}{path.rstrip('/')}" + (f"?{query}" if query else "")


def may_be_a_page(url: str) -> bool:
    """Whether a normalised address is worth asking for, going by its ending."""
    return not httpx2.URL(url).path.lower().endswith(_NO_PAGE)


def kind_of(media_type: str, body: bytes) -> str:
    """`text/html`, `application/pdf`, or `""` for no document; a type not given is guessed."""
    if media_type in HTML:
        return "text/html"
    if media_type == PDF or (not media_type and body.startswith(b"%PDF-")):
        return PDF
    is_html = not media_type and b"<html" in body[:_SNIFFED_BYTES].lower()
    return "text/html" if is_html else ""


@dataclass(frozen=True)
class PageFacts:
    """What a page says to a crawler: where it leads, and what it does not want."""

    links: tuple[str, ...] = ()
    canonical: str | None = None
    noindex: bool = False
    nofollow: bool = False


def read_page(body: bytes, *, url: str, charset: str, robots_header: str) -> PageFacts:
    """The links (at most 2,000, normalised), canonical address and robots rules of an HTML page.

    Reads the first 2 MiB. `robots_header` is the `X-Robots-Tag` header, lower case.
    """
    rules = _header_rules(robots_header)
    root = _html(body[:_READ_BYTES], charset)
    if root is None:
        return _facts(rules)
    base = resolved(url, next(_values(root, "base", "href"), "")) or url
    rules |= _meta_rules(root)
    links = dict.fromkeys(_links(root, base))
    canonical = next(
        (e.get("href", "") for e in root.iter("link") if "canonical" in _words(e.get("rel"))), ""
    )
    return _facts(
        rules, tuple(links)[:_MAX_LINKS], resolved(base, canonical) if canonical else None
    )


@dataclass(frozen=True)
class Sitemap:
    """What a sitemap lists (sitemaps.org): pages, or, when it is an index, other sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def read_sitemap(body: bytes, *, url: str, max_entries: int, max_bytes: int) -> Sitemap:
    """The first `max_entries` addresses of a sitemap, plain or gzip, up to its first fault."""
    listing = _Listing(max_entries)
    try:
        plain = gunzip(body, max_bytes=max_bytes) if body.startswith(b"\x1f\x8b") else body
        # At once: expat reads a token that spans many pieces in quadratic time.
        DefusedXMLParser(target=listing, forbid_dtd=True).feed(plain)
    except (ParseError, DefusedXmlException, _Enough, Invalid, zlib.error, ValueError, LookupError):
        pass
    found = tuple(entry for text in listing.entries if (entry := resolved(url, text)))
    return Sitemap(sitemaps=found) if listing.is_index else Sitemap(pages=found)


def _is_tracking(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)


def _facts(rules: set[str], links: tuple[str, ...] = (), canonical: str | None = None) -> PageFacts:
    nofollow = not rules.isdisjoint({"nofollow", "none"})
    return PageFacts(
        links=() if nofollow else links,
        canonical=canonical,
        noindex=not rules.isdisjoint({"noindex", "none"}),
        nofollow=nofollow,
    )


def _header_rules(header: str) -> set[str]:
    """The rules of an `X-Robots-Tag` that are for every robot, or for ours by name."""
    rules: set[str] = set()
    ours = True
    for part in header.split(","):
        name, colon, rule = part.rpartition(":")
        if colon:
            ours = name.strip() in {"*", PRODUCT.lower()}
        if ours:
            rules.add(rule.strip())
    return rules


def _meta_rules(root: etree._Element) -> set[str]:
    metas = (e for e in root.iter("meta") if (e.get("name") or "").lower() in _META_NAMES)
    return {
        rule.strip() for meta in metas for rule in (meta.get("content") or "").lower().split(",")
    }


_META_NAMES = frozenset({"robots", PRODUCT.lower()})


def _links(root: etree._Element, base: str) -> Iterator[str]:
    for element in root.iter("a", "area"):
        if "nofollow" in _words(element.get("rel")):
            continue
        href = element.get("href")
        if href and (url := resolved(base, href)):
            yield url


def _values(root: etree._Element, tag: str, attribute: str) -> Iterator[str]:
    return (value for element in root.iter(tag) if (value := element.get(attribute)))


def _words(value: str | None) -> list[str]:
    return (value or "").lower().split()


def _html(body: bytes, charset: str) -> etree._Element | None:
    try:
        parser = etree.HTMLParser(encoding=charset or None, no_network=True, remove_comments=True)
    except LookupError:
        parser = etree.HTMLParser(no_network=True, remove_comments=True)
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


class _Enough(Exception):
    """The sitemap need not be read further."""


class _Listing:
    """An XML parser's target that keeps `loc` of the sitemap's own namespace, and no tree."""

    def __init__(self, max_entries: int) -> None:
        self.entries: list[str] = []
        self.is_index = False
        self._max_entries = max_entries
        self._location = ""
        self._text: list[str] | None = None
        self._chars = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        if not self._location:
            namespace, brace, name = tag.rpartition("}")
            self._location = f"{namespace}{brace}loc"
            self.is_index = name == "sitemapindex"
        elif tag == self._location:
            self._text, self._chars = [], 0

    def data(self, text: str) -> None:
        if self._text is not None and self._chars <= MAX_URL_CHARS:
            self._text.append(text)
            self._chars += len(text)

    def end(self, tag: str) -> None:
        if tag != self._location or self._text is None:
            return
        self.entries.append("".join(self._text)[: MAX_URL_CHARS + 1])
        self._text = None
        if len(self.entries) >= self._max_entries:
            raise _Enough

    def close(self) -> None:
        return None
