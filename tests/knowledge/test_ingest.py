"""Ingestion: from what an owner gave to passages that are found, whatever stops it on the way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.jobs import OUTAGE_WAITS_SECONDS, queue, wait_seconds, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.knowledge import actions, store
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import (
    Document,
    NewSource,
    Question,
    Source,
    faq_source,
    file_source,
    text_source,
    web_source,
)
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.knowledge.paths import Ingested, ingest_paths
from coccinelle.knowledge.search import Passage, search
from coccinelle.providers.embeddings.model import EmbeddingUnavailable
from tests.embedder import WordEmbedder
from tests.knowledge.ingest_worker import Services, outgoing_to
from tests.knowledge.test_sources import agent

PRICES = "Prestation;Prix\nCoupe;25 €\nBrushing;18 €\nCouleur;45 €\n".encode()


async def added(db: Database, tenant: TenantId, new: NewSource) -> SourceId:
    async with db.tenant(tenant) as tx:
        return (await actions.add(tx, new)).source.id


async def seen(db: Database, tenant: TenantId, source_id: SourceId) -> Source:
    async with db.tenant(tenant) as tx:
        return await actions.get(tx, source_id)


async def documents(db: Database, tenant: TenantId, source_id: SourceId) -> list[Document]:
    async with db.tenant(tenant) as tx:
        return (await actions.documents(tx, source_id, limit=200))[0]


async def found(db: Database, tenant: TenantId, question: str) -> list[Passage]:
    vector = (await WordEmbedder().embed_queries([question]))[0]
    async with db.tenant(tenant) as tx:
        return await search(tx, question=question, vector=vector, agent_id=None, limit=3)


async def count(db: Database, tenant: TenantId, table: str) -> int:
    async with db.tenant(tenant) as tx:
        return int(await tx.value(f"SELECT count(*) FROM {table}"))


def faq(size: int, about: str = "un sujet") -> NewSource:
    pairs = [Question(f"Question {n} sur {about} ?", f"Réponse numéro {n}.") for n in range(size)]
    return faq_source(pairs, title=f"FAQ {about}")


async def test_a_file_is_found_by_its_own_tenant_only(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, file_source(PRICES, filename="tarifs.csv"))
    await run_ingest(Services(db), rivoli, source_id, 1)

    best = (await found(db, rivoli, "prix du brushing"))[0]
    assert ("18 €" in best.text, best.kind, best.title) == (True, "table_row", "Tarifs")
    assert await found(db, nordlys, "prix du brushing") == []
    source = await seen(db, rivoli, source_id)
    assert (source.state, source.live_generation) == ("ready", 1)
    assert (source.chunks_done, source.chunks_total) == (3, 3)


async def test_an_answer_of_a_faq_is_one_chunk_found_by_its_question(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    pairs = [Question("Livrez-vous en Belgique ?", "Oui."), Question("Et le dimanche ?", "Non.")]
    source_id = await added(db, rivoli, faq_source(pairs, title="Livraison"))
    await run_ingest(Services(db), rivoli, source_id, 1)

    best = (await found(db, rivoli, "livrez-vous en Belgique ?"))[0]
    assert (best.kind, best.question) == ("qa", "Livrez-vous en Belgique ?")
    assert best.question_dense is not None
    assert best.question_dense > 0.99
    assert await count(db, rivoli, "chunks") == 2
    assert await count(db, nordlys, "chunks") == 0


async def test_a_text_goes_by_the_title_that_its_owner_gave(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    new = text_source("# Autre titre\n\nOuvert le mardi.", title="Nos horaires")
    source_id = await added(db, rivoli, new)
    await run_ingest(Services(db), rivoli, source_id, 1)
    assert [d.title for d in await documents(db, rivoli, source_id)] == ["Nos horaires"]


async def test_a_bad_file_says_why_and_stops_nothing_else(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    bad = await added(db, rivoli, file_source(b"%PDF-1.7 not really", filename="devis.pdf"))
    good = await added(db, rivoli, file_source(PRICES, filename="tarifs.csv"))
    for source_id in (bad, good):
        await run_ingest(Services(db), rivoli, source_id, 1)

    failed = await seen(db, rivoli, bad)
    assert (failed.state, failed.failure_code) == ("failed", "unreadable_file")
    assert failed.live_generation is None
    assert (await seen(db, rivoli, good)).state == "ready"


async def test_the_values_of_a_reason_are_kept_with_it(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, file_source(PRICES, filename="tarifs.csv"))
    services = Services(db, parse_limits=ParseLimits(rows=2))
    await run_ingest(services, rivoli, source_id, 1)
    failed = await seen(db, rivoli, source_id)
    assert (failed.failure_code, failed.failure_values) == ("too_many_rows", {"max_rows": 2})


async def test_a_second_run_of_a_finished_generation_does_nothing(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(3))
    await run_ingest(Services(db), rivoli, source_id, 1)
    before = await seen(db, rivoli, source_id), await documents(db, rivoli, source_id)

    services = Services(db)
    await run_ingest(services, rivoli, source_id, 1)

    assert (await seen(db, rivoli, source_id), await documents(db, rivoli, source_id)) == before
    assert services.embedder.embedded == []


async def test_a_run_of_a_generation_that_is_not_asked_for_does_nothing(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(3))
    async with db.tenant(rivoli) as tx:
        await actions.reingest(tx, source_id)
    await run_ingest(Services(db), rivoli, source_id, 1)
    assert (await seen(db, rivoli, source_id)).state == "waiting"

    await run_ingest(Services(db), rivoli, source_id, 2)
    assert (await seen(db, rivoli, source_id)).live_generation == 2


async def test_another_tenants_run_cannot_touch_a_source(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(3))
    before = await seen(db, rivoli, source_id)
    await run_ingest(Services(db), nordlys, source_id, 1)
    assert await seen(db, rivoli, source_id) == before
    assert await count(db, nordlys, "chunks") == 0


class OnEmbedding(WordEmbedder):
    """Does something else each time that it is asked for passages."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def embed_passages(self, texts):  # type: ignore[no-untyped-def]
        self.reached.set()
        await self.go_on.wait()
        return await super().embed_passages(texts)


async def test_the_old_version_answers_until_the_new_one_is_whole(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with site({"/": page("Accueil", "Nous sommes fermés le lundi.")}) as web:
        source_id = await added(db, rivoli, web_source("page", web.url))
        await run_ingest(web.services(db), rivoli, source_id, 1)
        web.pages["/"] = page("Accueil", "Nous sommes fermés le jeudi.")
        async with db.tenant(rivoli) as tx:
            await actions.reingest(tx, source_id)
        slow = OnEmbedding()
        running = asyncio.create_task(
            run_ingest(replace(web.services(db), embedder=slow), rivoli, source_id, 2)
        )
        await slow.reached.wait()
        during = await seen(db, rivoli, source_id), await found(db, rivoli, "fermés quel jour")
        slow.go_on.set()
        await running
    after = await found(db, rivoli, "fermés quel jour")

    assert (during[0].state, during[0].generation, during[0].live_generation) == ("embedding", 2, 1)
    assert ["lundi" in p.text for p in during[1]] == [True]
    assert ["jeudi" in p.text for p in after] == [True]


async def test_a_new_version_that_fails_leaves_the_old_one_answering(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with site({"/": page("Accueil", "Nous sommes fermés le lundi.")}) as web:
        source_id = await added(db, rivoli, web_source("page", web.url))
        await run_ingest(web.services(db), rivoli, source_id, 1)
        web.pages.clear()
        async with db.tenant(rivoli) as tx:
            await actions.reingest(tx, source_id)
        await run_ingest(web.services(db), rivoli, source_id, 2)

    source = await seen(db, rivoli, source_id)
    assert (source.state, source.failure_code) == ("failed", "page_not_found")
    assert source.live_generation == 1
    assert len(await found(db, rivoli, "fermés quel jour")) == 1


async def test_a_source_deleted_or_asked_for_anew_ends_the_run_under_way(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    for verb in (actions.remove, actions.reingest):
        source_id = await added(db, rivoli, faq(3, about=verb.__name__))
        slow = OnEmbedding()
        running = asyncio.create_task(run_ingest(Services(db, embedder=slow), rivoli, source_id, 1))
        await slow.reached.wait()
        async with db.tenant(rivoli) as tx:
            await verb(tx, source_id)
        slow.go_on.set()
        await running
        assert await count(db, rivoli, "chunks") == 0


async def test_tags_changed_while_it_is_built_count_when_it_answers(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    carole = await agent(db, rivoli, "carole")
    source_id = await added(db, rivoli, faq(1))
    slow = OnEmbedding()
    running = asyncio.create_task(run_ingest(Services(db, embedder=slow), rivoli, source_id, 1))
    await slow.reached.wait()
    async with db.tenant(rivoli) as tx:
        await actions.retag(tx, source_id, agents=["carole"])
    slow.go_on.set()
    await running
    assert [p.agent_ids for p in await found(db, rivoli, "question")] == [(carole,)]


async def test_of_two_who_ingest_at_once_one_works_and_both_see_the_end(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(40))
    second = Services(db)
    told: list[tuple[int, int]] = []
    slow = OnEmbedding()
    one = asyncio.create_task(run_ingest(Services(db, embedder=slow), rivoli, source_id, 1))
    await slow.reached.wait()
    two = asyncio.create_task(
        run_ingest(second, rivoli, source_id, 1, lambda *progress: told.append(progress))
    )
    await asyncio.sleep(0.1)
    slow.go_on.set()
    await asyncio.gather(one, two)

    assert second.embedder.passages == []
    assert told[0] == (0, 40)
    assert (await seen(db, rivoli, source_id)).state == "ready"
    assert await count(db, rivoli, "chunks") == 40


async def test_progress_is_saved_and_told_at_each_batch(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(70))
    told: list[tuple[int, int]] = []
    await run_ingest(Services(db), rivoli, source_id, 1, lambda *step: told.append(step))
    assert told == [(0, 70), (32, 70), (64, 70), (70, 70)]


async def test_what_was_embedded_is_not_embedded_again(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(40))
    await run_ingest(Services(db), rivoli, source_id, 1)
    async with db.tenant(rivoli) as tx:
        await actions.reingest(tx, source_id)
    services = Services(db)
    await run_ingest(services, rivoli, source_id, 2)
    assert services.embedder.passages == []

    elsewhere = await added(db, nordlys, faq(40))
    await run_ingest(services, nordlys, elsewhere, 1)
    assert len(services.embedder.passages) == 40


async def test_an_embedder_that_is_down_keeps_the_source_waiting_and_what_was_done(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(70))
    services = Services(db)

    def stop_after_a_batch(done: int, total: int) -> None:
        services.embedder.is_down = done == 32

    with pytest.raises(EmbeddingUnavailable):
        await run_ingest(services, rivoli, source_id, 1, stop_after_a_batch)
    waiting = await seen(db, rivoli, source_id)
    assert (waiting.state, waiting.chunks_done) == ("embedding", 32)

    again = Services(db)
    await run_ingest(again, rivoli, source_id, 1)
    assert (await seen(db, rivoli, source_id)).state == "ready"
    assert len(again.embedder.passages) == 70 - 32


async def test_the_threshold_is_learnt_once_after_the_last_of_several_sources(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    ids = [await added(db, rivoli, faq(40, about=f"le sujet {n}")) for n in range(2)]
    other = await added(db, nordlys, faq(5))  # Another tenant's source is not waited for.
    learnt = []
    for source_id in ids:
        await run_ingest(Services(db), rivoli, source_id, 1)
        async with db.tenant(rivoli) as tx:
            known = await store.threshold(tx)
        learnt.append(known.calibrated_from if known else None)
    assert learnt == [0, 80]
    assert (await seen(db, nordlys, other)).state == "waiting"


async def test_a_threshold_that_could_not_be_learnt_is_learnt_by_the_next_run(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, faq(40))
    services = Services(db)

    def fall_silent(done: int, total: int) -> None:
        services.embedder.is_down = done == total

    await run_ingest(services, rivoli, source_id, 1, fall_silent)
    assert (await seen(db, rivoli, source_id)).state == "ready"
    async with db.tenant(rivoli) as tx:
        assert await store.uncalibrated(tx) is not None

    await run_ingest(Services(db), rivoli, source_id, 1)
    async with db.tenant(rivoli) as tx:
        assert await store.uncalibrated(tx) is None


# Pages and sites.


async def test_a_site_is_read_page_by_page_and_a_bad_page_says_why(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    links = '<a href="/prix">Prix</a> <a href="/vide">Vide</a> <a href="/perdu">Perdu</a>'
    pages = {
        "/": page("Accueil", f"Bienvenue au salon. {links}"),
        "/prix": page("Prix", "La coupe est à vingt-cinq euros, brushing compris."),
        "/vide": b"<html><title>Vide</title><body></body></html>",
    }
    async with site(pages) as web:
        source_id = await added(db, rivoli, web_source("site", web.url))
        await run_ingest(web.services(db), rivoli, source_id, 1)

    source = await seen(db, rivoli, source_id)
    assert (source.state, source.pages) == ("ready", 3)
    read = {d.url: d for d in await documents(db, rivoli, source_id)}
    reasons = {url.removeprefix(web.url): d.failure_code for url, d in read.items() if url}
    assert reasons == {"": None, "prix": None, "vide": "no_text", "perdu": "page_not_found"}
    best = (await found(db, rivoli, "prix de la coupe"))[0]
    assert (best.url, best.title) == (f"{web.url}prix", "Prix")
    assert await count(db, rivoli, "crawled_pages") == 0
    assert await count(db, nordlys, "chunks") == 0


async def test_a_page_is_read_in_the_encoding_that_its_server_says(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    body = page("Święta", "Zamknięte w święta, otwarte w piątki.").decode().encode("iso-8859-2")
    async with site({"/": body}, content_type="text/html; charset=iso-8859-2") as web:
        source_id = await added(db, rivoli, web_source("page", web.url))
        await run_ingest(web.services(db), rivoli, source_id, 1)
    assert "Zamknięte w święta" in (await found(db, rivoli, "zamknięte"))[0].text


async def test_a_site_that_nobody_answers_for_fails_in_words(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    source_id = await added(db, rivoli, web_source("site", "http://127.0.0.1:9/"))
    await run_ingest(Services(db), rivoli, source_id, 1)
    source = await seen(db, rivoli, source_id)
    assert (source.state, source.failure_code) == ("failed", "bad_address")


async def test_a_crawl_goes_on_where_it_stopped(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    names = [f"/p{n}" for n in range(6)]
    links = " ".join(f'<a href="{name}">{name}</a>' for name in names)
    pages = {"/": page("Accueil", f"Bienvenue. {links}")}
    pages |= {name: page(name, f"Ceci est la page {name} de notre site.") for name in names}
    async with site(pages) as web:
        source_id = await added(db, rivoli, web_source("site", web.url))
        web.stops_at = "/p3"
        running = asyncio.create_task(run_ingest(web.services(db), rivoli, source_id, 1))
        assert await asyncio.to_thread(web.stopped.wait, 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await count(db, rivoli, "crawled_pages") == 4
        asked_before, web.stops_at = list(web.asked), ""
        web.asked.clear()
        web.resume.set()
        await run_ingest(web.services(db), rivoli, source_id, 1)

    assert [path for path in web.asked if path in pages] == ["/p3", "/p4", "/p5"]
    assert asked_before.count("/p0") == 1
    assert (await seen(db, rivoli, source_id)).pages == 7
    assert await count(db, rivoli, "documents") == 7


async def test_a_page_that_was_fetched_is_not_fetched_again(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with site({"/": page("Accueil", "Nous sommes fermés le lundi.")}) as web:
        source_id = await added(db, rivoli, web_source("page", web.url))
        down = web.services(db)
        down.embedder.is_down = True
        with pytest.raises(EmbeddingUnavailable):
            await run_ingest(down, rivoli, source_id, 1)
        async with db.tenant(rivoli) as tx:  # As if it had been killed as soon as it had the page.
            await tx.run("UPDATE crawls SET finished_at = NULL")
        web.asked.clear()
        await run_ingest(web.services(db), rivoli, source_id, 1)
    assert web.asked == []
    assert await count(db, rivoli, "documents") == 1


async def test_the_values_of_a_bad_pages_reason_are_kept_with_it(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    pages = {
        "/": page("Accueil", 'Bienvenue. <a href="/long">Tout savoir</a>'),
        "/long": page("Long", "Nous sommes fermés le lundi. " * 20),
    }
    async with site(pages) as web:
        source_id = await added(db, rivoli, web_source("site", web.url))
        services = replace(web.services(db), parse_limits=ParseLimits(chars=200))
        await run_ingest(services, rivoli, source_id, 1)
    failed = [d for d in await documents(db, rivoli, source_id) if d.failure_code]
    assert [(d.url, d.failure_code, d.failure_values) for d in failed] == [
        (f"{web.url}long", "file_too_long", {"max_chars": 200})
    ]


# Death and outage.


async def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    db: Database, rivoli: TenantId, nordlys: TenantId, addresses: Addresses
) -> None:
    size, moments = 40, 45
    ids = [await added(db, rivoli, faq(size, about=f"le sujet {n}")) for n in range(moments)]
    command = [sys.executable, "-m", "tests.knowledge.ingest_worker", "die", addresses.login]
    ends = await asyncio.to_thread(
        subprocess.run,
        [*command, str(rivoli), *map(str, ids)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    fates = ends.stdout.split()
    assert fates.count("killed") > 15
    assert fates[-1] == "lived"

    async with db.tenant(rivoli) as tx:  # The leases of the dead have run out.
        await tx.run("UPDATE sources SET held_until = NULL")
    for source_id in ids:
        await run_ingest(Services(db), rivoli, source_id, 1)

    async with db.tenant(rivoli) as tx:
        chunks = await tx.value(
            "SELECT array_agg(n) FROM (SELECT count(*) AS n FROM chunks GROUP BY source_id) c"
        )
        vectors = await tx.value("SELECT count(*) FROM chunk_vectors")
        states = await tx.value("SELECT array_agg(DISTINCT state) FROM sources")
    assert chunks == [size] * moments
    assert vectors == 2 * size * moments
    assert states == ["ready"]
    assert await count(db, nordlys, "chunks") == 0


async def test_a_worker_that_is_killed_is_replaced_by_the_next(
    db: Database, rivoli: TenantId, nordlys: TenantId, addresses: Addresses
) -> None:
    clear_queue(addresses)
    about = f"un sujet qui n'est qu'à ce test, {uuid4()}"
    source_id = await added(db, rivoli, faq(200, about))
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.knowledge.ingest_worker", "work", addresses.login),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        while (await seen(db, rivoli, source_id)).chunks_done == 0:
            assert worker.returncode is None
            await asyncio.sleep(0.02)
    finally:
        worker.kill()
        await worker.wait()
    caught = await seen(db, rivoli, source_id)
    assert (caught.state, caught.live_generation) == ("embedding", None)

    async with db.tenant(rivoli) as tx:  # Its lease runs out, ...
        await tx.run("UPDATE sources SET held_until = NULL")
    services = Services(db)
    async with queue(addresses.login) as app:
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=0):
            await app.job_manager.retry_job(job)  # ... and its job is rescued.
        await work(app, services, concurrency=1, until_idle=True)

    assert (await seen(db, rivoli, source_id)).state == "ready"
    assert await count(db, rivoli, "chunks") == 200
    anew = [text for text in services.embedder.passages if about in text]
    assert len(anew) <= 200 - caught.chunks_done
    assert jobs_left(addresses) == []


async def test_a_job_waits_for_an_embedder_that_is_down_and_is_not_lost(
    db: Database, rivoli: TenantId, nordlys: TenantId, addresses: Addresses
) -> None:
    clear_queue(addresses)
    source_id = await added(db, rivoli, faq(3))
    services = Services(db)
    services.embedder.is_down = True
    async with queue(addresses.login) as app:
        await work(app, services, concurrency=1, until_idle=True)
        assert (await seen(db, rivoli, source_id)).state == "embedding"
        assert jobs_left(addresses) == [("todo", 1)]

        services.embedder.is_down = False
        come_later(addresses, attempts=1)
        await work(app, services, concurrency=1, until_idle=True)
    assert (await seen(db, rivoli, source_id)).state == "ready"
    assert jobs_left(addresses) == []


async def test_after_the_last_try_a_source_says_why_and_can_be_asked_for_again(
    db: Database, rivoli: TenantId, nordlys: TenantId, addresses: Addresses
) -> None:
    clear_queue(addresses)
    source_id = await added(db, rivoli, faq(3))
    services = Services(db)
    services.embedder.is_down = True
    come_later(addresses, attempts=len(OUTAGE_WAITS_SECONDS))
    async with queue(addresses.login) as app:
        await work(app, services, concurrency=1, until_idle=True)
        failed = await seen(db, rivoli, source_id)
        assert (failed.state, failed.failure_code) == ("failed", "embedding_unavailable")

        services.embedder.is_down = False
        async with db.tenant(rivoli) as tx:
            await actions.reingest(tx, source_id)
        await work(app, services, concurrency=1, until_idle=True)
    assert (await seen(db, rivoli, source_id)).state == "ready"
    clear_queue(addresses)


@pytest.mark.parametrize(
    ("error", "tries"),
    [(RuntimeError(), 3), (Unavailable(), 8), (EmbeddingUnavailable(), 8)],
)
def test_what_breaks_is_tried_thrice_and_what_is_down_is_waited_for(
    error: Exception, tries: int
) -> None:
    waits = [wait_seconds(error, attempts=attempts) for attempts in range(tries)]
    assert waits[-1] is None
    assert None not in waits[:-1]
    assert waits[:-1] == sorted(w for w in waits if w is not None)


def test_a_job_that_a_shutdown_interrupts_goes_on_at_once() -> None:
    assert wait_seconds(asyncio.CancelledError(), attempts=50) == 0


# A command line.


async def test_files_folders_and_addresses_are_ingested_one_after_the_other(
    db: Database, rivoli: TenantId, nordlys: TenantId, tmp_path: Path
) -> None:
    (tmp_path / "docs" / ".git").mkdir(parents=True)
    (tmp_path / "docs" / ".git" / "config").write_text("rien")
    (tmp_path / "docs" / "tarifs.csv").write_bytes(PRICES)
    (tmp_path / "docs" / "vide.txt").write_bytes(b"")
    (tmp_path / "docs" / "copie.csv").write_bytes(PRICES)
    told: list[tuple[str, int, int]] = []
    async with site({"/horaires": page("Horaires", "Ouvert du mardi au samedi.")}) as web:
        results = [
            result
            async for result in ingest_paths(
                web.services(db),
                rivoli,
                [str(tmp_path / "docs"), f"{web.url}horaires", str(tmp_path / "absent.pdf")],
                max_bytes=1_000_000,
                told=lambda *step: told.append(step),
            )
        ]

    assert [summary(result) for result in results] == [
        ("copie.csv", "ready", "added", None),
        ("tarifs.csv", "ready", "known", None),
        ("vide.txt", "failed", "added", "empty_file"),
        ("horaires", "ready", "added", None),
        ("absent.pdf", None, "known", "file_not_found"),
    ]
    assert told[-1] == (f"{web.url}horaires", 1, 1)
    assert await count(db, nordlys, "sources") == 0


async def test_a_page_that_is_given_again_is_read_anew(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    became = []
    async with site({"/horaires": page("Horaires", "Ouvert du mardi au samedi.")}) as web:
        for _ in range(2):
            async for result in ingest_paths(
                web.services(db),
                rivoli,
                [f"{web.url}horaires"],
                max_bytes=1_000_000,
                told=lambda *_: None,
            ):
                assert result.source is not None
                became.append((result.became, result.source.live_generation))

    assert became == [("added", 1), ("read_again", 2)]
    assert await count(db, rivoli, "sources") == 1
    assert await count(db, nordlys, "sources") == 0


async def test_a_file_larger_than_allowed_is_not_read(
    db: Database, rivoli: TenantId, nordlys: TenantId, tmp_path: Path
) -> None:
    (tmp_path / "gros.txt").write_bytes(b"a" * 2_000_001)
    paths = ingest_paths(
        Services(db), rivoli, [str(tmp_path)], max_bytes=2_000_000, told=lambda *_: None
    )
    results = [result async for result in paths]
    assert [r.failure.code for r in results if r.failure] == ["file_too_large"]
    assert await count(db, rivoli, "sources") == 0


def summary(result: Ingested) -> tuple[str, str | None, str, str | None]:
    name = result.name.rsplit("/", 1)[-1]
    state = result.source.state if result.source else None
    return name, state, result.became, result.failure.code if result.failure else None


def queue_of(addresses: Addresses) -> psycopg.Connection:
    return psycopg.connect(addresses.owner, autocommit=True, options="-c search_path=procrastinate")


def clear_queue(addresses: Addresses) -> None:
    """Other tests of this process left jobs of their own."""
    with queue_of(addresses) as connection:
        connection.execute("DELETE FROM procrastinate_jobs")


def jobs_left(addresses: Addresses) -> list[tuple[str, int]]:
    with queue_of(addresses) as connection:
        return connection.execute(
            "SELECT status::text, attempts FROM procrastinate_jobs"
            " WHERE task_name = 'ingest_source'"
        ).fetchall()


def come_later(addresses: Addresses, *, attempts: int) -> None:
    """As if the time to try again had come, after that many attempts."""
    with queue_of(addresses) as connection:
        connection.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL, attempts = %s", [attempts]
        )


def page(title: str, text: str) -> bytes:
    return (
        f"<html><head><title>{title}</title></head><body><main><h1>{title}</h1>"
        f"<p>{text}</p></main></body></html>"
    ).encode()


@dataclass
class Site:
    """A web server on loopback. It may be told to keep the one who asks for a page waiting."""

    pages: dict[str, bytes]
    content_type: str
    url: str = ""
    asked: list[str] = field(default_factory=list)
    stops_at: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)

    def services(self, db: Database) -> Services:
        return Services(db, outgoing=outgoing_to(self.url.split("/")[2]))


@asynccontextmanager
async def site(
    pages: dict[str, bytes], *, content_type: str = "text/html; charset=utf-8"
) -> AsyncIterator[Site]:
    web = Site(pages, content_type)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(web))
    web.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.resume.set()
        server.shutdown()
        server.server_close()


def handler(web: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            if self.path == web.stops_at:
                web.stopped.set()
                web.resume.wait(60)
                return
            body = web.pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", web.content_type)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    return Handler
