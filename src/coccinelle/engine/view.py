"""A tenant as the engine sees it: its facts, its agents and what recognises them, its threshold.

Kept in memory for a few seconds; a change in the database is seen within ten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coccinelle.agents import store as agents
from coccinelle.agents.model import Agent, Configuration
from coccinelle.engine import routing
from coccinelle.engine.routing import Calibration, Profile, Stock
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.foundation.ids import AgentId, AgentVersionId, TenantId
from coccinelle.knowledge import store as knowledge
from coccinelle.knowledge.calibration import DEFAULT_THRESHOLD
from coccinelle.providers.embeddings.model import Embedder, EmbeddingUnavailable, Vectors
from coccinelle.tenants import store as tenants
from coccinelle.tenants.model import Tenant

FRESH_SECONDS = 3.0
# Until then a message is answered from what is known while it is read anew.
STALE_SECONDS = 10.0
KEPT_TENANTS = 1000


@dataclass(frozen=True)
class View:
    """One tenant, as of a few seconds ago at most.

    `profiles` is empty without an embedder. While knowledge is being embedded anew its vectors are
    not comparable with a question's, and words alone are searched.
    """

    tenant: Tenant
    agents: tuple[Agent, ...]
    profiles: tuple[Profile, ...]
    calibration: Calibration
    answer_threshold: float
    has_comparable_vectors: bool = True
    chunk_count: int = 0

    def agent_by_key(self, key: str) -> Agent | None:
        """The agent of that key, if it is live."""
        return next((agent for agent in self.agents if agent.key == key), None)

    def agent_by_id(self, agent_id: AgentId | None) -> Agent | None:
        """The agent of that id, if it is live."""
        return next((agent for agent in self.agents if agent.id == agent_id), None)


@dataclass(frozen=True)
class _Read:
    """What the database has of a tenant."""

    tenant: Tenant
    agents: tuple[Agent, ...]
    vectors: dict[AgentVersionId, bytes]
    threshold: knowledge.ThresholdRow | None
    has_comparable_vectors: bool


class Views:
    """Reads tenants, each at most once every few seconds, and keeps the last thousand."""

    def __init__(self, db: Database, embedder: Embedder, *, keyword_bonus: float):
        self._db = db
        self._embedder = embedder
        self._keyword_bonus = keyword_bonus
        self._views: dict[TenantId, tuple[float, View]] = {}
        self._loading: dict[TenantId, asyncio.Task[View]] = {}
        self._calibrations: dict[TenantId, tuple[tuple[AgentVersionId, ...], Calibration]] = {}
        self._stock: Stock | None = None

    async def get(self, tenant_id: TenantId) -> View:
        """The tenant. Raises `NotFound` when there is none, or it has no agent to answer."""
        read_at, view = self._views.get(tenant_id, (0.0, None))
        age = time.monotonic() - read_at
        if view is not None and age < FRESH_SECONDS:
            return view
        loading = self._loading.get(tenant_id) or self._begin(tenant_id)
        if view is not None and age < STALE_SECONDS:
            return view
        return await asyncio.shield(loading)

    def forget(self, tenant_id: TenantId) -> None:
        """Read the tenant anew next time."""
        self._views.pop(tenant_id, None)

    async def refresh(self, tenant_id: TenantId) -> None:
        """Read the tenant anew now, while messages are answered from what is known.

        What cannot be read is read with the next message.
        """
        while (earlier := self._loading.get(tenant_id)) is not None:
            await asyncio.wait([earlier])  # It may have read before what is to be seen.
        try:
            await asyncio.shield(self._begin(tenant_id))
        except CoccinelleError:
            self.forget(tenant_id)

    async def recognised(self, configuration: Configuration) -> tuple[str, bytes] | None:
        """The embedding model, and by which of its vectors an agent of this configuration is
        recognised; None without an embedder."""
        try:
            vectors = await self._embedded(configuration)
        except EmbeddingUnavailable:
            return None
        return self._embedder.model, _encoded(vectors)

    async def with_draft(self, tenant_id: TenantId, draft: Agent) -> View:
        """The tenant as it will be once `draft` answers. Nothing is kept, and nobody else sees it.

        Raises `NotFound` when there is no such tenant.
        """
        read = await self._read(tenant_id)
        others = [agent for agent in read.agents if agent.id != draft.id]
        profiles = await self._profiles(tenant_id, others, read.vectors)
        everybody = sorted([*others, draft], key=lambda agent: (agent.position, agent.key))
        by_id = {profile.agent.id: profile for profile in profiles}
        try:
            by_id[draft.id] = Profile(draft, await self._embedded(draft.configuration))
        except EmbeddingUnavailable:
            by_id = {}
        known = tuple(by_id[agent.id] for agent in everybody if agent.id in by_id)
        known = known if len(known) == len(everybody) else ()
        return _view(read, everybody, known, await self._calibration(known))

    async def stock(self) -> Stock:
        """The out-of-scope sentences as vectors, embedded once. Raises `EmbeddingUnavailable`."""
        if self._stock is None:
            sentences = routing.stock_sentences()
            everything = [text for group in sentences.values() for text in group]
            vectors = await self._embedder.embed_queries(everything)
            starts = np.cumsum([0, *(len(group) for group in sentences.values())])
            self._stock = Stock(
                tuple(
                    (name, vectors[start:end])
                    for name, start, end in zip(sentences, starts, starts[1:], strict=False)
                )
            )
        return self._stock

    def _begin(self, tenant_id: TenantId) -> asyncio.Task[View]:
        loading = asyncio.create_task(self._load(tenant_id))
        self._loading[tenant_id] = loading
        loading.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        loading.add_done_callback(_retrieve_exception)
        return loading

    async def _load(self, tenant_id: TenantId) -> View:
        try:
            read = await self._read(tenant_id)
            if not read.agents:
                raise NotFound("no_agent")
        except NotFound:
            self.forget(tenant_id)
            raise
        profiles = await self._profiles(tenant_id, read.agents, read.vectors)
        view = _view(read, read.agents, profiles, await self._calibrated(tenant_id, profiles))
        self._keep(tenant_id, view)
        return view

    async def _read(self, tenant_id: TenantId) -> _Read:
        model = self._embedder.model
        async with self._db.tenant(tenant_id) as tx:
            tenant = await tenants.tenant(tx)
            live = await agents.live_agents(tx)
            known = await agents.vectors(tx, embedding_model=model)
            threshold = await knowledge.threshold(tx)
            comparable = await knowledge.has_vectors_of(tx, model=model)
        if tenant is None:
            raise NotFound("no_agent")
        return _Read(tenant, tuple(live), known, threshold, comparable)

    async def _calibrated(self, tenant_id: TenantId, profiles: tuple[Profile, ...]) -> Calibration:
        """Computed once for the agents' live versions."""
        versions = tuple(profile.agent.version_id for profile in profiles)
        known = self._calibrations.get(tenant_id)
        if known is not None and known[0] == versions:
            return known[1]
        made = await self._calibration(profiles)
        self._calibrations[tenant_id] = (versions, made)
        return made

    async def _calibration(self, profiles: tuple[Profile, ...]) -> Calibration:
        """Not while others wait."""
        return await asyncio.to_thread(
            routing.calibrate, profiles, keyword_bonus=self._keyword_bonus
        )

    def _keep(self, tenant_id: TenantId, view: View) -> None:
        self._views.pop(tenant_id, None)
        self._views[tenant_id] = (time.monotonic(), view)
        if len(self._views) > KEPT_TENANTS:
            oldest = next(iter(self._views))
            del self._views[oldest]
            self._calibrations.pop(oldest, None)

    async def _profiles(
        self, tenant_id: TenantId, live: Sequence[Agent], known: dict[AgentVersionId, bytes]
    ) -> tuple[Profile, ...]:
        missing = [agent for agent in live if agent.version_id not in known]
        try:
            made = {
                agent.version_id: await self._embedded(agent.configuration) for agent in missing
            }
        except EmbeddingUnavailable:
            return ()
        if made:
            async with self._db.tenant(tenant_id) as tx:
                await self._save(tx, made)
        return tuple(Profile(agent, self._decoded(known, made, agent)) for agent in live)

    async def _embedded(self, configuration: Configuration) -> Vectors:
        return await self._embedder.embed_queries(routing.profile_texts(configuration))

    async def _save(self, tx: TenantTx, made: dict[AgentVersionId, Vectors]) -> None:
        for version_id, vectors in made.items():
            await agents.save_vectors(
                tx,
                version_id=version_id,
                embedding_model=self._embedder.model,
                vectors=_encoded(vectors),
            )

    def _decoded(
        self,
        known: dict[AgentVersionId, bytes],
        made: dict[AgentVersionId, Vectors],
        agent: Agent,
    ) -> Vectors:
        if agent.version_id in made:
            return made[agent.version_id]
        flat = np.frombuffer(known[agent.version_id], "<f2").astype(np.float32)
        return flat.reshape(-1, self._embedder.dimensions)


def _view(
    read: _Read,
    live: Sequence[Agent],
    profiles: tuple[Profile, ...],
    calibration: Calibration,
) -> View:
    threshold = read.threshold
    return View(
        read.tenant,
        tuple(live),
        profiles,
        calibration,
        threshold.answer_threshold if threshold else DEFAULT_THRESHOLD,
        read.has_comparable_vectors,
        threshold.chunk_count if threshold else 0,
    )


def _encoded(vectors: Vectors) -> bytes:
    return vectors.astype("<f2").tobytes()


def _retrieve_exception(task: asyncio.Task[View]) -> None:
    """Whoever waits for the view gets the failure; nobody has to wait for it."""
    if not task.cancelled():
        task.exception()
