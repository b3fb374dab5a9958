from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.outgoing import (
    AnswerTooLarge,
    BadAddress,
    Outgoing,
    RedirectRefused,
    Unreachable,
)
from coccinelle.knowledge.crawl import (
    CrawlLimits,
    CrawlState,
    NotCrawled,
    Page,
    crawl,
    fetch_page,
)
from coccinelle.knowledge.crawl_reading import (
    identity,
    kind_of,
    normalised,
    read_page,
    read_sitemap,
)

LIMITS = CrawlLimits(max_pages=50, max_depth=5, max_bytes=5_000_000, max_seconds=60)
PDF = b"%PDF-1.4 tarif"


@dataclass
class Site:
    """An institute's site on loopback, reached as institut.test and www.institut.test."""

    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    has_calendar: bool = False

    @property
    def home(self) -> str:
        return f"http://institut.test:{self.port}/"

    def html(
        self, path: str, *links: str, head: str = "", status: int = 200, **headers: str
    ) -> None:
        anchors = "".join(f'<a href="{link}">suite</a>' for link in links)
        body = f"<html><head>{head}</head><body><h1>Page {path}</h1>{anchors}</body></html>"
        kind = {"Content-Type": "text/html; charset=utf-8"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = (status, kind | named, body.encode())

    def raw(self, path: str, body: bytes, media_type: str, status: int = 200) -> None:
        self.pages[path] = (status, {"Content-Type": media_type} if media_type else {}, body)

    def moves(self, path: str, target: str) -> None:
        self.pages[path] = (301, {"Location": target}, b"")

    def robots(self, text: str, status: int = 200) -> None:
        self.raw("/robots.txt", text.encode(), "text/plain", status)

    def sitemap(self, path: str, *locations: str, index: bool = False) -> None:
        outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
        entries = "".join(f"<{inner}><loc>\n {url} </loc></{inner}>" for url in locations)
        text = f'<{outer} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{outer}>'
        body = gzip.compress(text.encode()) if path.endswith(".gz") else text.encode()
        self.raw(path, body, "application/xml")

    def asked_pages(self) -> list[str]:
        return [path for path in self.asked if path not in ("/robots.txt", "/sitemap.xml")]

    def answer(self, path: str) -> bytes:
        if self.has_calendar and path.startswith("/agenda"):
            day = int(path.partition("=")[2])
            self.html(path, *(f"/agenda?jour={day * 200 + more}" for more in range(200)))
        missing: tuple[int, dict[str, str], bytes] = (404, {"Content-Type": "text/html"}, b"<html>")
        status, headers, body = self.pages.get(path, missing)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(head).encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].decode()
            self.asked.append(path)
            writer.write(self.answer(path))
            await writer.drain()
        writer.close()


class Loopback:
    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    served = Site()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()


@asynccontextmanager
async def reaching(site: Site, max_bytes: int = 1_000_000) -> AsyncIterator[Outgoing]:
    hosts = ("institut.test", "www.institut.test", "ailleurs.test")
    outgoing = Outgoing(
        allow=frozenset(f"{host}:{site.port}" for host in hosts),
        max_bytes=max_bytes,
        timeout_seconds=20,
        resolver=Loopback(),
    )
    try:
        yield outgoing
    finally:
        await outgoing.aclose()


async def read(
    site: Site, start: str = "", limits: CrawlLimits = LIMITS, state: CrawlState | None = None
) -> list[Page]:
    async with reaching(site) as outgoing:
        found = crawl(start or site.home, outgoing=outgoing, limits=limits, state=state)
        return [page async for page, _ in found]


def paths(pages: Sequence[Page]) -> list[str]:
    return [page.url.split(".test")[1].partition("/")[2] for page in pages]


def a_french_site(site: Site) -> None:
    site.html("/", "/soins", "/tarifs/", "contact?utm_source=fb&fbclid=1", "mailto:a@b.fr", "#haut")
    site.html("/soins", "/soins/visage", "/soins/%C3%A9pilation", "/photo.jpg", "/")
    site.html("/tarifs/", "/tarifs", "/tarif.pdf", "tel:0199001234", "javascript:void(0)")
    site.html("/contact", "../", "http://ailleurs.test/", "//www.institut.test:1/x")
    site.html("/soins/visage", "/absente", "/soins/visage/")
    site.html(
        "/soins/%C3%A9pilation", "/soins/épilation", f"http://www.institut.test:{site.port}/soins"
    )
    site.raw("/tarif.pdf", PDF, "application/pdf")


EVERY_PAGE = {
    "",
    "soins",
    "tarifs/",
    "contact",
    "soins/visage",
    "soins/%C3%A9pilation",
    "tarif.pdf",
}


async def test_a_site_is_read_by_its_links_each_page_once(site: Site) -> None:
    a_french_site(site)
    state = CrawlState()
    pages = await read(site, state=state)
    assert set(paths(pages)) == EVERY_PAGE
    assert len(site.asked) == len(set(site.asked))
    assert state.skipped == [(site.home + "absente", "page_not_found")]
    assert {page.url: page.depth for page in pages}[site.home + "soins/visage"] == 2
    (pdf,) = (page for page in pages if page.url.endswith(".pdf"))
    assert (pdf.media_type, pdf.body) == ("application/pdf", PDF)
    assert (pages[0].media_type, pages[0].charset) == ("text/html", "utf-8")
    assert (state.pages_done, state.stopped) == (7, "")
    assert state.bytes_done >= sum(len(page.body) for page in pages)


@pytest.mark.parametrize("interruptions", [1, 2, 3, 6])
@pytest.mark.parametrize("with_sitemap", [False, True])
async def test_a_crawl_that_is_interrupted_goes_on_where_it_was(
    site: Site, interruptions: int, with_sitemap: bool
) -> None:
    a_french_site(site)
    if with_sitemap:
        site.sitemap("/sitemap.xml", *(site.home + path for path in EVERY_PAGE))
    pages: list[Page] = []
    kept = CrawlState().to_json()
    async with reaching(site) as outgoing:
        for _ in range(interruptions):
            state = CrawlState.from_json(kept)
            started = crawl(site.home, outgoing=outgoing, limits=LIMITS, state=state)
            async for page, after in started:
                pages.append(page)
                kept = after.to_json()
                break
            await started.aclose()
    pages += await read(site, state=CrawlState.from_json(kept))
    assert set(paths(pages)) == EVERY_PAGE
    assert len(pages) == len(EVERY_PAGE)
    asked = site.asked_pages()
    assert len(asked) == len(set(asked))
    assert site.asked.count("/sitemap.xml") == 1


async def test_a_crawl_that_is_cancelled_while_it_asks_keeps_the_address(site: Site) -> None:
    a_french_site(site)
    state = CrawlState()
    async with reaching(site) as outgoing:
        started = crawl(site.home, outgoing=outgoing, limits=LIMITS, state=state)
        await anext(started)
        next_page = asyncio.ensure_future(anext(started))
        await asyncio.sleep(0)
        next_page.cancel()
        with pytest.raises(asyncio.CancelledError):
            await next_page
    assert set(paths(await read(site, state=state))) == EVERY_PAGE - {""}


async def test_a_state_survives_json_and_nothing_else_is_taken_for_one() -> None:
    state = CrawlState(
        pending=[("http://a.test/é", 2)], seen={"b", "a"}, pages_done=1, bytes_done=2, hashes={"c"}
    )
    state.skip("http://a.test/x", "page_not_found")
    assert CrawlState.from_json(state.to_json()) == state
    names = [str(number) for number in range(500)]
    one, other = CrawlState(seen={*names}), CrawlState(seen={*names[::-1]})
    assert one.to_json() == other.to_json()
    for text in ("", "[]", '{"pending": [["a"]]}', '{"seen": 3}', '{"pages_done": "x"}'):
        with pytest.raises(ValueError, match=r".+"):
            CrawlState.from_json(text)
    with pytest.raises(ValueError, match="64 MiB"):
        CrawlState.from_json(" " * (64 * 1024 * 1024 + 1))


async def test_a_sitemap_says_which_pages_there_are(site: Site) -> None:
    a_french_site(site)
    site.html("/seule")
    site.sitemap(
        "/sitemap.xml", site.home + "soins", site.home + "seule#a", "http://ailleurs.test/"
    )
    assert paths(await read(site)) == ["", "soins", "seule"]


async def test_sitemaps_of_sitemaps_are_read_plain_and_compressed(site: Site) -> None:
    www = f"http://www.institut.test:{site.port}/"
    elsewhere = f"http://ailleurs.test:{site.port}/"
    site.robots(f"Sitemap: {site.home}plan.xml\nSitemap: {elsewhere}p.xml")
    site.sitemap(
        "/plan.xml",
        *(site.home + name for name in ("a.xml", "b.xml.gz", "plan.xml", "absent.xml")),
        elsewhere + "c.xml",
        index=True,
    )
    site.sitemap("/a.xml", www + "un")
    site.sitemap("/b.xml.gz", site.home + "deux")
    for path in ("/", "/un", "/deux"):
        site.html(path)
    assert paths(await read(site)) == ["", "un", "deux"]
    assert site.asked.count("/plan.xml") == 1
    assert {"/sitemap.xml", "/p.xml", "/c.xml"}.isdisjoint(site.asked)


async def test_no_more_than_twenty_sitemaps_are_read(site: Site) -> None:
    site.html("/")
    site.sitemap("/sitemap.xml", *(f"{site.home}plan{n}.xml" for n in range(100)), index=True)
    await read(site)
    assert sum("plan" in path for path in site.asked) == 19


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Page introuvable",
        b"",
        b"\x1f\x8b garbage",
        b'<!DOCTYPE u [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url>',
        b'<!DOCTYPE u SYSTEM "http://ailleurs.test/d.dtd"><urlset/>',
        gzip.compress(b"<urlset>" + b" " * 60_000_000),
    ],
)
async def test_a_sitemap_that_is_none_leaves_the_links(site: Site, body: bytes) -> None:
    site.raw("/sitemap.xml", body, "application/xml")
    site.html("/", "/soins")
    site.html("/soins")
    assert paths(await read(site)) == ["", "soins"]


def test_a_sitemap_is_read_up_to_its_fault_and_its_bound() -> None:
    cut = (
        b"<urlset><url><loc>/un</loc><video><loc/></video></url><url><loc>/deux</loc></url><url><l"
    )
    found = read_sitemap(cut, url="http://a.test/s.xml", max_entries=10, max_bytes=1_000)
    assert found.pages == ("http://a.test/un", "http://a.test/s.xml", "http://a.test/deux")
    first = read_sitemap(cut, url="http://a.test/s.xml", max_entries=1, max_bytes=1_000)
    assert first.pages == ("http://a.test/un",)


@pytest.mark.parametrize(
    "text", [b"<a>" * 1_000_000, b"<a b='" * 500_000, b"<urlset>" + b"x" * 10**7]
)
def test_a_hostile_sitemap_lists_nothing(text: bytes) -> None:
    found = read_sitemap(text, url="http://a.test/s.xml", max_entries=10, max_bytes=1_000)
    assert found.pages == found.sitemaps == ()


def test_the_addresses_of_images_in_a_sitemap_are_no_pages() -> None:
    text = (
        b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="urn:image">'
        b"<url><loc>/un</loc><i:image><i:loc>/un.jpg</i:loc></i:image></url></urlset>"
    )
    found = read_sitemap(text, url="http://a.test/s.xml", max_entries=10, max_bytes=1_000)
    assert found.pages == ("http://a.test/un",)


async def test_robots_are_obeyed_for_us_by_name(site: Site) -> None:
    site.robots(
        "User-agent: *\nDisallow: /\n\n"
        "User-agent: CoccinelleBot\nDisallow: /prive\nAllow: /prive/ouvert$\nDisallow: /*?panier="
    )
    site.html("/", "/prive/a", "/prive/ouvert", "/x?panier=1", "/soins", "/vers-prive")
    for path in ("/prive/a", "/prive/ouvert", "/x?panier=1", "/soins"):
        site.html(path)
    site.moves("/vers-prive", "/prive/b")
    state = CrawlState()
    assert set(paths(await read(site, state=state))) == {"", "prive/ouvert", "soins"}
    assert {path for path in site.asked if "prive/a" in path or "prive/b" in path} == set()
    assert sorted(reason for _, reason in state.skipped) == [
        "redirect_refused",
        "robots_disallowed",
        "robots_disallowed",
    ]


async def test_a_site_that_wants_no_robot_is_not_read(site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /")
    site.html("/")
    with pytest.raises(NotCrawled) as refused:
        await read(site)
    assert refused.value.code == "robots_disallowed"
    assert site.asked == ["/robots.txt"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_site_without_robots_txt_is_read(site: Site, status: int) -> None:
    site.robots("User-agent: *\nDisallow: /", status)
    site.html("/")
    assert paths(await read(site)) == [""]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_site_that_cannot_give_its_robots_txt_is_not_read(site: Site, status: int) -> None:
    site.robots("", status)
    site.html("/")
    with pytest.raises(NotCrawled) as refused:
        await read(site)
    assert refused.value.code == "robots_unreachable"
    assert site.asked == ["/robots.txt"]


async def test_robots_txt_that_is_endless_counts_as_not_given(site: Site) -> None:
    site.robots("# " + "a" * 600_000)
    site.html("/")
    with pytest.raises(NotCrawled) as refused:
        await read(site)
    assert refused.value.code == "robots_unreachable"


async def test_a_crawl_delay_is_kept(site: Site) -> None:
    site.robots("User-agent: *\nCrawl-delay: 0.2")
    site.html("/", "/a", "/b")
    site.html("/a")
    site.html("/b")
    limits = CrawlLimits(max_pages=9, max_depth=1, max_bytes=10_000, max_seconds=0.5)
    state = CrawlState()
    # The sitemap, then pages: each after its delay, so that half a second is soon over.
    assert len(await read(site, limits=limits, state=state)) < 3
    assert state.stopped == "max_seconds"


async def test_what_a_page_asks_of_robots_is_kept(site: Site) -> None:
    noindex = '<meta name="ROBOTS" content="NoIndex, follow">'
    site.html("/", "/sans-index", "/sans-suite", "/rien", "/entete", "/autre", head="")
    site.html("/sans-index", "/trouvee", head=noindex)
    site.html("/sans-suite", "/perdue", head='<meta name="coccinellebot" content="nofollow">')
    site.html("/rien", "/perdue", head='<meta name="robots" content="none">')
    site.html("/entete", "/trouvee", X_Robots_Tag="noindex")
    site.html("/autre", X_Robots_Tag="googlebot: noindex, nofollow")
    site.html("/trouvee")
    site.html("/perdue")
    site.pages["/"] = (
        200,
        {},
        site.pages["/"][2].replace(b"</body>", b'<a rel="x NoFollow" href="/perdue">'),
    )
    state = CrawlState()
    assert set(paths(await read(site, state=state))) == {"", "sans-suite", "autre", "trouvee"}
    assert state.skipped_counts == {"noindex": 3}


async def test_links_count_from_the_base_of_the_page(site: Site) -> None:
    site.html("/", "vis\nage\t", head='<base href="/soins/">')
    site.html("/soins/visage")
    assert paths(await read(site)) == ["", "soins/visage"]


@pytest.mark.parametrize(
    ("bound", "limits"),
    [
        ("max_pages", CrawlLimits(7, 99, 10**7, 60)),
        ("max_bytes", CrawlLimits(99, 99, 30_000, 60)),
        (
            "max_seconds",
            CrawlLimits(99, 99, 10**7, 0.001),
        ),
    ],
)
async def test_a_calendar_without_end_ends_at_each_bound(
    site: Site, bound: str, limits: CrawlLimits
) -> None:
    site.html("/", "/agenda?jour=1")
    site.has_calendar = True
    state = CrawlState()
    pages = await read(site, limits=limits, state=state)
    assert state.stopped == bound
    assert len(pages) == state.pages_done <= 7
    assert state.bytes_done <= 30_000 + 70_000 * (bound != "max_bytes")


async def test_nothing_is_asked_for_when_all_bytes_are_spent(site: Site) -> None:
    site.html("/", "/a")
    site.html("/a")
    site.sitemap("/sitemap.xml")
    spent = sum(len(body) for _, _, body in (site.pages["/"], site.pages["/sitemap.xml"]))
    state = CrawlState()
    assert paths(await read(site, limits=CrawlLimits(9, 9, spent, 60), state=state)) == [""]
    assert (state.stopped, state.bytes_done) == ("max_bytes", spent)
    assert "/a" not in site.asked


async def test_a_single_page_needs_no_sitemap(site: Site) -> None:
    a_french_site(site)
    site.sitemap("/sitemap.xml", site.home + "soins")
    assert paths(await read(site, limits=CrawlLimits(9, 0, 10**6, 60))) == [""]
    assert site.asked == ["/robots.txt", "/"]


async def test_links_without_end_are_not_all_remembered(site: Site) -> None:
    site.html("/", "/agenda?jour=1")
    site.has_calendar = True
    state = CrawlState()
    await read(site, limits=CrawlLimits(5, 99, 10**7, 60), state=state)
    assert len(state.seen) == 5 * 10 + 100
    assert state.skipped_counts["too_many_links"] > 0


@pytest.mark.parametrize(("max_depth", "depths"), [(0, {0}), (1, {0, 1}), (2, {0, 1, 2})])
async def test_pages_that_are_too_deep_are_not_asked_for(
    site: Site, max_depth: int, depths: set[int]
) -> None:
    site.html("/", "/a")
    site.html("/a", "/b")
    site.html("/b", "/c")
    site.html("/c")
    pages = await read(site, limits=CrawlLimits(50, max_depth, 10**6, 60))
    assert {page.depth for page in pages} == depths
    assert len(site.asked_pages()) == len(depths)


async def test_redirects_stay_on_the_site(site: Site) -> None:
    www = f"http://www.institut.test:{site.port}/"
    site.html("/", "/www", "/dehors", "/boucle", "/ancien", "/soins")
    site.moves("/www", www + "nouveau")
    site.moves("/ancien", "/soins")
    site.moves("/dehors", f"http://ailleurs.test:{site.port}/dedans")
    site.moves("/boucle", "/boucle")
    site.html("/nouveau")
    site.html("/soins")
    site.html("/dedans")
    state = CrawlState()
    pages = await read(site, state=state)
    assert [page.url for page in pages] == [site.home, www + "nouveau", site.home + "soins"]
    assert site.asked.count("/soins") == 1
    assert "/dedans" not in site.asked
    assert state.skipped == [
        (site.home + "dehors", "redirect_refused"),
        (site.home + "boucle", "address_unreachable"),
    ]


async def test_one_page_under_two_addresses_is_read_once(site: Site) -> None:
    same = '<link rel="canonical" href="/soins">'
    site.html("/", "/soins", "/soins?tri=prix", "/copie", "/a", "/b", "/vers-b")
    site.html("/soins", head=same)
    site.html("/soins?tri=prix", head=same)
    site.raw("/copie", site.pages["/soins"][2].replace(same.encode(), b""), "text/html")
    site.raw("/a", b"<html>pareil", "text/html")
    site.raw("/b", b"<html>pareil", "text/html")
    site.moves("/vers-b", "/b")
    state = CrawlState()
    assert paths(await read(site, state=state)) == ["", "soins", "copie", "a"]
    assert state.skipped_counts == {"duplicate": 3}


async def test_a_canonical_address_that_is_the_home_page_or_elsewhere_is_not_believed(
    site: Site,
) -> None:
    site.html("/", "/soins", "/tarifs", "/forfaits", "/blog")
    site.html("/soins", head=f'<link rel="canonical" href="{site.home}">')
    site.html("/forfaits", head='<link rel="canonical" href="https://ailleurs.test/tarifs">')
    site.html("/tarifs", head='<link rel="canonical" href="https://ailleurs.test/tarifs">')
    site.html("/blog", head='<link rel="canonical" href="http://[">')
    assert paths(await read(site)) == ["", "soins", "tarifs", "forfaits", "blog"]


async def test_only_pages_and_pdf_are_documents(site: Site) -> None:
    site.html(
        "/", "/video", "/xhtml", "/sans-type", "/brochure", "/vide", "/texte", "/images/a.PNG"
    )
    site.raw("/video", b"x" * 2_000_000, "video/mp4")
    site.raw("/xhtml", b"<html xmlns='x'>bonjour</html>", "application/xhtml+xml")
    site.raw("/sans-type", b"<!doctype html><HTML>bonjour", "")
    site.raw("/brochure", PDF, "")
    site.raw("/vide", b"", "text/html")
    site.raw("/texte", b"<html>", "text/plain")
    state = CrawlState()
    pages = {page.url: page.media_type for page in await read(site, state=state)}
    html = ["", "xhtml", "sans-type"]
    assert pages == {site.home + path: "text/html" for path in html} | {
        site.home + "brochure": "application/pdf"
    }
    assert {reason for _, reason in state.skipped} == {"not_a_document"}
    assert len(state.skipped) == 3
    assert "/images/a.PNG" not in site.asked


async def test_a_page_that_is_too_large_or_broken_stops_nothing_else(site: Site) -> None:
    site.html("/", "/grande", "/interdite", "/cassee", "/partie", "/soins")
    site.raw("/grande", b"<html>" + b"x" * 1_000_001, "text/html")
    site.html("/interdite", status=403)
    site.html("/cassee", status=500)
    site.html("/partie", status=410)
    site.html("/soins")
    state = CrawlState()
    assert paths(await read(site, state=state)) == ["", "soins"]
    assert [reason for _, reason in state.skipped] == [
        "answer_too_large",
        "page_forbidden",
        "page_failed",
        "page_not_found",
    ]


async def test_a_busy_server_is_asked_once_more_if_it_says_when(site: Site) -> None:
    site.html("/", "/plus-tard", "/jamais", "/trop-tard", "/cassee")
    site.html("/cassee", status=500, Retry_After="0")
    site.html("/plus-tard", status=503, Retry_After="0")
    site.html("/jamais", status=429)
    site.html("/trop-tard", status=429, Retry_After="3600")
    state = CrawlState()
    await read(site, state=state)
    assert state.skipped_counts == {"page_busy": 3, "page_failed": 1}
    assert site.asked.count("/plus-tard") == 2
    assert [site.asked.count(path) for path in ("/jamais", "/trop-tard", "/cassee")] == [1, 1, 1]


async def test_of_a_thousand_dead_links_two_hundred_are_named(site: Site) -> None:
    site.html("/", *(f"/mort-{n}" for n in range(300)))
    state = CrawlState()
    await read(site, state=state)
    assert len(state.skipped) == 200
    assert state.skipped_counts["page_not_found"] == 300


async def test_a_site_without_one_page_says_why(site: Site) -> None:
    with pytest.raises(NotCrawled) as refused:
        await read(site)
    assert refused.value.code == "page_not_found"


@pytest.mark.parametrize(
    ("start", "error"),
    [("file:///etc/passwd", BadAddress), ("pas une adresse", BadAddress), ("http://[", BadAddress)]
    + [("http://user:pw@institut.test/", BadAddress), ("http://127.0.0.1/", Unreachable)],
)
async def test_a_start_that_is_no_address_of_ours_is_refused(
    site: Site, start: str, error: type[Invalid]
) -> None:
    async with reaching(site) as outgoing:
        with pytest.raises(error):
            await anext(crawl(start, outgoing=outgoing, limits=LIMITS))
        with pytest.raises(error):
            await fetch_page(start, outgoing=outgoing)
    assert site.asked == []


async def test_one_page_can_be_read_alone(site: Site) -> None:
    site.html("/soins?a=1", head='<meta name="robots" content="noindex">')
    async with reaching(site) as outgoing:
        page = await fetch_page(f"{site.home}soins?utm_medium=x&a=1#b", outgoing=outgoing)
    assert page.url == site.home + "soins?a=1"
    assert (page.depth, page.media_type, page.charset) == (0, "text/html", "utf-8")
    assert b"Page /soins" in page.body


async def test_one_page_that_cannot_be_read_says_why(site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /prive")
    site.html("/prive")
    site.raw("/film", b"x", "video/mp4")
    site.raw("/grande", b"x" * 1_000_001, "text/html")
    site.moves("/dehors", f"http://ailleurs.test:{site.port}/")
    reasons = {
        "/prive": (NotCrawled, "robots_disallowed"),
        "/absente": (NotCrawled, "page_not_found"),
        "/film": (NotCrawled, "not_a_document"),
        "/grande": (AnswerTooLarge, "answer_too_large"),
        "/dehors": (RedirectRefused, "redirect_refused"),
    }
    async with reaching(site) as outgoing:
        for path, (kind, code) in reasons.items():
            with pytest.raises(kind) as refused:
                await fetch_page(site.home + path[1:], outgoing=outgoing)
            assert refused.value.code == code


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Exemple.FR", "http://exemple.fr/"),
        ("https://exemple.fr:443/a#b", "https://exemple.fr/a"),
        ("https://exemple.fr/?UTM_Source=a&b=2&fbclid=c&a=1", "https://exemple.fr/?b=2&a=1"),
        ("https://exemple.fr/a?", "https://exemple.fr/a"),
        ("https://exemple.fr/a/../b c/é", "https://exemple.fr/b%20c/%C3%A9"),
        ("https://exemple.fr/a%2Fb", "https://exemple.fr/a%2Fb"),
        ("https://école.fr/", "https://xn--cole-9oa.fr/"),
    ],
)
def test_an_address_has_one_spelling(url: str, expected: str) -> None:
    assert normalised(url) == expected
    assert normalised(expected) == expected


def test_pages_are_one_or_two_by_their_addresses() -> None:
    one = ["http://exemple.fr/a", "https://www.exemple.fr/a/", "https://exemple.fr/a"]
    assert len({identity(url) for url in one}) == 1
    two = ["http://exemple.fr/a?x=1&y=2", "http://exemple.fr/a?y=2&x=1", "http://exemple.fr/A"]
    assert len({identity(url) for url in [*one, *two, "http://exemple.fr:81/a"]}) == 5


@pytest.mark.parametrize(
    ("media_type", "body", "kind"),
    [
        ("text/html", b"bonjour", "text/html"),
        ("", b"%PDF-1.7", "application/pdf"),
        ("text/plain", b"<html>", ""),
        ("application/octet-stream", b"%PDF-1.7", ""),
        ("", b"bonjour", ""),
    ],
)
def test_only_what_has_no_type_is_guessed(media_type: str, body: bytes, kind: str) -> None:
    assert kind_of(media_type, body) == kind


def test_hostile_pages_give_bounded_facts() -> None:
    many = b"".join(b'<a href="/%d">' % n for n in range(5_000))
    assert len(read_page(many, url="http://a.test/", charset="", robots_header="").links) == 2_000
    for body in (
        b"",
        b"\0" * 100,
        b"<" * 100_000,
        b"<div>" * 100_000,
        b"<a href='http://[::'>",
        b"\xff",
    ):
        facts = read_page(body, url="http://a.test/", charset="nonsense", robots_header=",:,")
        assert facts.links == ()
