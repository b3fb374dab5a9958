"""A chat turn: how much we add to what the providers take, and what a turn costs.

Two servers stand on one database, one with providers of known latency, one with providers that
answer at once. The variants take turns, so that a busy moment of the machine meets them all.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psycopg

from benchmarks import businesses, processes
from benchmarks.businesses import SURE, UNSURE, Business
from benchmarks.clients import Answered, Load, Measured
from benchmarks.processes import Ground, Providers, Server
from benchmarks.results import Figure, Section, median, percentile
from coccinelle.foundation import postgres

IDEAL_ROUTED_MS = 1_350
IDEAL_SURE_MS = 1_070
LAST_TOKEN_MS = 800
ROUNDS = 3
SETTLE_SECONDS = 8.0
LOADED = {
    "COCCINELLE_RATE_MESSAGES": "100000",
    "COCCINELLE_JOBS_CONCURRENCY": "0",
    "COCCINELLE_LOG_LEVEL": "warning",
}
BUSY_CUSTOMERS = 8
TOP_FUNCTIONS = 14
SAMPLES = "samples.json"


@dataclass(frozen=True)
class Variant:
    """One way to load the server, and what it may add to the ideal at most, milliseconds."""

    customers: int
    turns: int
    is_routed: bool
    together: bool = False
    p50_ms: float | None = None
    p95_ms: float | None = None

    @property
    def ideal_ms(self) -> int:
        """What the providers alone take."""
        return IDEAL_ROUTED_MS if self.is_routed else IDEAL_SURE_MS

    @property
    def name(self) -> str:
        """As a table says it."""
        route = "with a routing call" if self.is_routed else "router sure"
        start = ", all starting at once" if self.together else ""
        return f"{self.customers} client{'s'[: self.customers > 1]}, {route}{start}"


VARIANTS = tuple(
    Variant(customers, turns, routed, together, p50, p95)
    for customers, turns, together, p50, p95 in (
        (1, 12, False, 25, 60),
        (10, 60, False, None, 80),
        (50, 150, False, None, 250),
        (50, 150, True, None, None),
    )
    for routed in (True, False)
)


@dataclass
class Cost:
    """What some turns at zero latency took: wall time, processor time by process."""

    turns: int = 0
    rates: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)
    postgres_ms: list[float] = field(default_factory=list)
    others_ms: list[float] = field(default_factory=list)


@dataclass
class Bench:
    """The processes of this benchmark."""

    ground: Ground
    slow: Providers
    instant: Providers
    timed: Server
    busy: Server
    watched: Server
    asked: list[Business]
    calls: int = 0

    def ask(self, server: Server, questions: Sequence[str], label: str, **load: object) -> Measured:
        """Let customers ask, in a process of their own."""
        self.calls += 1
        keys = [business.key for business in self.asked]
        asked = Load(server.port, keys, list(questions), f"{label}-{self.calls}", **load)  # type: ignore[arg-type]
        found = msgspec.json.decode(
            processes.in_process("benchmarks.clients", asked), type=Measured
        )
        refused = Counter(turn.status for turn in found.turns if turn.status != 200)
        if refused:
            raise RuntimeError(f"not all turns were answered: {refused}")
        return found


def run() -> list[Section]:
    """Everything about a turn, in some six minutes."""
    with _bench() as bench:
        time.sleep(SETTLE_SECONDS)
        memory_mb = bench.timed.rss_mb()
        _warm(bench)
        timed: dict[Variant, list[Answered]] = {variant: [] for variant in VARIANTS}
        costs = {streamed: Cost() for streamed in (False, True)}
        for _ in range(ROUNDS):
            for variant in VARIANTS:
                timed[variant] += _timed(bench, variant)
            for streamed, cost in costs.items():
                _spend(bench, cost, streamed=streamed)
        chunked = _chunked_cost_ms(bench)
        statements = _statements(bench)
        _check_routes(bench)
        steps = _steps(bench, "routed-1-") + _steps(bench, "sure-1-")
        sampled = _sampled(bench)
        search_ms = _search_ms(bench)
    why = _Reasons(steps, search_ms, sampled, costs)
    figures = [_latency(variant, turns, why) for variant, turns in timed.items()]
    figures += _throughput(costs, chunked, why)
    figures.append(
        _figure("memory of the server, idle", "<= 200 MB", memory_mb, "MB", "1", limit=200)
    )
    figures += statements
    return [Section("A chat turn", figures, _notes(timed, steps, sampled, search_ms, costs))]


@contextmanager
def _bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        ground = stack.enter_context(processes.ground())
        slow = stack.enter_context(processes.providers())
        instant = stack.enter_context(processes.providers("--zero"))
        with psycopg.connect(ground.superuser, autocommit=True) as database:
            database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            database.execute("ALTER SYSTEM SET pg_stat_statements.track_planning = on")
            database.execute("SELECT pg_reload_conf()")
        environment = {**instant.environment, "COCCINELLE_DATA": str(ground.data)}
        asked = asyncio.run(businesses.create(ground.addresses, environment))
        timed, busy = (
            stack.enter_context(processes.serving(ground.data, {**p.environment, **LOADED}))
            for p in (slow, instant)
        )
        watched = stack.enter_context(
            processes.serving(
                ground.data,
                {**instant.environment, **LOADED},
                module=("benchmarks.sampled", str(ground.data / SAMPLES)),
            )
        )
        yield Bench(ground, slow, instant, timed, busy, watched, asked)


def _warm(bench: Bench) -> None:
    """Connections, prepared statements, caches: what only the first customers of a day meet."""
    for server in (bench.timed, bench.busy):
        bench.ask(server, UNSURE + SURE, "warm", customers=20, turns=100)


def _timed(bench: Bench, variant: Variant) -> list[Answered]:
    label = f"{'routed' if variant.is_routed else 'sure'}-{variant.customers}"
    spread = 0.0 if variant.together else variant.ideal_ms / 1000
    return bench.ask(
        bench.timed,
        UNSURE if variant.is_routed else SURE,
        label,
        customers=variant.customers,
        turns=variant.turns,
        spread_seconds=spread if variant.customers > 1 else 0.0,
    ).turns


def _spend(bench: Bench, cost: Cost, *, streamed: bool) -> None:
    """Measure one round at zero latency, all with a routing call."""
    turns = 200
    pids = (bench.busy.process.pid, bench.ground.postmaster, bench.instant.process.pid)
    before = [processes.cpu_seconds(pid, with_children=pid == pids[1]) for pid in pids]
    label = f"busy-{'sse' if streamed else 'json'}"
    done = bench.ask(
        bench.busy, UNSURE, label, customers=BUSY_CUSTOMERS, turns=turns, streamed=streamed
    )
    after = [processes.cpu_seconds(pid, with_children=pid == pids[1]) for pid in pids]
    server, database, providers = (b - a for a, b in zip(before, after, strict=True))
    cost.turns += turns
    cost.rates.append(turns / done.wall_seconds)
    cost.server_ms.append(server / turns * 1000)
    cost.postgres_ms.append(database / turns * 1000)
    cost.others_ms.append((providers + done.cpu_seconds) / turns * 1000)


def _chunked_cost_ms(bench: Bench) -> float:
    """CPU of the server a turn when the model's 180 events arrive one by three."""
    pid, turns = bench.timed.process.pid, 200
    before = processes.cpu_seconds(pid)
    bench.ask(bench.timed, UNSURE, "chunked", customers=25, turns=turns)
    return (processes.cpu_seconds(pid) - before) / turns * 1000


def _statements(bench: Bench) -> list[Figure]:
    """Statements and transactions a turn, one customer, first messages and later ones alike."""
    turns = 100
    before = bench.busy.metric("coccinelle_database_statements_total")
    begins, writes = _transactions(bench)
    bench.ask(bench.busy, UNSURE, "statements", turns=turns)
    sent = (bench.busy.metric("coccinelle_database_statements_total") - before) / turns
    begins_after, writes_after = _transactions(bench)
    begun, wrote = (begins_after - begins) / turns, (writes_after - writes) / turns
    return [
        _figure("database statements a turn", "<= 8", sent, "", str(turns), limit=8, digits=2),
        Figure(
            "transactions a turn (a tenant is read anew every 3 seconds)",
            "two that write, one short read",
            f"{begun:.2f}, of which {wrote:.2f} write",
            str(turns),
            begun < 3.3 and wrote < 2.2,
        ),
    ]


def _transactions(bench: Bench) -> tuple[int, int]:
    """Transactions that servers began so far, and those that wrote, whoever began them."""
    with psycopg.connect(bench.ground.superuser, autocommit=True) as database:
        row = database.execute(
            "SELECT (SELECT sum(calls) FROM pg_stat_statements s JOIN pg_roles r"
            " ON r.oid = s.userid WHERE s.query = 'BEGIN' AND r.rolname = %s)::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
            [postgres.LOGIN],
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def _check_routes(bench: Bench) -> None:
    """Refuse figures of turns that went another way than their name says."""
    with psycopg.connect(bench.ground.superuser) as database:
        odd = database.execute(
            "SELECT c.external_id, t.state, t.route_method FROM turns t JOIN conversations c"
            " ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id"
            " WHERE t.state <> 'answered' OR (c.external_id LIKE 'routed-%'"
            " AND t.route_method <> 'model') OR (c.external_id LIKE 'sure-%'"
            " AND t.route_method <> 'embedding') LIMIT 3"
        ).fetchall()
    if odd:
        raise RuntimeError(f"turns went another way: {odd}")


@dataclass(frozen=True)
class Step:
    """Median and 95th percentile of a step, milliseconds."""

    of: str
    name: str
    p50_ms: float
    p95_ms: float


def _steps(bench: Bench, label: str) -> list[Step]:
    """What the turns themselves recorded."""
    with psycopg.connect(bench.ground.superuser) as database:
        rows = database.execute(
            "SELECT s.step, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.duration_ms),"
            " percentile_cont(0.95) WITHIN GROUP (ORDER BY s.duration_ms)"
            " FROM turn_steps s JOIN turns t ON t.tenant_id = s.tenant_id AND t.id = s.turn_id"
            " JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id"
            " WHERE c.external_id LIKE %s GROUP BY s.step ORDER BY min(s.started_ms), s.step",
            [label + "%"],
        ).fetchall()
    return [Step(label.partition("-")[0], *row) for row in rows]


@dataclass(frozen=True)
class SearchTime:
    """What the search statement takes in PostgreSQL, mean milliseconds."""

    plan_ms: float
    run_ms: float


def _search_ms(bench: Bench) -> SearchTime:
    with psycopg.connect(bench.ground.superuser) as database:
        row = database.execute(
            "SELECT sum(total_plan_time) / sum(calls), sum(total_exec_time) / sum(calls)"
            " FROM pg_stat_statements WHERE query LIKE '%%by_question%%'"
        ).fetchone()
    assert row is not None
    return SearchTime(*row)


@dataclass(frozen=True)
class Sampled:
    """Shares of the server's CPU by function, and what a turn cost meanwhile."""

    turn_ms: float
    whole: tuple[tuple[str, float], ...]
    own: tuple[tuple[str, float], ...]


def _sampled(bench: Bench) -> Sampled:
    """A server that watches itself, at zero latency, streamed; it ends with this."""
    server, turns = bench.watched, 200
    bench.ask(server, UNSURE, "watched", customers=BUSY_CUSTOMERS, turns=80)
    os.kill(server.process.pid, signal.SIGUSR1)
    before = processes.cpu_seconds(server.process.pid)
    bench.ask(server, UNSURE, "watched", customers=BUSY_CUSTOMERS, turns=turns)
    spent = processes.cpu_seconds(server.process.pid) - before
    processes.stop(server.process)
    return _read_samples(bench.ground.data / SAMPLES, spent / turns * 1000)


def _read_samples(file: Path, turn_ms: float) -> Sampled:
    found = json.loads(file.read_text())

    def shares(kind: str, within: str) -> tuple[tuple[str, float], ...]:
        counted = [item for item in found[kind].items() if within in item[0]]
        top = sorted(counted, key=lambda item: -item[1])
        return tuple((name, count / found["total"]) for name, count in top)

    inside = shares("whole", "coccinelle/")
    outside = ("coccinelle/cli/", "<lambda>", "<listcomp>", "<genexpr>")
    kept = tuple(item for item in inside if not any(mark in item[0] for mark in outside))
    return Sampled(turn_ms, kept[:TOP_FUNCTIONS], shares("own", "")[:TOP_FUNCTIONS])


@dataclass(frozen=True)
class _Reasons:
    """Says what a missed figure is spent on, from what was measured beside it."""

    steps: Sequence[Step]
    search: SearchTime
    sampled: Sampled
    costs: dict[bool, Cost]

    def of_latency(self, variant: Variant) -> str:
        """Where the time above the ideal goes."""
        of, asked_ms = ("routed", 550) if variant.is_routed else ("sure", 270)
        took = {step.name: step.p50_ms for step in self.steps if step.of == of}
        cpu = median(self.costs[True].server_ms) + median(self.costs[True].postgres_ms)
        parts = [
            f"with one client admission takes {took['admit']:.0f} ms, route and retrieval"
            f" {took['retrieve'] - asked_ms:.0f} ms more than their providers (the search statement"
            f" {self.search.run_ms:.0f} ms, its planning {self.search.plan_ms:.0f} ms),"
            f" generation {took['generate'] - LAST_TOKEN_MS:.0f} ms more than its own"
        ]
        if variant.customers > 1:
            arriving = variant.customers / variant.ideal_ms * 1000
            parts.append(
                f"{variant.customers} clients who never pause ask {arriving:.0f} times a second,"
                f" at {cpu:.0f} ms of CPU each, of which {median(self.costs[True].server_ms):.0f}"
                " ms are on the one core that a Python process has"
            )
        return "; ".join([*parts, "the load is named above."])

    def of_cost(self) -> str:
        """Where the CPU goes."""
        top = ", ".join(f"`{name}` {share:.0%}" for name, share in self.sampled.own[:4])
        database = median(self.costs[True].postgres_ms)
        others = median(self.costs[True].others_ms)
        return (
            f"one server process; a turn also costs PostgreSQL {database:.0f} ms and the"
            f" simulated providers and clients {others:.1f} ms of the same two cores. Of the"
            f" server's own: {top}."
        )


def _latency(variant: Variant, turns: Sequence[Answered], why: _Reasons) -> Figure:
    above = [turn.last_text_ms - variant.ideal_ms for turn in turns]
    p50, p95 = median(above), percentile(above, 0.95)
    limits = [(p50, variant.p50_ms, "p50"), (p95, variant.p95_ms, "p95")]
    given = [(value, limit, name) for value, limit, name in limits if limit is not None]
    met = all(value <= limit for value, limit, _ in given) if given else None
    return Figure(
        f"above the ideal, to the last token: {variant.name}",
        ", ".join(f"{name} <= {limit:.0f} ms" for _, limit, name in given) or "none",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms (p10 {percentile(above, 0.1):.0f} ms)",
        str(len(turns)),
        met,
        "" if met in (True, None) else why.of_latency(variant),
    )


def _throughput(costs: dict[bool, Cost], chunked_ms: float, why: _Reasons) -> list[Figure]:
    figures = []
    for streamed, rate, cpu_ms in ((False, 60, 20), (True, 40, 35)):
        cost, name = costs[streamed], "streamed" if streamed else "JSON"
        reached, spent, n = median(cost.rates), median(cost.server_ms), str(cost.turns)
        figures.append(
            _figure(
                f"turns a second at zero latency, {name}, one server process",
                f">= {rate}",
                reached,
                "",
                n,
                least=rate,
                why=why.of_cost(),
            )
        )
        figures.append(
            _figure(
                f"CPU of the server a turn, {name}",
                f"<= {cpu_ms} ms",
                spent,
                "ms",
                n,
                limit=cpu_ms,
                why=why.of_cost(),
            )
        )
    name = "CPU of the server a turn, streamed, events three by three over 550 ms"
    figures.append(_figure(name, "<= 35 ms", chunked_ms, "ms", "200", limit=35, why=why.of_cost()))
    return figures


def _figure(
    what: str,
    target: str,
    value: float,
    unit: str,
    samples: str,
    *,
    limit: float | None = None,
    least: float | None = None,
    digits: int = 1,
    why: str = "",
) -> Figure:
    met = (limit is None or value <= limit) and (least is None or value >= least)
    measured = f"{value:.{digits}f} {unit}".strip()
    return Figure(what, target, measured, samples, met, "" if met else why)


def _notes(
    timed: dict[Variant, list[Answered]],
    steps: Sequence[Step],
    sampled: Sampled,
    search: SearchTime,
    costs: dict[bool, Cost],
) -> str:
    parts = [
        "Providers: first token 250 ms, last 800 ms (180 tokens), routing 400 ms, embeddings"
        " 120 ms, rerank 150 ms. Two tenants of 300 passages; streamed answers; every question is"
        " new to every cache; conversations of four turns; API keys. The ideal is 1,350 ms with a"
        " routing call and 1,070 ms without, search counted as nothing; p10"
        " is what the quietest tenth of the turns met.",
        _milestones(timed),
        "What the turns of one client recorded of themselves:\n\n" + _steps_table(steps),
        f"The search statement takes PostgreSQL {search.run_ms:.1f} ms, and its planning"
        f" {search.plan_ms:.1f} ms (means over all loads). CPU a turn at zero latency, streamed:"
        f" server {median(costs[True].server_ms):.1f} ms, PostgreSQL"
        f" {median(costs[True].postgres_ms):.1f} ms, simulated providers and clients"
        f" {median(costs[True].others_ms):.1f} ms.",
        f"Where the server's CPU goes (streamed, zero latency, {sampled.turn_ms:.1f} ms a turn"
        " while sampled), with all that a function calls, then by itself:\n\n"
        + _shares_table(sampled),
    ]
    return "\n\n".join(parts)


def _milestones(timed: dict[Variant, list[Answered]]) -> str:
    lines = [
        "| load | first text p50 / p95, ms | last text p50 / p95, ms | recorded p50 / p95, ms |",
        "|---|---|---|---|",
    ]
    for variant, turns in timed.items():
        cells = [
            " / ".join(f"{percentile(values, share):.0f}" for share in (0.5, 0.95))
            for values in (
                [turn.first_text_ms for turn in turns],
                [turn.last_text_ms for turn in turns],
                [turn.end_ms for turn in turns],
            )
        ]
        lines.append(f"| {variant.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _steps_table(steps: Sequence[Step]) -> str:
    lines = ["| route | step | p50, ms | p95, ms |", "|---|---|---|---|"]
    lines += [f"| {s.of} | {s.name} | {s.p50_ms:.0f} | {s.p95_ms:.0f} |" for s in steps]
    return "\n".join(lines)


def _shares_table(sampled: Sampled) -> str:
    lines = [
        "| function, and what it calls | share | function itself | share |",
        "|---|---|---|---|",
    ]
    for (whole, share), (own, own_share) in zip(sampled.whole, sampled.own, strict=False):
        lines.append(f"| `{whole}` | {share:.0%} | `{own}` | {own_share:.0%} |")
    return "\n".join(lines)
