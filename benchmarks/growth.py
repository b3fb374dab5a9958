"""Growth: a turn in a large installation against one in a small one, side by side.

Two databases with a server each: one of a thousand messages and ten tenants, one of as many as
asked for and ten thousand tenants. Providers answer at once; the variants take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import msgspec
import psycopg

from benchmarks import businesses, processes
from benchmarks.businesses import UNSURE, Business
from benchmarks.chat import LOADED
from benchmarks.clients import Load, Measured
from benchmarks.processes import Ground, Providers, Server
from benchmarks.results import Figure, Section, median, percentile

FEW_MESSAGES, FEW_TENANTS = 1_000, 10
MANY_MESSAGES, LARGE_MESSAGES, MANY_TENANTS = 200_000, 1_000_000, 10_000
SHORT_MESSAGES, LONG_MESSAGES = 10, 2_000
CONVERSATION_MESSAGES = 20
ROUNDS, TURNS = 6, 50
FLAT = 0.20
LONG = "long"
ENDLESS = 10**9


@dataclass
class Place:
    """An installation, and what its turns took: new conversations, and long ones."""

    messages: int
    tenants: int
    server: Server
    asked: list[Business]
    new_ms: list[float] = field(default_factory=list)
    short_ms: list[float] = field(default_factory=list)
    long_ms: list[float] = field(default_factory=list)


def run(*, large: bool = False) -> list[Section]:
    """Fill both, and ask them in turn."""
    most = LARGE_MESSAGES if large else MANY_MESSAGES
    with ExitStack() as stack:
        providers = stack.enter_context(processes.providers("--zero"))
        small, grown = (
            stack.enter_context(_place(providers, messages, tenants))
            for messages, tenants in ((FEW_MESSAGES, FEW_TENANTS), (most, MANY_TENANTS))
        )
        for place in (small, grown):
            _ask(place, "warm", 0, ENDLESS)
        for number in range(ROUNDS):
            for place in (small, grown):
                place.new_ms += _ask(place, "new", number, 4)
            grown.short_ms += _ask(grown, "short", number, SHORT_MESSAGES // 2)
            grown.long_ms += _ask(grown, LONG, number, ENDLESS)
    return [Section("Growth", _figures(small, grown), _notes(small, grown))]


@contextmanager
def _place(providers: Providers, messages: int, tenants: int) -> Iterator[Place]:
    with processes.ground() as ground:
        environment = {**providers.environment, "COCCINELLE_DATA": str(ground.data)}
        asked = asyncio.run(businesses.create(ground.addresses, environment))
        fill(ground, asked, messages, tenants)
        with processes.serving(ground.data, {**providers.environment, **LOADED}) as server:
            yield Place(messages, tenants, server, asked)


def _ask(place: Place, label: str, number: int, conversation_turns: int) -> list[float]:
    """Milliseconds of one customer's turns, one after the other."""
    asked = Load(
        place.server.port,
        [place.asked[0].key],
        list(UNSURE),
        label if label == LONG else f"{label}-{number}",
        turns=TURNS,
        streamed=False,
        conversation_turns=conversation_turns,
        seed=f"{label}{number}",
    )
    found = msgspec.json.decode(processes.in_process("benchmarks.clients", asked), type=Measured)
    if any(turn.status != 200 for turn in found.turns):
        raise RuntimeError("not all turns were answered")
    return [turn.end_ms for turn in found.turns]


def fill(ground: Ground, asked: list[Business], messages: int, tenants: int) -> None:
    """Write rows as turns would have left them, and one conversation of 2,000 messages."""
    conversations = messages // CONVERSATION_MESSAGES // len(asked)
    with psycopg.connect(ground.superuser, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(_TENANTS, {"tenants": tenants - len(asked)})
        for business in asked:
            said = CONVERSATION_MESSAGES // 2
            _converse(database, business, "filled-", conversations, said)
            _converse(database, business, f"{LONG}-0-", 1, LONG_MESSAGES // 2)
        database.execute("VACUUM ANALYZE")


def _converse(
    database: psycopg.Connection, business: Business, name: str, count: int, turns: int
) -> None:
    values = {"tenant": business.id, "name": name, "count": count, "turns": turns}
    for statement in _CONVERSATIONS:
        database.execute(statement.encode(), values)


_TENANTS = b"""
INSERT INTO tenants (id, slug, company_name)
SELECT gen_random_uuid(), 'filled-' || n, 'Filled ' || n FROM generate_series(1, %(tenants)s) n
"""
# Identities are hashes of what they name, so that each table finds those of the others.
_WHO = "md5(%(tenant)s::text || 'customer' || %(name)s || (n - 1))::uuid"
_WHERE = "md5(%(tenant)s::text || 'conversation' || %(name)s || (n - 1))::uuid"
_TURN = "md5(%(tenant)s::text || 'turn' || %(name)s || (n - 1) || '-' || k)::uuid"
_EACH = "FROM generate_series(1, %(count)s) n"
_EACH_TURN = _EACH + ", generate_series(1, %(turns)s) k"
_THEN = "now() - make_interval(days => (n %% 300)::integer, secs => %(turns)s - k)"
_CONVERSATIONS = (
    f"INSERT INTO customers (id, tenant_id) SELECT {_WHO}, %(tenant)s {_EACH}",
    "INSERT INTO customer_identities (tenant_id, kind, value, customer_id)"
    f" SELECT %(tenant)s, 'external_id', %(name)s || (n - 1), {_WHO} {_EACH}",
    "INSERT INTO conversations (id, tenant_id, external_id, customer_id, channel, next_seq)"
    f" SELECT {_WHERE}, %(tenant)s, %(name)s || (n - 1), {_WHO}, 'chat_v2', 2 * %(turns)s + 1"
    f" {_EACH}",
    "INSERT INTO turns (id, tenant_id, conversation_id, seq, channel, message_sha256, state,"
    " latency_ms, prompt_tokens, completion_tokens, cost_microeur, accepted_at, finished_at)"
    f" SELECT {_TURN}, %(tenant)s, {_WHERE}, 2 * k - 1, 'chat_v2', '\\x00', 'answered',"
    f" 1400, 900, 180, 200, {_THEN}, {_THEN} {_EACH_TURN}",
    "INSERT INTO messages (id, tenant_id, conversation_id, seq, turn_id, author, text, created_at)"
    f" SELECT gen_random_uuid(), %(tenant)s, {_WHERE}, 2 * k - said, {_TURN},"
    " CASE said WHEN 1 THEN 'customer' ELSE 'agent' END,"
    " CASE said WHEN 1 THEN 'Et comment faire pour la suite, numéro ' || k || ' ?'"
    " ELSE repeat('Voici ce que disent nos documents à ce sujet, pas à pas. ', 8) END,"
    f" {_THEN} {_EACH_TURN}, generate_series(0, 1) said",
    "INSERT INTO turn_steps (tenant_id, turn_id, position, step, started_ms, duration_ms)"
    f" SELECT %(tenant)s, {_TURN}, place,"
    " (ARRAY['admit', 'route', 'retrieve', 'generate'])[place], 10, 10"
    f" {_EACH_TURN}, generate_series(1, 4) place",
)


def _figures(small: Place, grown: Place) -> list[Figure]:
    messages = f"{small.messages:,} -> {grown.messages:,} messages"
    tenants = f"{small.tenants:,} -> {grown.tenants:,} tenants"
    conversation = f"conversation of at most {SHORT_MESSAGES} -> {LONG_MESSAGES:,} messages"
    return [
        _flat(f"p95 of a turn, {messages} and {tenants}", small.new_ms, grown.new_ms),
        _flat(f"p95 of a turn, {conversation}", grown.short_ms, grown.long_ms),
    ]


def _flat(what: str, before: list[float], after: list[float]) -> Figure:
    low, high = percentile(before, 0.95), percentile(after, 0.95)
    change = high / low - 1
    met = change <= FLAT
    middle = median(after) / median(before) - 1
    return Figure(
        what,
        f"flat, +-{FLAT:.0%}",
        f"{low:.0f} -> {high:.0f} ms ({change:+.0%})",
        f"{len(before)} + {len(after)}",
        met,
        "" if met else f"the median changes by {middle:+.0%}.",
    )


def _notes(small: Place, grown: Place) -> str:
    lines = ["| turns | p50, ms | p95, ms |", "|---|---|---|"]
    for name, times in (
        (f"{small.messages:,} messages, {small.tenants:,} tenants", small.new_ms),
        (f"{grown.messages:,} messages, {grown.tenants:,} tenants", grown.new_ms),
        (f"there, in conversations of at most {SHORT_MESSAGES} messages", grown.short_ms),
        (f"there, in one of {LONG_MESSAGES:,} messages", grown.long_ms),
    ):
        lines.append(f"| {name} | {median(times):.1f} | {percentile(times, 0.95):.1f} |")
    return "One customer at a time, JSON, providers that answer at once.\n\n" + "\n".join(lines)
