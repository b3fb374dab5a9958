"""The first half of an ingestion: from what the owner gave to documents cut into chunks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coccinelle.foundation.errors import Invalid
from coccinelle.knowledge import crawl as web
from coccinelle.knowledge import store
from coccinelle.knowledge.chunking import Chunk, chunks
from coccinelle.knowledge.model import Source, Superseded, questions
from coccinelle.knowledge.parsing import Parsed, ParseFailed, Section, parse
from coccinelle.knowledge.run import Run

# Why a page of a site was not read, where its owner need not know.
_EXPECTED_SKIPS = frozenset({"duplicate", "not_a_document"})


@dataclass(frozen=True)
class Draft:
    """A document of the generation being built; without chunks, it says why."""

    title: str
    url: str | None
    content_sha256: bytes
    chunks: tuple[Chunk, ...] = ()
    failure_code: str | None = None
    failure_values: Mapping[str, Any] = field(default_factory=dict)


async def read(run: Run) -> list[Draft]:
    """The source's documents. A site's page that cannot be read is one that says why.

    Raises:
        Invalid: nothing of the source can be read; the code says why.
        Superseded: the source was deleted meanwhile.
    """
    async with run.tx() as tx:
        source = await store.source(tx, run.source_id)
        content = await store.content(tx, run.source_id)
    if source is None:
        raise Superseded
    if source.kind in ("page", "site"):
        return await _read_web(run, source)
    return [await _read_content(run, source, content)]


async def _read_content(run: Run, source: Source, content: bytes) -> Draft:
    parsed = await _parsed(run, source, content)
    return Draft(parsed.title, None, hashlib.sha256(content).digest(), chunks(parsed))


async def _parsed(run: Run, source: Source, content: bytes) -> Parsed:
    if source.kind == "faq":
        return _entries(source.title, content)
    found = await parse(
        content,
        filename=source.filename or source.title,
        media_type=source.media_type,
        limits=run.services.parse_limits,
    )
    return replace(found, title=source.title) if source.kind == "text" else found


def _entries(title: str, content: bytes) -> Parsed:
    sections = (Section((), "qa", pair.answer, pair.question) for pair in questions(content))
    return Parsed(title, tuple(sections))


async def _read_web(run: Run, source: Source) -> list[Draft]:
    state = await _fetch(run, source)
    drafts = [await _read_page(run, page) async for page in _pages(run)]
    drafts += _skipped(state)
    if not any(draft.chunks for draft in drafts):
        raise _reason(drafts)
    return drafts


def _reason(drafts: list[Draft]) -> Invalid:
    """Why nothing could be read: as the first document says."""
    if not drafts or drafts[0].failure_code is None:
        return ParseFailed("no_text")
    return ParseFailed(drafts[0].failure_code, **drafts[0].failure_values)


def _skipped(state: web.CrawlState) -> list[Draft]:
    nothing = hashlib.sha256(b"").digest()
    return [
        Draft(url, url, nothing, failure_code=reason)
        for url, reason in state.skipped
        if reason not in _EXPECTED_SKIPS
    ]


async def _read_page(run: Run, page: store.PageRow) -> Draft:
    digest = hashlib.sha256(page.body).digest()
    try:
        parsed = await parse(
            page.body,
            filename=page.url,
            media_type=page.media_type,
            limits=run.services.parse_limits,
        )
    except ParseFailed as failure:
        return Draft(
            page.url,
            page.url,
            digest,
            failure_code=failure.code,
            failure_values=failure.values,
        )
    return Draft(parsed.title, page.url, digest, chunks(parsed))


async def _pages(run: Run) -> AsyncIterator[store.PageRow]:
    """The pages that were fetched, one in memory at a time."""
    position = 0
    while page := await _page(run, position):
        yield page
        position += 1


async def _page(run: Run, position: int) -> store.PageRow | None:
    async with run.tx() as tx:
        return await store.page(tx, source_id=run.source_id, position=position)


async def _fetch(run: Run, source: Source) -> web.CrawlState:
    """Have every page of this generation in the database, going on where an earlier try stopped."""
    state, is_finished = await _begin(run)
    if is_finished:
        return state
    address = source.url or ""
    if source.kind == "site":
        await _fetch_site(run, address, state)
    elif state.pages_done == 0:
        page = await web.fetch_page(address, outgoing=run.services.outgoing)
        state.pages_done = 1
        await _keep(run, page, state)
    async with run.tx() as tx:
        await store.finish_crawl(tx, source_id=run.source_id, frontier=state.to_json())
    return state


async def _fetch_site(run: Run, url: str, state: web.CrawlState) -> None:
    services = run.services
    crawl = web.crawl(url, outgoing=services.outgoing, limits=services.crawl_limits, state=state)
    async for page, _ in crawl:
        await _keep(run, page, state)


async def _begin(run: Run) -> tuple[web.CrawlState, bool]:
    """How far the crawl of this generation is, and whether it is over."""
    async with run.tx() as tx:
        row = await store.crawl(tx, source_id=run.source_id, generation=run.generation)
        if row is not None:
            return web.CrawlState.from_json(row.frontier), row.is_finished
        state = web.CrawlState()
        await store.forget_crawl(tx, run.source_id)
        await store.begin_crawl(
            tx,
            source_id=run.source_id,
            generation=run.generation,
            frontier=state.to_json(),
        )
        return state, False


async def _keep(run: Run, page: web.Page, state: web.CrawlState) -> None:
    """Store a page and how the crawl goes on after it: both or neither."""
    row = store.PageRow(state.pages_done - 1, page.url, page.media_type, _utf8(page))
    async with run.tx() as tx:
        saved = await store.save_frontier(
            tx,
            source_id=run.source_id,
            generation=run.generation,
            frontier=state.to_json(),
            pages_done=state.pages_done,
            bytes_done=state.bytes_done,
        )
        if not saved:
            raise Superseded
        await store.insert_page(tx, source_id=run.source_id, page=row)


def _utf8(page: web.Page) -> bytes:
    """The page's bytes; as UTF-8 with its mark, if the server said how else they are written."""
    if not page.charset or not page.media_type.startswith("text/"):
        return page.body
    return page.body.decode(page.charset, "replace").encode("utf-8-sig")
