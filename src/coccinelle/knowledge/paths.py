"""Files, folders and addresses given on a command line, ingested one after the other."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from coccinelle.foundation.errors import CoccinelleError, Invalid, Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge import actions
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import NewSource, Source, canonical_url, file_source, web_source
from coccinelle.knowledge.services import KnowledgeServices

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Ingested:
    """What became of one file or address.

    `source` is None where nothing was kept; `failure` then says why, as it does for a source that
    could not be read, or not yet: an embedder that is down, which a worker tries again.
    """

    name: str
    source: Source | None
    is_duplicate: bool
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

    A folder stands for the files in it, hidden ones left out; an address without a path stands for
    its site, any other for that page. What the tenant has already is not read again.

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
    kept = [await errand.keep(target) for target in await asyncio.to_thread(_expanded, targets)]
    for one in kept:
        yield await errand.read(one)


def is_address(target: str) -> bool:
    """Whether a target is on the web, and not a file."""
    return target.startswith(("http://", "https://"))


@dataclass(frozen=True)
class _Errand:
    services: KnowledgeServices
    tenant_id: TenantId
    agents: Sequence[str]
    max_bytes: int
    told: Told

    async def keep(self, target: str) -> Ingested:
        try:
            new = await asyncio.to_thread(_new_source, target, self.max_bytes)
        except Invalid as refused:
            return Ingested(target, None, is_duplicate=False, failure=refused)
        async with self.services.db.tenant(self.tenant_id) as tx:
            added = await actions.add(tx, new, agents=self.agents)
        return Ingested(target, added.source, added.is_duplicate, failure=None)

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


def _expanded(targets: Sequence[str]) -> list[str]:
    found: list[str] = []
    for target in targets:
        path = Path(target)
        if not is_address(target) and path.is_dir():
            found += [str(file) for file in sorted(path.rglob("*")) if _counts(file, path)]
        else:
            found.append(target)
    return list(dict.fromkeys(found))


def _counts(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and not hidden


def _new_source(target: str, max_bytes: int) -> NewSource:
    """Raises `Invalid` for what cannot be kept."""
    if is_address(target):
        address = canonical_url(target)
        is_whole_site = address.split("//", 1)[1].partition("/")[2] == ""
        return web_source("site" if is_whole_site else "page", address)
    return _read_file(Path(target), max_bytes)


def _read_file(path: Path, max_bytes: int) -> NewSource:
    try:
        if path.stat().st_size > max_bytes:
            raise Invalid("file_too_large", max_megabytes=max_bytes // (1024 * 1024))
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Invalid("file_not_found") from error
    except OSError as error:
        raise Invalid("file_not_readable") from error
    # A name that is not UTF-8 reaches us with surrogates, which PostgreSQL does not keep.
    name = path.name.encode("utf-8", "replace").decode("utf-8")
    return file_source(data, filename=name, media_type=mimetypes.guess_type(name)[0])
