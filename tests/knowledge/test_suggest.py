"""What a site says of its business is proposed with its source, and nothing is written."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coccinelle.foundation.outgoing import BadAddress, Outgoing, Unreachable
from coccinelle.knowledge.crawl import NotCrawled
from coccinelle.knowledge.suggest import Suggestion, suggest
from coccinelle.providers.language.model import ModelCall
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.model import Deadlines, Endpoint
from coccinelle.providers.wire import Wire
from tests.scripted_llm import Say, ScriptedLLM

SITES = Path("tests/evals/exam/sites")
SCHEMA = {
    "@context": "https://schema.org",
    "@graph": [
        {"@type": "WebSite", "name": "Accueil", "url": "https://dupont.example"},
        {
            "@type": ["Plumber", "LocalBusiness"],
            "name": "Dupont & Fils",
            "telephone": "+33 2 40 11 22 33",
            "email": "mailto:contact@dupont.example",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": "5 rue des Forges",
                "postalCode": "44100",
                "addressLocality": "Nantes",
            },
            "openingHoursSpecification": [
                {
                    "@type": "OpeningHoursSpecification",
                    "dayOfWeek": ["Monday", "https://schema.org/Tuesday"],
                    "opens": "08:00",
                    "closes": "12:00",
                },
                {
                    "@type": "OpeningHoursSpecification",
                    "dayOfWeek": "Monday",
                    "opens": "14:00",
                    "closes": "18:00",
                },
                {
                    "@type": "OpeningHoursSpecification",
                    "dayOfWeek": "Sunday",
                    "opens": "10:00",
                    "closes": "12:00",
                    "validFrom": "2026-12-01",
                    "validThrough": "2026-12-31",
                },
            ],
            "hasOfferCatalog": {
                "@type": "OfferCatalog",
                "itemListElement": [
                    {
                        "@type": "Offer",
                        "itemOffered": {"@type": "Service", "name": "Débouchage"},
                        "price": "89.50",
                        "priceCurrency": "EUR",
                    }
                ],
            },
        },
    ],
}
MICRODATA = """
<div itemscope itemtype="https://schema.org/HairSalon">
  <span itemprop="name">Salon Hélène</span>
  <span itemprop="telephone">01 99 00 55 66</span>
  <div itemprop="address" itemscope itemtype="https://schema.org/PostalAddress">
    <span itemprop="streetAddress">8 place du Marché</span>
    <span itemprop="postalCode">35000</span> <span itemprop="addressLocality">Rennes</span>
  </div>
  <time itemprop="openingHours" datetime="Tu-Sa 09:30-19:00">du mardi au samedi</time>
</div>
"""
FOOTER = """
<footer><div class="cols"><p>Boulangerie Marchand<br>3 quai de la Loire, 49400 Saumur</p>
<ul><li>Tél. 02 41 55 66 77</li><li>Du lundi au samedi : 7h - 19h30</li></ul></div></footer>
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def proposed(folder: Path, **more: object) -> Suggestion:
    with served(folder) as host:
        outgoing = Outgoing(allow=frozenset({host}), max_bytes=2_000_000, timeout_seconds=10)
        try:
            return await suggest(outgoing, f"http://{host}/", **more)  # type: ignore[arg-type]
        finally:
            await outgoing.aclose()


def written(folder: Path, body: str, head: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    html = f"<html><head><title>Accueil</title>{head}</head><body>{body}</body></html>"
    (folder / "index.html").write_text(html, "utf-8")
    return folder


@pytest.fixture(scope="module")
async def salon() -> Suggestion:
    return await proposed(SITES / "salon")


async def test_a_business_is_read_off_its_pages(salon: Suggestion) -> None:
    assert salon.name is not None
    assert salon.name.value == "Atelier Mèche"
    assert salon.email is not None
    assert salon.email.value.endswith("@atelier-meche.example")
    assert salon.phone is not None
    assert salon.phone.value in ("0240351820", "0240358120")
    assert salon.address is not None
    assert salon.address.value == "14 rue Crébillon, 44000 Nantes"
    assert len(salon.pages) <= 8


async def test_hours_come_by_weekday_and_a_summer_is_not_the_usual_week(
    salon: Suggestion,
) -> None:
    week = {opening.weekday: (opening.opens, opening.closes) for opening in salon.hours}

    assert set(week) == {2, 3, 4, 5, 6}
    assert week[2] == (time(9), time(19))
    assert salon.closed_days == (1, 7)


async def test_services_come_with_their_prices_in_cents(salon: Suggestion) -> None:
    priced = {one.name: (one.price_cents, one.at_least) for one in salon.services}

    assert priced["Coupe femme"] == (4200, False)
    assert priced["Coupe femme et brushing"] == (5800, False)
    assert priced["Balayage"] == (7500, True)
    assert len(salon.services) > 12


async def test_every_value_stands_on_the_page_that_it_names(salon: Suggestion) -> None:
    found = [salon.phone, salon.email, salon.address, *salon.hours, *salon.services]

    for one in found:
        assert one is not None
        assert one.url in salon.pages
        assert one.excerpt
    phone = salon.phone
    assert phone is not None
    assert "02 40 35" in phone.excerpt


async def test_what_is_marked_up_goes_first(tmp_path: Path) -> None:
    script = f'<script type="application/ld+json">{json.dumps(SCHEMA)}</script>'
    text = "<p>Tél. 02 99 99 99 99. Ouvert le lundi de 6h à 7h.</p>"
    found = await proposed(written(tmp_path, text, script))

    assert found.name is not None
    assert (found.name.value, found.name.excerpt) == ("Dupont & Fils", "name: Dupont & Fils")
    assert found.phone is not None
    assert found.phone.value == "+33 2 40 11 22 33"
    assert found.email is not None
    assert found.email.value == "contact@dupont.example"
    assert found.address is not None
    assert found.address.value == "5 rue des Forges, 44100 Nantes"
    assert [(o.weekday, o.opens.hour, o.closes.hour) for o in found.hours] == [
        (1, 8, 12),
        (1, 14, 18),
        (2, 8, 12),
    ]
    assert [(s.name, s.price_cents) for s in found.services] == [("Débouchage", 8950)]


async def test_microdata_is_read(tmp_path: Path) -> None:
    found = await proposed(written(tmp_path, MICRODATA))

    assert found.name is not None
    assert found.name.value == "Salon Hélène"
    assert found.phone is not None
    assert found.phone.value == "01 99 00 55 66"
    assert found.address is not None
    assert found.address.value == "8 place du Marché, 35000 Rennes"
    assert [o.weekday for o in found.hours] == [2, 3, 4, 5, 6]
    assert found.hours[0].opens == time(9, 30)


async def test_a_footer_is_read(tmp_path: Path) -> None:
    page = f"<h1>Nos pains</h1><p>Pétris chaque nuit.</p>{FOOTER}"
    meta = '<meta property="og:site_name" content="Boulangerie Marchand">'
    found = await proposed(written(tmp_path, page, meta))

    assert found.name is not None
    assert found.name.value == "Boulangerie Marchand"
    assert found.phone is not None
    assert (found.phone.value, found.phone.excerpt) == ("0241556677", "Tél. 02 41 55 66 77")
    assert found.address is not None
    assert found.address.value == "3 quai de la Loire, 49400 Saumur"
    assert [o.weekday for o in found.hours] == [1, 2, 3, 4, 5, 6]
    assert found.hours[0].closes == time(19, 30)


async def test_a_link_to_call_or_write_is_enough(tmp_path: Path) -> None:
    page = '<p>Bonjour</p><a href="tel:+33241556677">Appeler</a>'
    page += '<a href="mailto:Bonjour@pain.example?subject=Salut">Écrire</a>'
    found = await proposed(written(tmp_path, page))

    assert found.phone is not None
    assert found.phone.value == "0241556677"
    assert found.email is not None
    assert found.email.value == "bonjour@pain.example"


async def test_a_site_that_says_nothing_proposes_nothing(tmp_path: Path) -> None:
    found = await proposed(written(tmp_path, "<p>En construction.</p>"))

    assert (found.phone, found.email, found.address, found.tone) == (None, None, None, None)
    assert (found.hours, found.services) == ((), ())


@pytest.mark.parametrize(
    "script",
    ["{", "[[[[", '{"@type": "LocalBusiness", "telephone": {"a": []}, "name": 5}', "null", '"x"'],
)
async def test_markup_that_makes_no_sense_does_no_harm(tmp_path: Path, script: str) -> None:
    head = f'<script type="application/ld+json">{script}</script>'
    found = await proposed(written(tmp_path, "<p>Tél. 02 41 55 66 77</p>", head))

    assert found.phone is not None
    assert found.phone.value == "0241556677"


async def test_at_most_eight_pages_are_read(tmp_path: Path) -> None:
    links = "".join(f'<a href="/page{n}.html">Page {n}</a>' for n in range(30))
    written(tmp_path, f"<p>Bonjour</p>{links}<a href='/contact.html'>Contact</a>")
    for name in [*(f"page{n}" for n in range(30)), "contact"]:
        (tmp_path / f"{name}.html").write_text(f"<html><body><p>{name}</p></body></html>")
    found = await proposed(tmp_path)

    assert len(found.pages) == 8
    assert found.pages[1].endswith("/contact.html")


async def test_a_site_that_may_not_be_read_is_not(tmp_path: Path) -> None:
    written(tmp_path, "<p>Tél. 02 41 55 66 77</p>")
    (tmp_path / "robots.txt").write_text("User-agent: *\nDisallow: /\n")

    with pytest.raises(NotCrawled) as refused:
        await proposed(tmp_path)
    assert refused.value.code == "robots_disallowed"


@pytest.mark.parametrize("url", ["ftp://a.example", "http://u:p@a.example/", "javascript:alert(1)"])
async def test_an_address_of_another_kind_is_refused(url: str) -> None:
    outgoing = Outgoing(max_bytes=1_000_000, timeout_seconds=5)
    with pytest.raises(BadAddress):
        await suggest(outgoing, url)
    await outgoing.aclose()


async def test_what_is_not_public_is_not_reached(tmp_path: Path) -> None:
    written(tmp_path, "<p>Secret</p>")
    with served(tmp_path) as host:
        outgoing = Outgoing(max_bytes=1_000_000, timeout_seconds=5)
        for url in (f"http://{host}/", host, "http://169.254.169.254/latest/meta-data/"):
            with pytest.raises((Unreachable, BadAddress)):
                await suggest(outgoing, url)
        await outgoing.aclose()


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


@pytest.mark.parametrize(
    ("quote", "is_kept"),
    [("Enfin un salon où l'on écoute ce que je demande.", True), ("Achetez vite !", False)],
)
async def test_the_tone_is_kept_only_with_words_of_the_site(
    llm: ScriptedLLM, quote: str, is_kept: bool
) -> None:
    answer = json.dumps({"tone": "Vouvoiement chaleureux.", "quote": quote}, ensure_ascii=False)
    llm.script(Say(answer), model="m")
    wire, calls = Wire(), list[ModelCall]()
    model = OpenAICompatible(
        wire, Endpoint(llm.base_url, "k"), "m", task="suggest", deadlines=Deadlines(5, 5, 5)
    )
    found = await proposed(SITES / "salon", model=model, calls=calls)
    await wire.aclose()

    assert (found.tone is not None) == is_kept
    assert len(calls) == 1
    if found.tone is not None:
        assert found.tone.excerpt == quote
