"""The commands of owners and operators: what they print, keep and refuse; never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from coccinelle.cli.evaluate import summary
from coccinelle.conversations import actions as conversations
from coccinelle.conversations.model import Arrival, Limits
from coccinelle.foundation import postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.settings import Settings, environment_name
from coccinelle.handoffs import actions as handoffs
from coccinelle.knowledge import actions as knowledge
from coccinelle.tenants import actions as tenants
from tests.cli.conftest import COMMAND, STARTS_SECONDS, Cli
from tests.conftest import IN_MEMORY
from tests.handoffs.people import member

NEED_A_TENANT = [
    ("chat",),
    ("search", "x"),
    ("ingest", "README.md"),
    ("gaps", "list"),
    ("sources", "list"),
    ("sources", "remove", "01a20036-733c-78da-8394-44a6d62335fb"),
    ("sources", "refresh", "01a20036-733c-78da-8394-44a6d62335fb"),
    ("handoffs", "list"),
    ("handoffs", "close", "01a20036-733c-78da-8394-44a6d62335fb"),
    ("keys", "create", "api", "--name", "x"),
    ("keys", "list"),
    ("keys", "revoke", "01a20036-733c-78da-8394-44a6d62335fb"),
    ("keys", "identity", "01a20036-733c-78da-8394-44a6d62335fb"),
    ("keys", "origins", "01a20036-733c-78da-8394-44a6d62335fb", "--origin", "https://x.example"),
    ("widget", "show"),
    ("widget", "set", "--color", "#b3261e"),
    ("tenants", "domain", "add", "x.example"),
    ("tenants", "domain", "remove", "x.example"),
    ("eval", "routing", "{routing}"),
    ("eval", "exam"),
]


@pytest.fixture(scope="module")
def shop(cli: Cli) -> Iterator[Cli]:
    """An installation with two businesses, whose database stays up for the module."""
    with EmbeddedPostgres(cli.data / "postgres", settings=IN_MEMORY):
        made = cli.typed(
            "tenants", "create", "rivoli", "--name", "Salon Rivoli", "--phone", "01 99 00 00 01"
        )
        assert made.returncode == 0, made.stderr
        assert cli.typed("tenants", "create", "nordlys", "--name", "Nordlys").returncode == 0
        yield cli


@pytest.fixture(scope="module")
def routing_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("routing") / "set.jsonl"
    file.write_text('{"text": "Bonjour", "expected": "escalate"}\n', encoding="utf-8")
    return file


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "psycopg", "fastapi", "pydantic", "structlog", "rich", "asyncio", "uvicorn")
    program = f"import sys, coccinelle.cli.main\nprint([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=Cli(Path("/nowhere")).environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_help_speaks_french_and_english(cli: Cli) -> None:
    assert "Traiter les tâches de fond." in cli.run("--help").stdout
    assert "Run the background jobs." in cli.run("--help", LANG="en_US.UTF-8").stdout
    assert "Traiter les tâches de fond." in cli.run("--help", LANG="C").stdout


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("serve", "--port", "0"), ("serve", "--port", "x"), ("keys", "create")],
)
def test_what_is_typed_wrongly_exits_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli.typed(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_unknown_setting_is_named_and_its_value_is_not(cli: Cli) -> None:
    done = cli.typed("tenants", "list", COCCINELLE_LLM_KEYS="sk-secret")
    assert done.returncode == 2
    assert "COCCINELLE_LLM_KEYS" in done.stderr
    assert "sk-secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_database_that_does_not_answer_is_one_sentence(cli: Cli) -> None:
    done = cli.typed("tenants", "list", DATABASE_URL="postgresql://u:hidden@127.0.0.1:9/x")
    assert done.returncode == 2
    assert done.stderr.startswith("La base de données ne répond pas")
    assert "hidden" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("address", ["foo", "postgresql://host:secret@[/x", "postgresql://h/x"])
@pytest.mark.parametrize("command", [("tenants", "list"), ("migrate",)])
def test_what_is_no_address_of_a_database_is_one_sentence(
    cli: Cli, address: str, command: tuple[str, ...]
) -> None:
    done = cli.typed(*command, DATABASE_URL=address)
    assert done.returncode == 2
    assert done.stderr.startswith("DATABASE_URL s'écrit postgresql://")
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_shows_every_knob_and_no_secret(cli: Cli) -> None:
    shown = cli.typed(
        "settings",
        COCCINELLE_LLM_API_KEY="sk-secret",
        COCCINELLE_PASSAGES="4",
        COCCINELLE_LOG_PII="1",
    ).stdout
    for field in Settings.model_fields:
        assert f"{environment_name(field)}=" in shown
    assert "sk-secret" not in shown
    assert "COCCINELLE_LLM_API_KEY=********\n" in shown
    assert "COCCINELLE_PASSAGES=4\n" in shown
    assert "COCCINELLE_LOG_PII=true\n" in shown
    assert "[≥ 1, ≤ 20]" in shown
    assert "COCCINELLE_LOG_FORMAT=text  (défaut)" in shown
    assert "[text, json]" in shown


def test_migrating_again_changes_nothing(shop: Cli) -> None:
    assert shop.typed("migrate").returncode == 0
    again = shop.typed("migrate")
    assert (again.returncode, again.stdout) == (0, "La base de données est à jour.\n")


def test_tenants_are_listed_and_a_short_name_is_theirs_alone(shop: Cli) -> None:
    lines = shop.typed("tenants", "list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["rivoli", "nordlys"]
    taken = shop.typed("tenants", "create", "rivoli", "--name", "Another")
    assert taken.returncode == 1
    assert len(taken.stderr.splitlines()) == 1
    assert shop.typed("tenants", "create", "Pas Bon", "--name", "x").returncode == 2


def test_a_host_name_is_bound_to_one_tenant(shop: Cli) -> None:
    bound = shop.typed(
        "tenants",
        "domain",
        "add",
        "Chat.Rivoli.example:443",
        "--tenant",
        "rivoli",
        "--origin",
        "https://rivoli.example",
    )
    assert (bound.returncode, bound.stdout) == (0, "chat.rivoli.example\n")
    add = ("tenants", "domain", "add", "chat.rivoli.example", "--tenant", "nordlys")
    assert shop.typed(*add).returncode == 1
    bad = ("tenants", "domain", "add", "x.example", "--tenant", "rivoli", "--origin", "ftp://x")
    assert shop.typed(*bad).returncode == 2


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--name", "", "de 1 à 200 caractères"),
        ("--email", "bonjour", "e-mail"),
        ("--handoff-email", "a@b", "e-mail"),
        ("--phone", "demain", "téléphone"),
        ("--website", "rivoli.example", "https://www.example.com"),
    ],
)
def test_a_fact_that_cannot_be_one_is_refused_in_one_sentence(
    shop: Cli, option: str, value: str, said: str
) -> None:
    before = shop.typed("tenants", "list").stdout
    named = () if option == "--name" else ("--name", "X")
    created = shop.typed("tenants", "create", "x1", *named, option, value)
    updated = shop.typed("tenants", "update", "rivoli", option, value)
    for done in (created, updated):
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert shop.typed("tenants", "list").stdout == before


def test_a_tenant_is_renamed_and_a_host_name_unbound(shop: Cli) -> None:
    assert shop.typed("tenants", "update", "nordlys").returncode == 2
    done = shop.typed("tenants", "update", "nordlys", "--name", "Nordlys SA", "--phone", "")
    assert done.returncode == 0, done.stderr
    assert "Nordlys SA" in shop.typed("tenants", "list").stdout
    bound = shop.typed("tenants", "domain", "add", "ny.example", "--tenant", "nordlys")
    assert bound.returncode == 0
    remove = ("tenants", "domain", "remove", "ny.example", "--tenant")
    codes = [shop.typed(*remove, slug).returncode for slug in ("rivoli", "nordlys", "nordlys")]
    assert codes == [1, 0, 1]


@pytest.mark.parametrize("host", ["http://a.example", "a.example/chat", "a.example:x"])
def test_an_address_is_no_host_name(shop: Cli, host: str) -> None:
    done = shop.typed("tenants", "domain", "add", host, "--tenant", "rivoli")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_key_is_shown_once_and_ends_when_it_is_revoked(shop: Cli) -> None:
    made = shop.typed("keys", "create", "api", "--name", "caisse", "--tenant", "rivoli")
    secret = made.stdout.strip()
    assert secret.startswith("ck_")
    public = ("keys", "create", "public", "--name", "site", "--tenant", "rivoli")
    assert shop.typed(*public, "--origin", "https://rivoli.example").stdout.startswith("pk_")
    listed = shop.typed("keys", "list", "--tenant", "rivoli").stdout
    assert secret not in listed
    assert listed.count("active") == 2
    key_id = next(line for line in listed.splitlines() if "caisse" in line).split("\t")[0]
    foreign = shop.typed("keys", "revoke", key_id, "--tenant", "nordlys")
    assert foreign.returncode == 1
    assert shop.typed("keys", "revoke", key_id, "--tenant", "rivoli").returncode == 0
    assert "révoquée" in shop.typed("keys", "list", "--tenant", "rivoli").stdout
    assert shop.typed("keys", "list", "--tenant", "nordlys").stdout == ""
    wrong = (
        "keys",
        "create",
        "api",
        "--name",
        "x",
        "--tenant",
        "rivoli",
        "--origin",
        "https://x.fr",
    )
    assert shop.typed(*wrong).returncode == 2


def test_a_public_key_comes_with_the_line_to_put_in_a_page(shop: Cli) -> None:
    made = ("keys", "create", "public", "--name", "pages", "--tenant", "rivoli")
    french, english = shop.typed(*made), shop.typed(*made, LANG="en_US.UTF-8")
    for done, host in ((french, "https://VOTRE-SERVEUR"), (english, "https://YOUR-HOST")):
        key = done.stdout.strip()
        line = f'<script src="{host}/widget.js" data-key="{key}" async></script>'
        assert done.stdout == f"{key}\n"
        assert done.stderr.rstrip("\n").endswith(line)
    api = shop.typed("keys", "create", "api", "--name", "x", "--tenant", "rivoli")
    assert "<script" not in api.stderr


def test_an_identity_secret_stays_until_it_is_rotated(shop: Cli) -> None:
    name = uuid4().hex
    shop.typed("keys", "create", "public", "--name", name, "--tenant", "nordlys")
    listed = shop.typed("keys", "list", "--tenant", "nordlys").stdout
    key_id = next(line for line in listed.splitlines() if name in line).split("\t")[0]
    asked = ("keys", "identity", key_id, "--tenant", "nordlys")
    first, again, rotated = shop.typed(*asked), shop.typed(*asked), shop.typed(*asked, "--rotate")
    assert first.stdout.startswith("is_")
    assert len(first.stdout.splitlines()) == 1
    assert "jamais dans une page" in first.stderr
    assert first.stdout == again.stdout != rotated.stdout
    foreign = shop.typed("keys", "identity", key_id, "--tenant", "rivoli")
    assert (foreign.returncode, foreign.stdout) == (1, "")
    assert len(foreign.stderr.splitlines()) == 1
    assert shop.typed("keys", "revoke", key_id, "--tenant", "nordlys").returncode == 0
    assert shop.typed(*asked).returncode == 1


def test_the_sites_of_a_public_key_are_chosen_later_and_named(shop: Cli) -> None:
    name, mine = uuid4().hex, ("--tenant", "nordlys")
    made = shop.typed("keys", "create", "public", "--name", name, *mine)
    assert "Aucun site ne peut encore l'employer" in made.stderr

    def listed() -> list[str]:
        lines = shop.typed("keys", "list", *mine).stdout.splitlines()
        return next(line for line in lines if name in line).split("\t")

    key_id, *_, before = listed()
    wrong = shop.typed("keys", "origins", key_id, "--origin", "https://*.example", *mine)
    told = shop.typed("keys", "origins", key_id, "--origin", "https://Salon.example/", *mine)
    foreign = shop.typed(
        "keys", "origins", key_id, "--origin", "https://a.example", "--tenant", "rivoli"
    )
    assert (wrong.returncode, told.returncode, foreign.returncode) == (2, 0, 1)
    assert "étoile" in wrong.stderr
    assert (before, listed()[-1]) == ("", "https://salon.example")


def test_a_widget_is_shown_as_its_business_set_it(shop: Cli) -> None:
    mine = ("--tenant", "rivoli")
    chosen = shop.typed(
        "widget", "set", "--color", "#B3261E", "--greeting-fr", "Bonjour\n\x1b[2Jà vous", *mine
    )
    shop.typed("widget", "set", "--position", "left", "--reply-within-minutes", "120", *mine)
    shown = shop.typed("widget", "show", *mine).stdout
    assert chosen.returncode == 0
    assert shown.splitlines() == [
        "color\t#b3261e",
        "position\tleft",
        "greeting-fr\tBonjour [2Jà vous",
        "greeting-en\t-",
        "reply-within-minutes\t120",
    ]
    other = shop.typed("widget", "show", "--tenant", "nordlys").stdout
    assert {line.split("\t")[1] for line in other.splitlines()} == {"-"}
    forgotten = shop.typed("widget", "set", "--color", "", *mine).stdout
    assert forgotten.splitlines()[:2] == ["color\t-", "position\tleft"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--color", "red"),
        ("--color", "#fff"),
        ("--position", "top"),
        ("--reply-within-minutes", "soon"),
        ("--greeting-en", "x" * 501),
    ],
    ids=str,
)
def test_a_widget_that_cannot_be_is_refused_in_a_sentence(
    shop: Cli, arguments: tuple[str, ...]
) -> None:
    before = shop.typed("widget", "show", "--tenant", "nordlys").stdout
    done = shop.typed("widget", "set", *arguments, "--tenant", "nordlys")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert shop.typed("widget", "show", "--tenant", "nordlys").stdout == before


@pytest.mark.parametrize("arguments", NEED_A_TENANT, ids=" ".join)
def test_a_tenant_is_never_guessed(
    shop: Cli, routing_file: Path, arguments: tuple[str, ...]
) -> None:
    typed = [word.format(routing=routing_file) for word in arguments]
    without = shop.typed(*typed)
    assert without.returncode == 2
    assert without.stderr.strip() == "Précisez --tenant : rivoli, nordlys."


def test_a_tenant_that_does_not_exist_is_said_with_those_that_do(shop: Cli) -> None:
    unknown = shop.typed("keys", "list", "--tenant", "nobody")
    assert unknown.returncode == 2
    assert "« nobody »" in unknown.stderr
    assert "rivoli, nordlys" in unknown.stderr


def test_files_are_ingested_found_and_reported_one_by_one(shop: Cli, tmp_path: Path) -> None:
    good, bad = tmp_path / "horaires.md", tmp_path / "photo.xyz"
    good.write_text("# Horaires\n\nLe salon ouvre du mardi au samedi, de 9 h à 19 h.\n", "utf-8")
    bad.write_bytes(b"\x00\x01\x02\x03")
    missing = tmp_path / "absent.pdf"
    done = shop.typed("ingest", *map(str, (good, bad, missing)), "--tenant", "rivoli")
    assert done.returncode == 1
    states = {line.split("\t")[1]: line.split("\t")[0] for line in done.stdout.splitlines()}
    assert states == {str(good): "ajouté", str(bad): "échec", str(missing): "échec"}
    assert "1 ajouté, 2 en échec ; 1 passage." in done.stderr
    again = shop.typed("ingest", str(good), str(bad), "--tenant", "rivoli")
    assert again.returncode == 1
    assert again.stdout.startswith("déjà connu")
    assert "0 ajouté, 1 déjà connu, 1 en échec ; 0 passage." in again.stderr

    found = shop.typed("search", "À quelle heure ouvrez-vous le samedi ?", "--tenant", "rivoli")
    assert found.returncode == 0
    assert "mardi au samedi" in found.stdout
    for figure in ("score", "dense", "bm25", "couverture", "réponse"):
        assert figure in found.stdout
    foreign = shop.typed("search", "À quelle heure ouvrez-vous ?", "--tenant", "nordlys")
    assert (foreign.returncode, foreign.stdout) == (0, "")


def test_a_changed_file_is_replaced_listed_read_anew_and_removed(shop: Cli, tmp_path: Path) -> None:
    mine, file = ("--tenant", "nordlys"), tmp_path / "tarifs.csv"
    file.write_text("Prestation;Prix\nMassage;40 euros\n", "utf-8")
    assert shop.typed("ingest", str(file), *mine).returncode == 0
    file.write_text("Prestation;Prix\nMassage;55 euros\n", "utf-8")
    changed = shop.typed("ingest", str(file), *mine)
    assert changed.stdout.startswith("remplacé")
    assert "0 ajouté, 1 remplacé ; 1 passage." in changed.stderr
    found = shop.typed("search", "prix du massage", *mine).stdout
    assert "55 euros" in found
    assert "40 euros" not in found

    [line] = shop.typed("sources", "list", *mine).stdout.splitlines()
    source_id, *rest = line.split("\t")
    assert rest == ["file", "prête", "1 passage", "tarifs.csv"]
    assert shop.typed("sources", "refresh", source_id, *mine).stdout.strip() == line
    for verb in ("refresh", "remove"):
        assert shop.typed("sources", verb, source_id, "--tenant", "rivoli").returncode == 1
    assert shop.typed("sources", "remove", source_id, *mine).returncode == 0
    assert shop.typed("sources", "list", *mine).stdout == ""


def test_files_of_one_name_in_two_folders_are_two_sources(shop: Cli, tmp_path: Path) -> None:
    mine = ("--tenant", "nordlys")
    for folder, said in (("lyon", "Lyon : 9 h."), ("lille", "Lille : 10 h.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "horaires.txt").write_text(said, "utf-8")
    assert shop.typed("ingest", str(tmp_path), *mine).stderr.startswith("2 ajoutés")
    (tmp_path / "lille" / "horaires.txt").write_text("Lille : 11 h.", "utf-8")
    assert shop.typed("ingest", str(tmp_path), *mine).stderr.startswith(
        "0 ajouté, 1 remplacé, 1 déjà connu"
    )
    lines = shop.typed("sources", "list", *mine).stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert shop.typed("sources", "remove", line.split("\t")[0], *mine).returncode == 0


def test_a_private_address_is_refused_with_how_to_allow_it(shop: Cli) -> None:
    done = shop.typed("ingest", "http://127.0.0.1:18299/", "--tenant", "rivoli")
    assert done.returncode == 1
    assert "COCCINELLE_UPSTREAM_ALLOW=hôte:port" in done.stderr


def test_an_agent_that_does_not_exist_is_refused_before_anything_is_kept(
    shop: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "kept.md"
    file.write_text("# Rien\n\nUn texte.\n", "utf-8")
    done = shop.typed("ingest", str(file), "--tenant", "rivoli", "--agent", "nobody")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert shop.typed("search", "texte", "--tenant", "rivoli", "--agent", "nobody").returncode == 2


def test_a_tenant_without_agents_answers_nobody(shop: Cli) -> None:
    done = shop.typed("chat", "--tenant", "nordlys")
    assert done.returncode == 1
    assert "n'a pas encore d'agent" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_gaps_and_handoffs_are_listed_as_text_that_cannot_move_the_cursor(shop: Cli) -> None:
    server = EmbeddedPostgres(shop.data / "postgres")
    with server:
        db = Database(postgres.provision(server).login)
        await db.open()
        tenant = await tenants.find(db, "rivoli")
        arrival = Arrival(tenant.id, "cli", "u", "c-1", "Je veux parler à quelqu'un")
        await conversations.admit(db, arrival, Limits())
        async with db.tenant(tenant.id) as tx:
            await knowledge.record_gap(
                tx, question="Vendez-vous \x1b[2J\a\u202edes\tbons ?", best_score=0.2
            )
            handoff_id = await handoffs.open(
                tx,
                conversation_id=arrival.conversation_uuid,
                reason="a demandé une personne",
                email="cliente@example.com",
                note="rappeler\nle soir",
            )
            await conversations.identify(
                tx,
                external_id="c-1",
                user_id="u",
                identity="client\x1b[2J\t4812",
                email="lea@example.com",
            )
        lea = await member(db, tenant.id, name="Léa\t\x1b[2JMartin")
        async with db.tenant(tenant.id) as tx:
            await handoffs.claim(tx, handoff_id, by=lea)
        await db.close()
        await listed(shop, str(handoff_id))


async def listed(shop: Cli, handoff_id: str) -> None:
    run = asyncio.to_thread
    gaps = (await run(shop.typed, "gaps", "list", "--tenant", "rivoli")).stdout
    assert "Vendez-vous" in gaps
    assert gaps.replace("\t", "").replace("\n", "").isprintable()
    assert (await run(shop.typed, "gaps", "list", "--tenant", "nordlys")).stdout == ""
    shown = (await run(shop.typed, "handoffs", "list", "--tenant", "rivoli")).stdout
    assert shown.split("\t")[0] == handoff_id
    assert shown.split("\t")[2] == "prise en charge (Léa [2JMartin)"
    assert "\tcliente@example.com [id prouvé : client [2J 4812] " in shown
    assert " [e-mail selon la page : lea@example.com]\t" in shown
    assert shown.rstrip("\n").endswith("\tJe veux parler à quelqu'un")
    assert len(shown.splitlines()) == 1
    close = ("handoffs", "close", handoff_id, "--tenant")
    assert (await run(shop.typed, *close, "nordlys")).returncode == 1
    assert (await run(shop.typed, *close, "rivoli")).returncode == 0
    assert (await run(shop.typed, "handoffs", "list", "--tenant", "rivoli")).stdout == ""
    every = (await run(shop.typed, "handoffs", "list", "--all", "--tenant", "rivoli")).stdout
    assert "close" in every


def test_the_demo_is_loaded_once_talks_and_is_measured(shop: Cli, tmp_path: Path) -> None:
    loaded = shop.typed("demo", "load")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines() == [
        "agence-des-copines\tchargée",
        "garage-des-tilleuls\tchargée",
    ]
    assert "déjà là" in shop.typed("demo", "load").stdout

    agence = ("--tenant", "agence-des-copines")
    said = shop.typed("chat", *agence, said="Bonjour\nComment créer un lead magnet ?\n")
    assert said.returncode == 0
    assert "Audrey (" in said.stdout
    assert "[1]" in said.stdout
    assert "0.000000 €" in said.stdout
    assert "retrieve" in said.stdout

    unknown = shop.typed("chat", *agence, "--agent", "nope", said="Bonjour\n")
    assert unknown.returncode == 2
    assert "« nope ». Il y a : audrey, carole." in unknown.stderr
    interrupted(shop, *agence)

    file = tmp_path / "routing.jsonl"
    lines = [
        {"text": "Comment créer un tunnel de vente ?", "expected": "audrey"},
        {"text": "Aide-moi à créer un reel viral", "expected": "carole"},
        {"text": "Merci beaucoup !", "expected": "escalate"},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    measured = shop.typed("eval", "routing", str(file), *agence)
    assert measured.returncode == 0, measured.stderr
    assert "exactitude 1.000 (3/3)" in measured.stdout


def interrupted(shop: Cli, *arguments: str) -> None:
    """Ctrl-C at the prompt ends the conversation, and nobody has to press Enter."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "chat", *arguments],
        env=shop.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = b""
    while b"> " not in seen:
        seen += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=STARTS_SECONDS)
    os.close(ours)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"Fatal" not in err


def test_confusion_is_counted_by_who_should_have_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    pairs = [("a", "a"), ("a", "b"), ("a", "escalate"), ("escalate", "escalate"), ("escalate", "b")]
    lines = summary(pairs).splitlines()
    assert lines[2].split() == ["a", "1", "1", "1"]
    assert lines[4].split() == ["escalate", "0", "1", "1"]
    assert "exactitude 0.400 (2/5)" in lines
    assert "mauvais agent 0.200 (1/5)" in lines
    assert "précision escalade 0.500 (1/2)" in lines
    assert "rappel escalade 0.500 (1/2)" in lines


def test_search_is_measured_on_a_folder_and_leaves_nothing(shop: Cli, tmp_path: Path) -> None:
    documents = {
        "1": ("Retours", "Un article se retourne sous 30 jours."),
        "2": ("Café", "Arabica."),
    }
    rows = [{"_id": k, "title": title, "text": text} for k, (title, text) in documents.items()]
    write_lines(tmp_path / "corpus.jsonl", rows)
    write_lines(
        tmp_path / "queries.jsonl", [{"_id": "q", "text": "Comment retourner un article ?"}]
    )
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n", encoding="utf-8")
    before = shop.typed("tenants", "list").stdout
    done = shop.typed("eval", "retrieval", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "nDCG@10" in done.stdout
    assert "| 1.000 |" in done.stdout
    assert shop.typed("tenants", "list").stdout == before


def write_lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


@pytest.mark.parametrize("content", ["", "not json\n", '{"text": "x"}\n'])
def test_a_routing_set_that_is_none_is_refused(shop: Cli, tmp_path: Path, content: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(content, encoding="utf-8")
    assert shop.typed("eval", "routing", str(file), "--tenant", "rivoli").returncode == 2
    assert shop.typed("eval", "retrieval", str(tmp_path / "nowhere")).returncode == 2


def test_the_funnel_of_onboarding_is_printed_even_before_anybody_came(shop: Cli) -> None:
    printed = shop.typed("onboarding", "funnel")
    lines = [line.split("\t") for line in printed.stdout.splitlines()]

    assert printed.returncode == 0, printed.stderr
    assert [line[1] for line in lines[:9]] == ["0"] * 9
    assert [line[0] for line in lines[9:11]] == ["durée moyenne (s)", "taux de réussite (%)"]
    steps = ["business", "staff", "assistant", "knowledge", "complete"]
    assert [line[0] for line in lines[11:]] == steps
    assert all(line[1:] == ["0", "0", "0", "-"] for line in lines[11:])
