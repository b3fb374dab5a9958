"""Files, folders and addresses given on a command line, ingested one after the other."""

from __future__ import annotations

import asyncio
import mimetypes
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import CoccinelleError, Invalid, Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge import actions
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import NewSource, Source, canonical_url, file_source, web_source
from coccinelle.knowledge.services import KnowledgeServices

Told = Callable[[str, int, int], None]
Became = Literal["added", "replaced", "read_again", "known"]


@dataclass(frozen=True)
class Ingested:
    """What became of one file or address.

    `source` is None where nothing was kept; `failure` then says why, as it does for a source that
    could not be read, or not yet: an embedder that is down, which a worker tries again.
    """

    name: str
    source: Source | None
    became: Became
    failure: CoccinelleError | None


async def ingest_paths(
    services: KnowledgeServices,
    tenant_id: TenantId,
    targets: Sequence[str],
    *,
    agents: Sequence[str] = (),
    max_bytes: int,
    told: Told,
) -> AsyncIterator[Ingested]:
    """Keep every target, then read each in this process; one that fails stops no other.

    A folder stands for the files in it, hidden ones left out, each named by its place in it; an
    address without a path stands for its site, any other for that page. A file that has changed
    takes the place of the one of its name, unless two of that name are given; one that has not
    is not read again. A page or site that the tenant has is read anew.

    Args:
        agents: keys of those that may use it; none: all.
        max_bytes: of one file.
        told: called with (name, chunks done, chunks in all).

    Raises:
        UnknownAgent: before anything is kept.
    """
    errand = _Errand(services, tenant_id, agents, max_bytes, told)
    async with services.db.tenant(tenant_id) as tx:
        await actions.agents_of(tx, agents)
    # All are kept before the first is read: the threshold is learnt once, after the last.
    given = await asyncio.to_thread(_expanded, targets)
    names = Counter(one.name for one in given)
    kept = [await errand.keep(one, is_only=names[one.name] == 1) for one in given]
    for one in kept:
        yield await errand.read(one)


def is_address(target: str) -> bool:
    """Whether a target is on the web, and not a file."""
    return target.startswith(("http://", "https://"))


@dataclass(frozen=True)
class _Given:
    """A file or an address, and what it is known by: a file by its place in its folder."""

    target: str
    name: str


@dataclass(frozen=True)
class _Errand:
    services: KnowledgeServices
    tenant_id: TenantId
    agents: Sequence[str]
    max_bytes: int
    told: Told

    async def keep(self, given: _Given, *, is_only: bool) -> Ingested:
        """`is_only`: no other of this errand has its name, so that it is known what it replaces."""
        try:
            new = await asyncio.to_thread(_new_source, given, self.max_bytes)
        except Invalid as refused:
            return Ingested(given.target, None, "known", failure=refused)
        async with self.services.db.tenant(self.tenant_id) as tx:
            added = await self._add(tx, new, replaces=is_only and new.kind == "file")
            if added.is_duplicate and new.url is not None:
                return Ingested(given.target, await _anew(tx, added.source), "read_again", None)
        return Ingested(given.target, added.source, _became(added), failure=None)

    async def _add(self, tx: TenantTx, new: NewSource, *, replaces: bool) -> actions.Added:
        if replaces:
            return (await actions.add_files(tx, [new], agents=self.agents))[0]
        return await actions.add(tx, new, agents=self.agents)

    async def read(self, kept: Ingested) -> Ingested:
        if kept.source is None:
            return kept
        outage = await self._run(kept.name, kept.source)
        async with self.services.db.tenant(self.tenant_id) as tx:
            source = await actions.get(tx, kept.source.id)
        return replace(kept, source=source, failure=outage or _failure(source))

    async def _run(self, target: str, source: Source) -> Unavailable | None:
        try:
            await run_ingest(
                self.services,
                self.tenant_id,
                source.id,
                source.generation,
                partial(self.told, target),
            )
        except Unavailable as error:
            return error
        return None


def _failure(source: Source) -> Invalid | None:
    if source.failure_code is None:
        return None
    return Invalid(source.failure_code, **(source.failure_values or {}))


def _became(added: actions.Added) -> Became:
    if added.is_replaced:
        return "replaced"
    return "known" if added.is_duplicate else "added"


async def _anew(tx: TenantTx, source: Source) -> Source:
    """Asked for again, unless it is being read."""
    return await actions.reingest(tx, source.id) if source.is_settled else source


def _expanded(targets: Sequence[str]) -> list[_Given]:
    found: list[_Given] = []
    for target in targets:
        path = Path(target)
        if is_address(target):
            found.append(_Given(target, target))
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if _counts(file, path))
            found += [_Given(str(file), file.relative_to(path).as_posix()) for file in files]
        else:
            found.append(_Given(target, path.name))
    return list({one.target: one for one in found}.values())


def _counts(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and not hidden


def _new_source(given: _Given, max_bytes: int) -> NewSource:
    """Raises `Invalid` for what cannot be kept."""
    if not is_address(given.target):
        return _read_file(given, max_bytes)
    address = canonical_url(given.target)
    is_whole_site = address.split("//", 1)[1].partition("/")[2] == ""
    return web_source("site" if is_whole_site else "page", address)


def _read_file(given: _Given, max_bytes: int) -> NewSource:
    path = Path(given.target)
    try:
        if path.stat().st_size > max_bytes:
            raise Invalid("file_too_large", max_megabytes=max_bytes // (1024 * 1024))
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Invalid("file_not_found") from error
    except OSError as error:
        raise Invalid("file_not_readable") from error
    # A name that is not UTF-8 reaches us with surrogates, which PostgreSQL does not keep.
    name = given.name.encode("utf-8", "replace").decode("utf-8")
    found = file_source(data, filename=name, media_type=mimetypes.guess_type(name)[0])
    return replace(found, filename=name)
