"""The few pages of a site that say who a business is: the home page, and the likeliest others."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import Outgoing, Unreachable
from coccinelle.knowledge.chunking import chunks
from coccinelle.knowledge.crawl import CrawlLimits, CrawlState, Page, crawl, fetch_page
from coccinelle.knowledge.crawl_reading import identity, may_be_a_page, read_page, site_of
from coccinelle.knowledge.facts.lines import Line, Piece, folded, lines, sentences
from coccinelle.knowledge.parsing import ParseFailed, ParseLimits, parse
from coccinelle.knowledge.suggest.markup import Marked, marked

MOST_PAGES = 8
MOST_SECONDS = 40.0
MOST_BYTES = 12 * 1024 * 1024
PARSED_AT_ONCE = 2
PARSE = ParseLimits(cpu_seconds=6, wall_seconds=8.0, chars=400_000, pages=20)
_LIKELY = (
    re.compile(r"contact|nous-trouver|acces|find-us|agences?\b|magasins?\b"),
    re.compile(r"horaire|infos?-pratiques|informations|hours|opening"),
    re.compile(r"tarif|prix|prestation|carte\b|menu|services?|forfait|soins|price|treatments"),
    re.compile(r"a-propos|qui-sommes|about|equipe|team|mentions"),
    re.compile(r"rendez-vous|reserv|booking|appointment|devis|faq|questions"),
)


@dataclass(frozen=True)
class Visited:
    """A page that was read: what it marks up, and its lines, those around its content too."""

    url: str
    marked: Marked
    lines: tuple[Line, ...]


async def visit(outgoing: Outgoing, url: str) -> list[Visited]:
    """The home page and at most seven others, in 40 seconds at most; what is late is left out.

    Raises:
        BadAddress, Unreachable, TooSlow, AnswerTooLarge, RedirectRefused, NotCrawled: of the home
            page.
    """
    home = await _home(outgoing, url)
    pages = [home]
    with suppress(TimeoutError, Invalid):
        async with asyncio.timeout(MOST_SECONDS / 2):
            await _others(outgoing, home, pages)
    reading = asyncio.Semaphore(PARSED_AT_ONCE)
    found = await asyncio.gather(*(_read(page, reading) for page in pages))
    return list(found)


async def _home(outgoing: Outgoing, url: str) -> Page:
    """The page at an address as people write it: https where they do not say."""
    if "://" in url:
        return await fetch_page(url, outgoing=outgoing)
    try:
        return await fetch_page(f"https://{url}", outgoing=outgoing)
    except Unreachable:
        return await fetch_page(f"http://{url}", outgoing=outgoing)


async def _others(outgoing: Outgoing, home: Page, pages: list[Page]) -> None:
    """Read the likeliest links of the home page, as politely as a crawl does."""
    wanted = await asyncio.to_thread(_chosen, home)
    if not wanted:
        return
    state = CrawlState(
        pending=[(url, 1) for url in wanted],
        seen={identity(url) for url in (home.url, *wanted)},
        seeded=True,
        follows_links=False,
    )
    limits = CrawlLimits(len(wanted), 1, MOST_BYTES, MOST_SECONDS / 2)
    async with aclosing(crawl(home.url, outgoing=outgoing, limits=limits, state=state)) as found:
        async for page, _ in found:
            pages.append(page)


def _chosen(home: Page) -> list[str]:
    """Links to pages that probably say something of the business, one of each kind first."""
    facts = read_page(home.body, url=home.url, charset=home.charset, robots_header="")
    own = [
        link
        for link in facts.links
        if site_of(link) == site_of(home.url)
        and may_be_a_page(link)
        and identity(link) != identity(home.url)
    ]
    by_kind = [[link for link in own if kind.search(folded(link))] for kind in _LIKELY]
    first = [links[0] for links in by_kind if links]
    rest = [link for links in by_kind for link in links]
    return list({identity(link): link for link in [*first, *rest, *own]}.values())[: MOST_PAGES - 1]


async def _read(page: Page, reading: asyncio.Semaphore) -> Visited:
    if page.media_type != "text/html":
        return Visited(page.url, Marked(), ())
    async with reading:
        found = await asyncio.to_thread(marked, page.body, page.charset)
        main = await _main_lines(page)
    around = Piece(uuid4(), UUID(int=0), "", page.url, "", "\n".join(found.around))
    beside = [Line(around, s, (), is_item=True) for text in found.around for s in sentences(text)]
    return Visited(page.url, found, (*main, *beside))


async def _main_lines(page: Page) -> list[Line]:
    try:
        parsed = await parse(page.body, filename="page.html", media_type="text/html", limits=PARSE)
    except ParseFailed:
        return []
    document = uuid4()
    pieces = [
        Piece(uuid4(), document, c.title, page.url, c.heading, c.text, c.question, c.kind)
        for c in chunks(parsed)
    ]
    return list(lines(pieces))
