"""Reading a business's site, page by page: politely, bounded, and resumable after any page."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2
import msgspec
from protego import Protego

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import (
    PRODUCT,
    AnswerTooLarge,
    BadAddress,
    Fetched,
    Outgoing,
)
from coccinelle.knowledge.crawl_reading import (
    HTML,
    PDF,
    PageFacts,
    Sitemap,
    identity,
    kind_of,
    may_be_a_page,
    normalised,
    read_page,
    read_sitemap,
    resolved,
    site_of,
)

MAX_CRAWL_DELAY_SECONDS = 10.0
MAX_SKIPPED = 200

_MAX_RETRY_AFTER_SECONDS = 30
_MAX_SITEMAPS = 20
_SITEMAP_BYTES = 20 * 1024 * 1024
_ROBOTS_BYTES = 512 * 1024
_STATE_BYTES = 64 * 1024 * 1024
_REFUSED_IN_A_ROW = 5
_FRONTIER_PER_PAGE = 10
_FRONTIER_SPARE = 100
_ACCEPT = "text/html, application/xhtml+xml;q=0.9, application/pdf;q=0.8"
_DOCUMENTS = HTML | {PDF, ""}
_BUSY = frozenset({429, 503})
_REASONS = {
    **dict.fromkeys((404, 410), "page_not_found"),
    **dict.fromkeys((401, 403, 407, 451), "page_forbidden"),
    **dict.fromkeys(_BUSY, "page_busy"),
}


class NotCrawled(Invalid):
    """The site, or the page, could not be read; the code says why."""

    default_code = "page_failed"


@dataclass(frozen=True)
class CrawlLimits:
    """Where a crawl ends at the latest, over all its resumptions.

    Args:
        max_depth: links from the first page; a page of the sitemap is at 1.
        max_bytes: of everything that is received; reached, too, when five answers in a row do
            not fit in what is left.
        max_seconds: of reading, between pages; the last page may pass it by one time-out.
    """

    max_pages: int
    max_depth: int
    max_bytes: int
    max_seconds: float


@dataclass(frozen=True)
class Page:
    """A document of a site.

    Args:
        url: where it is, after redirects.
        media_type: `text/html` or `application/pdf`.
        charset: as the server gave it, or empty.
    """

    url: str
    depth: int
    media_type: str
    body: bytes
    charset: str


@dataclass
class CrawlState:
    """How far a crawl is: all that it needs to go on, and what its owner wants to know.

    Args:
        pending: addresses to read and their depths, the next one first.
        seen: identities of the addresses that are, or were, pending.
        hashes: of the documents read.
        skipped: the first 200 addresses that gave no page, with the code of the reason.
        skipped_counts: of all of them, by reason.
        stopped: `""`, or the bound that ended the crawl: `max_pages`, `max_bytes`, `max_seconds`.
    """

    pending: list[tuple[str, int]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    pages_done: int = 0
    bytes_done: int = 0
    seconds_done: float = 0.0
    hashes: set[str] = field(default_factory=set)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    skipped_counts: dict[str, int] = field(default_factory=dict)
    seeded: bool = False
    follows_links: bool = True
    stopped: str = ""

    def to_json(self) -> str:
        """The state as JSON, the same for equal states."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @classmethod
    def from_json(cls, text: str) -> CrawlState:
        """The state that `to_json` wrote.

        Raises:
            ValueError: it is none, or has more than 64 MiB.
        """
        if len(text) > _STATE_BYTES:
            raise ValueError("a crawl's state has at most 64 MiB")
        return msgspec.json.decode(text, type=cls)

    def skip(self, url: str, reason: str) -> None:
        """Note that `url` gave no page, and why."""
        self.skipped_counts[reason] = self.skipped_counts.get(reason, 0) + 1
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append((url, reason))


async def crawl(
    start_url: str, *, outgoing: Outgoing, limits: CrawlLimits, state: CrawlState | None = None
) -> AsyncGenerator[tuple[Page, CrawlState], None]:
    """The pages of the site of `start_url`, one at a time, that page first.

    Keeps to robots.txt (RFC 9309) and its crawl delay up to 10 seconds, to `noindex` and
    `nofollow`, and to one host, with or without `www.`. Pages come from the sitemap where there
    is one that lists any, else from links. The state that comes with a page is `state` itself;
    a crawl given it, or a copy, goes on after that page and asks for no page anew.

    Raises:
        BadAddress, Unreachable, TooSlow: for robots.txt, which is asked for first.
        NotCrawled: robots.txt has an error on the server's side (`robots_unreachable`); or there
            is not one page, with the reason why the first one was skipped.
    """
    visit = _Crawl(_address(start_url), outgoing, limits, state or CrawlState())
    await visit.open()
    while page := await visit.next_page():
        yield page, visit.state
    if visit.state.pages_done == 0 and visit.state.skipped:
        raise NotCrawled(visit.state.skipped[0][1])


async def fetch_page(url: str, *, outgoing: Outgoing) -> Page:
    """The one page at `url`, if robots.txt allows it.

    `noindex` does not count here, because the owner named this very page.

    Raises:
        BadAddress, Unreachable, TooSlow, AnswerTooLarge, RedirectRefused: as `Outgoing.get`.
        NotCrawled: any other reason, by its code.
    """
    address = _address(url)
    rules = await _Rules.of(address, outgoing)
    if not rules.allow(address):
        raise NotCrawled("robots_disallowed")
    fetched = await _get_page(outgoing, address, rules, outgoing.max_bytes)
    kind = kind_of(fetched.media_type, fetched.body)
    if reason := _fault(fetched, kind):
        raise NotCrawled(reason)
    return Page(normalised(fetched.url), 0, kind, fetched.body, fetched.charset)


class _Crawl:
    """One run of a crawl: the site's rules, the pace, and the state that it moves on."""

    def __init__(
        self, start: str, outgoing: Outgoing, limits: CrawlLimits, state: CrawlState
    ) -> None:
        self.state = state
        self._start = start
        self._outgoing = outgoing
        self._limits = limits
        self._rules = _Rules(Protego.parse(""), start)
        self._asked_at = time.monotonic()
        self._refused_in_a_row = 0
        self._max_seen = limits.max_pages * _FRONTIER_PER_PAGE + _FRONTIER_SPARE

    async def open(self) -> None:
        self._rules = await _Rules.of(self._start, self._outgoing)
        self._asked_at = time.monotonic()
        if self.state.seeded:
            return
        self._add(self._start, 0)
        if self._limits.max_depth > 0:
            with self._on_the_clock():
                await self._read_sitemaps()
        self.state.follows_links = len(self.state.pending) <= 1
        self.state.seeded = True

    async def next_page(self) -> Page | None:
        """The next page, read now; none when the crawl has ended."""
        while self._goes_on():
            url, depth = self.state.pending[0]
            with self._on_the_clock():
                page = await self._read(url, depth)
            # Not before: a crawl that is cancelled while it reads keeps the address.
            self.state.pending.remove((url, depth))
            if page:
                return page
        return None

    @contextmanager
    def _on_the_clock(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.state.seconds_done += time.monotonic() - began

    def _goes_on(self) -> bool:
        bounds = {
            "max_pages": self.state.pages_done >= self._limits.max_pages,
            "max_bytes": self._bytes_left() <= 0 or self._refused_in_a_row >= _REFUSED_IN_A_ROW,
            "max_seconds": self.state.seconds_done >= self._limits.max_seconds,
        }
        reached = [name for name, passed in bounds.items() if passed]
        self.state.stopped = reached[0] if reached and self.state.pending else ""
        return bool(self.state.pending) and not reached

    async def _read(self, url: str, depth: int) -> Page | None:
        try:
            fetched = await self._ask(url)
        except Invalid as refusal:
            self.state.skip(url, refusal.code)
            return None
        kind = kind_of(fetched.media_type, fetched.body)
        reason = _fault(fetched, kind) or self._arrived_twice(url, fetched)
        if not reason:
            facts = await self._facts(fetched, kind)
            self._follow(facts, depth)
            reason = "noindex" if facts.noindex else self._repeats(fetched, facts)
        if reason:
            self.state.skip(url, reason)
            return None
        self.state.pages_done += 1
        return Page(normalised(fetched.url), depth, kind, fetched.body, fetched.charset)

    async def _ask(self, url: str) -> Fetched:
        """The answer of a page, asked a second time if the server is busy and says for how long."""
        fetched = await self._ask_in_turn(url)
        wait = fetched.retry_after_seconds
        if fetched.status in _BUSY and wait is not None and wait <= _MAX_RETRY_AFTER_SECONDS:
            await asyncio.sleep(wait)
            return await self._ask_in_turn(url)
        return fetched

    async def _ask_in_turn(self, url: str) -> Fetched:
        await self._wait()
        left = max(1, self._bytes_left())
        return await self._counted(_get_page(self._outgoing, url, self._rules, left))

    def _bytes_left(self) -> int:
        return self._limits.max_bytes - self.state.bytes_done

    async def _counted(self, answer: Awaitable[Fetched]) -> Fetched:
        try:
            fetched = await answer
        except AnswerTooLarge as error:
            self._refused_in_a_row += self._bytes_left() < self._outgoing.max_bytes
            self.state.bytes_done += int(str(error.values["received_bytes"]))
            raise
        finally:
            self._asked_at = time.monotonic()
        self._refused_in_a_row = 0
        self.state.bytes_done += len(fetched.body)
        return fetched

    async def _wait(self) -> None:
        since = time.monotonic() - self._asked_at
        await asyncio.sleep(max(0.0, self._rules.delay_seconds - since))

    def _arrived_twice(self, url: str, fetched: Fetched) -> str:
        """`duplicate` if a redirect led to an address that has been read."""
        arrived = normalised(fetched.url)
        waiting = [entry for entry in self.state.pending if entry[0] == arrived != url]
        if waiting:
            self.state.pending.remove(waiting[0])
            return ""
        return "" if identity(arrived) == identity(url) else self._claim(arrived)

    def _claim(self, url: str) -> str:
        """`duplicate` if `url` is known; it is, from now on."""
        known = identity(url) in self.state.seen
        self.state.seen.add(identity(url))
        return "duplicate" if known else ""

    async def _facts(self, fetched: Fetched, kind: str) -> PageFacts:
        body = fetched.body if kind == "text/html" else b""
        return await asyncio.to_thread(
            read_page,
            body,
            url=fetched.url,
            charset=fetched.charset,
            robots_header=fetched.robots,
        )

    def _follow(self, facts: PageFacts, depth: int) -> None:
        if self.state.follows_links and depth < self._limits.max_depth:
            for link in facts.links:
                self._add(link, depth + 1)

    def _repeats(self, fetched: Fetched, facts: PageFacts) -> str:
        """`duplicate` if the page is another one by its canonical address, or byte for byte."""
        digest = hashlib.sha256(fetched.body).hexdigest()[:32]
        if digest in self.state.hashes:
            return "duplicate"
        canonical = facts.canonical
        if (
            canonical
            and self._is_trusted(canonical, normalised(fetched.url))
            and self._claim(canonical)
        ):
            return "duplicate"
        self.state.hashes.add(digest)
        return ""

    def _is_trusted(self, canonical: str, url: str) -> bool:
        """Whether a canonical address says that a page is another one.

        Not if it is on another site, and not if it is the home page: themes that give the home
        page for every page are common, and would leave nothing of their site.
        """
        home = site_of(url)
        return site_of(canonical) == home and identity(canonical) not in (identity(url), home)

    def _add(self, url: str, depth: int) -> None:
        """Put `url` at the end of what is pending, if it is a new page of this site."""
        if site_of(url) != site_of(self._start) or (depth and not may_be_a_page(url)):
            return
        key = identity(url)
        if key in self.state.seen:
            return
        if len(self.state.seen) >= self._max_seen:
            counts = self.state.skipped_counts
            counts["too_many_links"] = counts.get("too_many_links", 0) + 1
            return
        self.state.seen.add(key)
        if self._rules.allow(url):
            self.state.pending.append((url, depth))
        else:
            self.state.skip(url, "robots_disallowed")

    async def _read_sitemaps(self) -> None:
        """Put the pages of at most 20 sitemaps in what is pending."""
        files = self._rules.sitemaps()
        for index in range(_MAX_SITEMAPS):
            if index >= len(files) or not self._goes_on():
                return
            found = await self._sitemap(files[index])
            nested = filter(self._rules.is_of_site, found.sitemaps)
            files = list(dict.fromkeys([*files, *nested]))
            for page in found.pages:
                self._add(page, 1)

    async def _sitemap(self, url: str) -> Sitemap:
        await self._wait()
        left = min(_SITEMAP_BYTES, max(1, self._bytes_left()))
        try:
            fetched = await self._counted(
                self._outgoing.get(url, max_bytes=left, may_follow=self._rules.is_of_site)
            )
        except Invalid:
            return Sitemap()
        return await asyncio.to_thread(
            read_sitemap,
            fetched.body if fetched.status == 200 else b"",
            url=url,
            max_entries=self._max_seen,
            max_bytes=_SITEMAP_BYTES,
        )


class _Rules:
    """What robots.txt of a site asks of us, and which addresses are of that site."""

    def __init__(self, robots: Protego, url: str) -> None:
        self._robots = robots
        self._url = url
        self._site = site_of(url)
        self.delay_seconds = _delay_seconds(robots)

    @classmethod
    async def of(cls, url: str, outgoing: Outgoing) -> _Rules:
        """The rules for the site of `url`; without the file, or without access to it, none.

        Raises:
            NotCrawled: the server fails to give the file, which then forbids everything.
        """
        address = str(httpx2.URL(url).join("/robots.txt"))
        try:
            fetched = await outgoing.get(address, max_bytes=_ROBOTS_BYTES)
        except AnswerTooLarge as error:
            raise NotCrawled("robots_unreachable") from error
        if fetched.status >= 500 or fetched.status in _BUSY:
            raise NotCrawled("robots_unreachable")
        text = fetched.body.decode("utf-8-sig", "replace") if fetched.status == 200 else ""
        return cls(Protego.parse(text), url)

    def allow(self, url: str) -> bool:
        return self._robots.can_fetch(url, PRODUCT)

    def is_of_site(self, url: str) -> bool:
        return site_of(url) == self._site

    def allow_redirect(self, url: str) -> bool:
        return self.is_of_site(url) and self.allow(url)

    def sitemaps(self) -> list[str]:
        """The site's sitemaps that robots.txt names; if it names none, the usual one."""
        named = [resolved(self._url, text) for text in self._robots.sitemaps]
        usual = str(httpx2.URL(self._url).join("/sitemap.xml"))
        return [url for url in dict.fromkeys(named) if url and self.is_of_site(url)] or [usual]


def _delay_seconds(robots: Protego) -> float:
    """Seconds between two requests that robots.txt asks for, at most 10."""
    rate = robots.request_rate(PRODUCT)
    asked = [robots.crawl_delay(PRODUCT) or 0.0]
    if rate and rate.requests:
        asked.append(rate.seconds / rate.requests)
    delay = max(asked)
    return min(delay, MAX_CRAWL_DELAY_SECONDS) if delay > 0 else 0.0


def _address(url: str) -> str:
    try:
        return normalised(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadAddress from error


async def _get_page(outgoing: Outgoing, url: str, rules: _Rules, max_bytes: int) -> Fetched:
    return await outgoing.get(
        url,
        accept=_ACCEPT,
        max_bytes=max_bytes,
        only=_DOCUMENTS,
        may_follow=rules.allow_redirect,
    )


def _fault(fetched: Fetched, kind: str) -> str:
    """Why an answer is no page, or nothing."""
    if fetched.status != 200:
        return _REASONS.get(fetched.status, "page_failed")
    return "" if kind and fetched.body else "not_a_document"
