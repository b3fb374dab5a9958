"""Files made to cost a great deal end with a reason, within the child's limits."""

from __future__ import annotations

import resource
import time

import pytest

from coccinelle.knowledge.parsing import ParseFailed, ParseLimits, parse
from tests.knowledge.parsing import makers
from tests.knowledge.parsing.bombs import BOMBS
from tests.knowledge.parsing.processes import watched

LARGEST_CHILD_KIB = 512 * 1024
LONGEST_SECONDS = 30


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_ends_with_a_reason_and_the_child_stays_small(name: str) -> None:
    make, filename, codes = BOMBS[name]
    data = make()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    began = time.monotonic()
    async with watched() as peak:
        code = await outcome(data, filename)

    assert code in codes
    assert time.monotonic() - began <= LONGEST_SECONDS
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib <= len(data) // 1024 + 64 * 1024
    assert 0 < peak.kib <= LARGEST_CHILD_KIB


async def test_a_large_picture_is_read_in_a_small_child() -> None:
    lines = ["Horaires d'été : fermé à Noël, ouvert à Pâques."] * 6
    large = makers.picture("PNG", *lines, scale=9)
    patient = ParseLimits(wall_seconds=150, cpu_seconds=100)

    async with watched() as peak:
        assert await outcome(large, "a.png", patient) == "parsed"

    assert peak.kib <= LARGEST_CHILD_KIB


async def test_the_next_file_is_read_after_a_bomb() -> None:
    make, filename, _ = BOMBS["docx of paragraphs"]
    await outcome(make(), filename)

    assert await outcome(makers.word(), "a.docx") == "parsed"


async def test_a_child_that_wants_more_memory_than_it_may_have_is_refused_it() -> None:
    limits = ParseLimits(memory_bytes=90 * 1024 * 1024, chars=40_000_000)

    assert await outcome(b"bonjour tout le monde\n\n" * 1_500_000, "a.txt", limits) == (
        "file_too_complex"
    )


async def test_a_child_that_takes_too_long_is_ended() -> None:
    limits = ParseLimits(wall_seconds=0.05)

    assert await outcome(makers.scanned_pdf(), "a.pdf", limits) == "file_too_complex"


async def test_a_child_that_computes_too_long_is_ended() -> None:
    limits = ParseLimits(cpu_seconds=1)
    dense = makers.picture("PNG", *["Horaires d'été : fermé à Noël, ouvert à Pâques."] * 60)

    assert await outcome(dense, "a.png", limits) == "file_too_complex"


@pytest.mark.parametrize(
    ("limits", "data", "filename", "code"),
    [
        (ParseLimits(pages=1), makers.pdf_of("Un.", "Deux."), "a.pdf", "too_many_pages"),
        (ParseLimits(chars=10), b"bonjour tout le monde", "a.txt", "file_too_long"),
        (ParseLimits(rows=1), b"a;b\n1;2\n3;4\n", "a.csv", "too_many_rows"),
        (ParseLimits(columns=2), b"a;b;c\n1;2;3\n", "a.csv", "too_many_columns"),
        (ParseLimits(pixels=100), makers.picture(), "a.png", "image_too_large"),
        (ParseLimits(zip_entries=3), makers.word(), "a.docx", "file_too_complex"),
        (ParseLimits(unzipped_bytes=999), makers.word(), "a.docx", "file_too_complex"),
        (ParseLimits(markup_bytes=99), makers.word(), "a.docx", "file_too_complex"),
    ],
)
def test_each_limit_has_its_reason(
    limits: ParseLimits, data: bytes, filename: str, code: str
) -> None:
    assert makers.failure(data, filename, limits) == code


async def test_pages_that_there_was_no_time_for_are_counted() -> None:
    limits = ParseLimits(ocr_seconds=0.01)

    found = await parse(makers.scanned_pdf(3), filename="a.pdf", media_type=None, limits=limits)

    assert found.unread_pages == 2


async def outcome(data: bytes, filename: str, limits: ParseLimits | None = None) -> str:
    """The code in which parsing ends."""
    try:
        await parse(data, filename=filename, media_type=None, limits=limits or ParseLimits())
    except ParseFailed as failed:
        return failed.code
    return "parsed"
