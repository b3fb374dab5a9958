"""The child process: what it gives back, what it knows, and how it goes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal

import pytest

from coccinelle.knowledge.parsing import ParseFailed, ParseLimits, parse, process
from coccinelle.knowledge.parsing.process import _environment
from coccinelle.knowledge.parsing.wire import decode_answer, encode_crash
from tests.knowledge.parsing import makers
from tests.knowledge.parsing.processes import forking, reading

PATIENT = ParseLimits(wall_seconds=120, cpu_seconds=100, ocr_seconds=100)


@pytest.mark.parametrize(
    ("data", "filename"),
    [
        (makers.word(), "a.docx"),
        (makers.pdf(), "a.pdf"),
        (makers.old_workbook(), "a.xls"),
        ("Été ; à Noël\n\U0001f600".encode(), "a.txt"),
    ],
)
async def test_the_child_gives_what_the_parser_gives(data: bytes, filename: str) -> None:
    found = await parse(data, filename=filename, media_type=None, limits=ParseLimits())

    assert found == makers.parsed(data, filename)


async def test_the_media_type_decides_where_the_name_says_nothing() -> None:
    found = await parse(
        b"Nom;Prix\nPneu;25\n", filename="telecharger", media_type="text/csv", limits=ParseLimits()
    )

    assert makers.texts(found, "table_row") == ["Nom : Pneu ; Prix : 25"]


async def test_cancelling_kills_the_child_and_nobody_else() -> None:
    cancelled, other = (
        asyncio.create_task(
            parse(makers.scanned_pdf(pages), filename="a.pdf", media_type=None, limits=PATIENT)
        )
        for pages in (3, 1)
    )
    while len(reading()) < 2:  # noqa: ASYNC110 (it has no event to wait for)
        await asyncio.sleep(0.01)
    [forks] = forking()

    first, _ = sorted(reading())
    os.kill(first, signal.SIGSTOP)  # It will not end by itself.
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(cancelled, timeout=60)
    await asyncio.wait_for(gone(first), timeout=10)

    assert (await other).unread_pages == 0
    assert forking() == [forks]


async def gone(process: int) -> None:
    while process in reading():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_who_is_killed_takes_no_other_file_along() -> None:
    limits = ParseLimits(wall_seconds=20)
    killed, other = (
        asyncio.create_task(
            parse(makers.scanned_pdf(), filename="a.pdf", media_type=None, limits=limits)
        )
        for _ in range(2)
    )
    while len(reading()) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    os.kill(min(reading()), signal.SIGKILL)
    with pytest.raises(ParseFailed) as refused:
        await killed

    assert refused.value.code == "file_too_complex"
    assert (await other).unread_pages == 0


async def test_when_the_process_that_forks_was_killed_there_is_another() -> None:
    await parse(b"Bonjour.", filename="a.txt", media_type=None, limits=ParseLimits())
    [before] = forking()
    os.kill(before, signal.SIGKILL)
    while forking():  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    found = await parse(b"Bonsoir.", filename="a.txt", media_type=None, limits=ParseLimits())

    assert [section.text for section in found.sections] == ["Bonsoir."]
    assert forking() != [before]


async def test_one_process_forks_for_all_files_and_goes_when_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "IDLE_SECONDS", 0.3)
    seen = set()
    for n in range(3):
        await parse(b"Bonjour %d." % n, filename="a.txt", media_type=None, limits=ParseLimits())
        seen |= {*forking()}

    assert len(seen) == 1
    async with asyncio.timeout(10):
        while forking():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_an_event_loop_that_is_closed_leaves_no_process_behind() -> None:
    before = forking()

    asyncio.run(parse(b"Bonjour.", filename="a.txt", media_type=None, limits=ParseLimits()))
    gc.collect()

    assert forking() == before


async def test_what_a_file_does_to_its_process_no_other_file_meets() -> None:
    """Each reads in a process that was forked for it from one that read nothing."""
    page = b"<html><body><p>Nous ouvrons le mardi de neuf heures a midi.</p></body></html>"
    first = await parse(page, filename="x", media_type="text/html", limits=ParseLimits())
    greedy = ParseLimits(memory_bytes=90 * 1024 * 1024, chars=40_000_000)
    with pytest.raises(ParseFailed):
        await parse(b"bonjour\n\n" * 4_000_000, filename="a.txt", media_type=None, limits=greedy)

    again = await parse(page, filename="x", media_type="text/html", limits=ParseLimits())

    assert again == first


async def test_files_are_read_side_by_side() -> None:
    found = await asyncio.gather(
        *(
            parse(b"Bonjour %d." % n, filename="a.txt", media_type=None, limits=ParseLimits())
            for n in range(6)
        )
    )

    assert [p.sections[0].text for p in found] == [f"Bonjour {n}." for n in range(6)]


def test_the_child_knows_nothing_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCCINELLE_SECRET", "x")
    monkeypatch.setenv("OPENROUTER_API_KEY", "x")

    assert not any("SECRET" in name or "KEY" in name for name in _environment())


def test_a_fault_of_ours_is_not_blamed_on_the_file() -> None:
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        decode_answer(encode_crash(ModuleNotFoundError("pypdf")))
