"""What is done to knowledge: sources are added, tagged, read anew, removed; gaps are noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from coccinelle.agents import store as agents_store
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict, FieldError
from coccinelle.foundation.ids import AgentId, DocumentId, SourceId
from coccinelle.knowledge import document_store, gap_store, indexing, store
from coccinelle.knowledge.jobs import ingest_source
from coccinelle.knowledge.model import (
    ANSWERS_SLOT,
    Document,
    DocumentNotFound,
    NewSource,
    Piece,
    Source,
    SourceNotFound,
    UnknownAgent,
    question_key,
)


@dataclass(frozen=True)
class Added:
    """A source, and whether the tenant had it already, or had another content of this name."""

    source: Source
    is_duplicate: bool
    is_replaced: bool = False


async def add(tx: TenantTx, new: NewSource, *, agents: Sequence[str] = ()) -> Added:
    """Keep `new` for the agents of these keys (none: for all), and have a worker read it.

    The same content, or the same address, is kept once: the source that is there already comes
    back as it is, except that one which failed is tried again.

    Raises:
        UnknownAgent: one of `agents` is no agent of the tenant.
    """
    agent_ids = await agents_of(tx, agents)
    source_id = await store.insert_source(tx, new)
    if source_id is None:
        return Added(await _again(tx, new), is_duplicate=True)
    await store.tag(tx, source_id=source_id, agent_ids=agent_ids)
    await _later(tx, source_id, 1)
    return Added(await get(tx, source_id), is_duplicate=False)


async def add_files(
    tx: TenantTx, files: Sequence[NewSource], *, agents: Sequence[str] = ()
) -> list[Added]:
    """Keep files as `add` does, but each takes the place of the file of its name, if there is one.

    The source of that name keeps its id, and its agents unless `agents` names others; what it said
    before goes on answering until the new content is whole. Where another source has the new
    content already, the one of that name is forgotten. Two of `files` with one name replace
    nothing: which of them is the newer is not known.

    Raises:
        UnknownAgent: one of `agents` is no agent of the tenant.
    """
    superseded = await _superseded(tx, files)
    kept_elsewhere = await _kept_elsewhere(tx, files)
    # The base's row is locked before any source's, as every writer does.
    for file, old_id in superseded.items():
        if file in kept_elsewhere:
            await remove(tx, old_id)
    return [
        await add(tx, file, agents=agents)
        if file in kept_elsewhere or file not in superseded
        else await _replace(tx, file, superseded[file], agents)
        for file in files
    ]


async def keep(tx: TenantTx, new: NewSource, *, slot: str) -> Added:
    """Let `new` be what the tenant has in `slot`: it takes the place of what was there.

    The source keeps its id, and what it said answers until `new` is read. Where another source has
    this content or address, that one stays, and the slot is empty. What is there already is not
    read again, unless it had failed.

    Raises:
        Conflict: somebody else fills the slot at this very moment.
    """
    old_id = await store.in_slot(tx, slot)
    twin_id = await store.twin(tx, new)
    if old_id is not None and twin_id is None:
        return await _replace(tx, new, old_id, ())
    if old_id is not None and twin_id != old_id:
        await remove(tx, old_id)
    added = await add(tx, new)
    if not added.is_duplicate:
        await store.put_in_slot(tx, added.source.id, slot)
    return added


async def clear(tx: TenantTx, *, slot: str) -> None:
    """Forget what the tenant has in `slot`, if anything."""
    source_id = await store.in_slot(tx, slot)
    if source_id is not None:
        await remove(tx, source_id)


async def get(tx: TenantTx, source_id: SourceId) -> Source:
    """The source and its progress. Raises `SourceNotFound`."""
    found = await store.source(tx, source_id)
    if found is None:
        raise SourceNotFound
    return found


async def listed(
    tx: TenantTx, *, limit: int, before: SourceId | None = None
) -> tuple[list[Source], SourceId | None]:
    """Sources, newest first, and what to give as `before` for the next ones."""
    found = await store.sources(tx, limit=limit + 1, before=before)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def documents(
    tx: TenantTx, source_id: SourceId, *, limit: int, after: int = -1, titled: str = ""
) -> tuple[list[Document], int | None]:
    """What a source answers from now, in order, and what to give as `after` for the next ones.

    Args:
        titled: only those with this in their title or address, whatever its case and accents.

    Raises:
        SourceNotFound: the tenant has no such source.
    """
    await get(tx, source_id)
    found = await document_store.documents(
        tx, source_id=source_id, limit=limit + 1, after=after, titled=titled
    )
    return found[:limit], found[limit - 1].position if len(found) > limit else None


async def document(
    tx: TenantTx, document_id: DocumentId, *, limit: int, after: int = -1
) -> tuple[Document, list[Piece], int | None]:
    """A document, its passages in order, and what to give as `after` for the next ones.

    Raises:
        DocumentNotFound: the tenant has no such document.
    """
    known = await document_store.document(tx, document_id)
    if known is None:
        raise DocumentNotFound
    found = await document_store.pieces(tx, document_id=document_id, limit=limit + 1, after=after)
    return known, found[:limit], found[limit - 1].position if len(found) > limit else None


async def reingest(tx: TenantTx, source_id: SourceId) -> Source:
    """Read the source anew; what it says now goes on answering meanwhile.

    Raises:
        SourceNotFound: the tenant has no such source.
    """
    generation = await store.request_generation(tx, source_id)
    if generation is None:
        raise SourceNotFound
    await _later(tx, source_id, generation)
    return await get(tx, source_id)


async def retag(tx: TenantTx, source_id: SourceId, *, agents: Sequence[str]) -> Source:
    """Only the agents of these keys may use the source from now on; none: all of them.

    Raises:
        SourceNotFound: the tenant has no such source.
        UnknownAgent: one of `agents` is no agent of the tenant.
    """
    agent_ids = await agents_of(tx, agents)
    if not await store.keep_source(tx, source_id):
        raise SourceNotFound
    await store.tag(tx, source_id=source_id, agent_ids=agent_ids)
    await indexing.retag_source(tx, source_id=source_id, agent_ids=agent_ids)
    return await get(tx, source_id)


async def rename(tx: TenantTx, source_id: SourceId, title: str) -> Source:
    """Call a source otherwise; what bears its name in answers is read anew.

    Raises:
        SourceNotFound: the tenant has no such source.
    """
    before = await get(tx, source_id)
    if title == before.title:
        return before
    await store.rename(tx, source_id, title)
    return await (reingest if before.kind in ("text", "faq") else get)(tx, source_id)


async def remove(tx: TenantTx, source_id: SourceId) -> None:
    """Forget the source and all that was learnt from it. Raises `SourceNotFound`."""
    if not await indexing.remove_source(tx, source_id=source_id):
        raise SourceNotFound


async def agents_of(tx: TenantTx, keys: Sequence[str]) -> list[AgentId]:
    """The agents of these keys. Raises `UnknownAgent`."""
    if not keys:
        return []
    known = {agent.key: agent.id for agent in await agents_store.live_agents(tx)}
    if not set(keys) <= known.keys():
        raise UnknownAgent(errors=(FieldError("agents", "unknown_agent"),))
    return [known[key] for key in dict.fromkeys(keys)]


async def record_gap(tx: TenantTx, *, question: str, best_score: float | None) -> None:
    """Remember that `question` found no answer; asked again, it counts once more, and is on the
    list again if it was answered."""
    await gap_store.record(
        tx,
        question=question,
        question_sha256=question_key(question),
        best_score=best_score,
        answers_slot=ANSWERS_SLOT,
    )


async def _superseded(tx: TenantTx, files: Sequence[NewSource]) -> dict[NewSource, SourceId]:
    """For each file that is the newer content of a source, that source."""
    names = Counter(file.filename for file in files)
    found = {}
    for file in files:
        if file.filename is not None and names[file.filename] == 1:
            old_id = await store.file_named(tx, file.filename, unlike=file.content_sha256)
            if old_id is not None:
                found[file] = old_id
    return found


async def _kept_elsewhere(tx: TenantTx, files: Sequence[NewSource]) -> set[NewSource]:
    """Files whose content another source has, or an earlier one of them."""
    found, seen = set(), set()
    for file in files:
        if file.content_sha256 in seen or await store.twin(tx, file) is not None:
            found.add(file)
        seen.add(file.content_sha256)
    return found


async def _replace(tx: TenantTx, file: NewSource, old_id: SourceId, agents: Sequence[str]) -> Added:
    generation = await store.replace_content(tx, old_id, file)
    if generation is None:
        raise Conflict  # It was there a moment ago, and is being deleted.
    if agents:
        await store.tag(tx, source_id=old_id, agent_ids=await agents_of(tx, agents))
    await _later(tx, old_id, generation)
    return Added(await get(tx, old_id), is_duplicate=False, is_replaced=True)


async def _again(tx: TenantTx, new: NewSource) -> Source:
    source_id = await store.twin(tx, new)
    if source_id is None:
        raise Conflict  # It was there a moment ago, and is being deleted.
    found = await get(tx, source_id)
    return await reingest(tx, source_id) if found.state == "failed" else found


async def _later(tx: TenantTx, source_id: SourceId, generation: int) -> None:
    await tx.defer(
        ingest_source,
        lock=f"source:{source_id}",
        source_id=str(source_id),
        generation=generation,
    )
