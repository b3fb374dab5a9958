"""`coccinelle serve`: one command starts all of it, and one signal stops all of it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from coccinelle.foundation.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.cli.conftest import Cli, Served
from tests.scripted_llm import Say, ScriptedLLM

AGENCE = "agence-des-copines"
LONG_ANSWER = " ".join(["Bonjour, voici la réponse."] * 12)


@pytest.fixture(scope="module")
def served(cli: Cli) -> Iterator[Served]:
    """The first run: an empty folder, the demo, a server that answers before it is loaded."""
    with cli.serving("--demo") as server:
        assert server.until("/live").status_code == 200
        assert server.get("/health").json()["services"].keys() >= {"database", "llm", "demo"}
        server.until("/health")
        yield server


def postgres_answers(data: Path) -> bool:
    server = EmbeddedPostgres(data / "postgres")
    try:
        psycopg.connect(server.dsn(), connect_timeout=2).close()
    except (psycopg.OperationalError, EmbeddedPostgresError):
        return False  # down, or stopped before it had a password
    return True


def ask(served: Served, text: str, *, user: str, **headers: str) -> httpx2.Response:
    body = {"user_id": user, "conversation_id": user, "message": text}
    return httpx2.post(
        f"{served.url}/api/chat", json=body, headers=headers, timeout=30, trust_env=False
    )


def test_the_two_questions_of_the_replaced_systems_guide_get_their_answers(
    served: Served,
) -> None:
    for text, agent in [
        ("Comment automatiser mes emails de bienvenue?", "audrey"),
        ("Aide-moi à créer un reel viral sur Instagram", "carole"),
    ]:
        answer = ask(served, text, user=f"guide-{agent}").json()
        assert answer["agent"] == agent
        assert answer["sources"]


def test_health_says_what_it_stands_on(served: Served) -> None:
    report = served.until("/api/v2/health").json()
    assert report["services"]["database"]["ok"]
    assert report["services"]["embeddings"]["ok"]
    assert report["services"]["llm"]["note"] == "offline composer"
    assert report["services"]["demo"]["ok"]
    assert "coccinelle_database_statements_total" in served.get("/metrics").text


def test_a_port_that_is_taken_is_said_before_anything_is_started(
    served: Served, tmp_path: Path
) -> None:
    other = Cli(tmp_path / "untouched")
    done = other.run("serve", "--port", str(served.port))
    assert done.returncode == 2
    assert f"Le port {served.port} est déjà pris" in done.stderr
    free = int(done.stderr.split("make run PORT=")[1].split()[0])
    assert free > served.port
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", free))
    assert not other.data.exists()
    english = other.run("serve", "--port", str(served.port), LANG="en_GB.UTF-8")
    assert f"Port {served.port} is taken" in english.stderr


def test_a_second_process_shares_the_database_and_leaves_it_to_the_first(
    cli: Cli, served: Served
) -> None:
    with cli.serving("--demo") as second:
        second.until("/health")
        assert ask(second, "Quels sont vos tarifs ?", user="second").status_code == 200
        code, _, _ = second.stop()
    assert code == 0
    assert ask(served, "Quels sont vos tarifs ?", user="first").status_code == 200


async def test_a_stream_ends_before_its_server_does(cli: Cli, served: Served) -> None:
    async with ScriptedLLM() as llm:
        llm.script(Say(LONG_ANSWER, gap_seconds=0.05), model="slow")
        settings = {
            "COCCINELLE_LLM_BASE_URL": llm.base_url,
            "COCCINELLE_LLM_ANSWER_MODELS": "slow",
        }
        with cli.serving(**settings) as second:
            second.until("/ready")
            events = await streamed(second)
            code, _, err = second.stop()
    assert events[-1]["event"] == "done"
    assert json.loads(events[-1]["data"])["agent"] == "audrey"
    assert code == 0, err
    assert "Traceback" not in err


async def streamed(server: Served) -> list[dict[str, str]]:
    """The events of a turn during whose first words the server is told to stop."""
    body = {"user_id": "s", "conversation_id": "s", "message": "Comment créer un lead magnet ?"}
    headers = {"Accept": "text/event-stream"}
    events: list[dict[str, str]] = []
    async with (
        httpx2.AsyncClient(timeout=60, trust_env=False) as client,
        client.stream("POST", f"{server.url}/api/chat", json=body, headers=headers) as answer,
    ):
        event: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if not line and event:
                events.append(event)
                event = {}
            elif name in ("event", "data"):
                event[name] = value
            if event.get("event") == "delta" and len(events) < 4:
                server.process.send_signal(signal.SIGTERM)
    return events


def test_what_was_printed_can_be_typed_and_a_signal_stops_all_of_it(
    cli: Cli, served: Served
) -> None:
    canary = "Je suis lea.canari@example.com, 06 12 34 56 78, ma clé est ck_canari0123456789"
    ask(served, canary, user="lea.canari@example.com")
    served.get(f"/api/conversations/{canary}/messages?user_id={canary}")
    code, out, err = served.stop(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert "turn_recorded" in err
    logged = err + (EmbeddedPostgres(cli.data / "postgres").location / "postgres.log").read_text()
    assert [said for said in ("canari", "06 12 34") if said in logged] == []
    assert not postgres_answers(cli.data)
    typed = [shlex.split(line) for line in err.splitlines() if line.startswith("    ")]
    opened = [httpx2.URL(words[0]) for words in typed if words[0].startswith("http")]
    assert [(url.host, url.path) for url in opened] == [
        ("localhost", "/demo"),
        ("garage.localhost", "/demo"),
        ("localhost", "/health"),
    ]
    assert {url.port for url in opened} == {served.port}
    curls = [words for words in typed if words[0] == "curl"]
    assert len(curls) == 4
    chats = [words for words in typed if words[1:2] == ["chat"]]
    with cli.serving() as again:
        again.until("/ready")
        assert [again.get(url.path, Host=url.host).status_code for url in opened] == [200] * 3
        for words in curls:
            headers = dict(words[n + 1].split(": ", 1) for n, w in enumerate(words) if w == "-H")
            body = json.loads(words[words.index("-d") + 1])
            answer = httpx2.post(
                f"{again.url}/api/chat", json=body, headers=headers, timeout=30, trust_env=False
            ).json()
            assert body["conversation_id"] == f"essai-{answer['agent']}"
    assert chats == [["coccinelle", "chat", "--tenant", AGENCE]]
    said = cli.run(*chats[0][1:], said="Comment relancer un panier abandonné ?\n")
    assert said.returncode == 0
    assert "Audrey" in said.stdout


def test_after_kill_9_it_starts_again_on_what_was_there(cli: Cli) -> None:
    with cli.serving("--demo") as server:
        server.until("/health")
        server.process.kill()
        server.process.wait()
    with cli.serving("--demo") as again:
        again.until("/health")
        assert ask(again, "Comment créer un tunnel de vente ?", user="k").json()["sources"]
        code, _, _ = again.stop()
    assert code == 0
    assert not postgres_answers(cli.data)


@pytest.mark.parametrize("pause_seconds", [0, 0.6, 1.4])
def test_a_ctrl_c_before_it_has_started_leaves_nothing_behind(
    tmp_path: Path, pause_seconds: float
) -> None:
    early = Cli(tmp_path / "early")
    with early.serving() as server:
        socket_folder = EmbeddedPostgres(early.data / "postgres").location / "run"
        while not socket_folder.exists():
            assert server.process.poll() is None
            time.sleep(0.01)
        time.sleep(pause_seconds)
        code, _, err = server.stop()
    assert code == 0, err
    assert "Traceback" not in err
    assert not postgres_answers(early.data)
    early.forget()


def test_a_ctrl_c_in_a_terminal_which_also_stops_what_makes_the_database_is_no_error(
    tmp_path: Path,
) -> None:
    early = Cli(tmp_path / "early")
    with early.serving() as server:
        making = EmbeddedPostgres(early.data / "postgres").location / "data.making" / "base"
        while not making.exists():
            assert server.process.poll() is None
            time.sleep(0.01)
        os.killpg(server.process.pid, signal.SIGINT)
        _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 0, err
    assert err.endswith("Arrêté avant d'avoir démarré.\n")
    assert "Traceback" not in err
    early.forget()
