"""The child process: what it gives back, what it knows, and how it goes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from coccinelle.knowledge.parsing import ParseLimits, parse
from coccinelle.knowledge.parsing.process import _environment
from coccinelle.knowledge.parsing.wire import decode_answer, encode_crash
from tests.knowledge.parsing import makers
from tests.knowledge.parsing.processes import children


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


async def test_cancelling_kills_the_child() -> None:
    task = asyncio.create_task(
        parse(makers.scanned_pdf(3), filename="a.pdf", media_type=None, limits=ParseLimits())
    )
    while not children():  # noqa: ASYNC110 (it has no event to wait for)
        await asyncio.sleep(0.01)

    os.kill(children()[0], signal.SIGSTOP)  # It will not end by itself.
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=60)

    assert children() == []


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
