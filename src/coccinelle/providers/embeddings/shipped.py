"""Vectors that come with the package, so that a first run of the demo embeds nothing.

The file holds float16 vectors by the hash of what they were made from, and the name of the model
that made them. It is numbers only: nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import numpy as np

from coccinelle.providers.embeddings.model import Embedder, Vectors, unit

Purpose = Literal["query", "passage"]
HASH_BYTES = 32


def digest(purpose: Purpose, text: str) -> bytes:
    """What a vector is found by: SHA-256 of how and of what it was made."""
    return hashlib.sha256(f"{purpose}\0{text}".encode("utf-8", "surrogatepass")).digest()


def pack(model: str, vectors: Mapping[bytes, Vectors]) -> bytes:
    """The file's bytes: the same for the same vectors, in whatever order they were made."""
    keys = sorted(vectors)
    out = io.BytesIO()
    np.savez(
        out,
        model=np.frombuffer(model.encode(), np.uint8),
        keys=np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), HASH_BYTES),
        vectors=np.stack([vectors[key] for key in keys]).astype("<f2"),
    )
    return out.getvalue()


def unpack(file: bytes) -> tuple[str, dict[bytes, Vectors]]:
    """The inverse of `pack`: the model's name, and each vector by its hash."""
    with np.load(io.BytesIO(file), allow_pickle=False) as arrays:
        model, keys, vectors = arrays["model"], arrays["keys"], arrays["vectors"]
    return model.tobytes().decode(), {
        key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)
    }


class ShippedVectors:
    """Any embedder, before it the vectors of `file`, where they are of the same model.

    The file (the demo's by default) is read when the first vector is asked for; half a megabyte
    for seven hundred.
    """

    def __init__(self, inner: Embedder, file: Traversable | None = None) -> None:
        self._inner = inner
        self._file = file or resources.files("coccinelle.demo").joinpath("vectors.npz")

    @property
    def model(self) -> str:
        """The inner embedder's."""
        return self._inner.model

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return self._inner.dimensions

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; only texts that are not in the file are embedded."""
        return await self._embed("query", texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; only texts that are not in the file are embedded."""
        return await self._embed("passage", texts)

    @cached_property
    def _known(self) -> dict[bytes, Vectors]:
        if not self._file.is_file():
            return {}
        model, vectors = unpack(self._file.read_bytes())
        return vectors if model == self._inner.model else {}

    async def _embed(self, purpose: Purpose, texts: Sequence[str]) -> Vectors:
        rows = [self._known.get(digest(purpose, text)) for text in texts]
        missing = [text for text, row in zip(texts, rows, strict=True) if row is None]
        if len(missing) == len(texts):
            return await self._inner_embed(purpose)(texts)
        made = iter(await self._inner_embed(purpose)(missing) if missing else ())
        found = [next(made) if row is None else row for row in rows]
        return unit(np.stack(found).astype(np.float32))

    def _inner_embed(self, purpose: Purpose) -> Callable[[Sequence[str]], Awaitable[Vectors]]:
        return self._inner.embed_queries if purpose == "query" else self._inner.embed_passages
