"""PostgreSQL beside the application: started by its first user, stopped by its last one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from psycopg import pq
from psycopg.conninfo import make_conninfo

from coccinelle.foundation.embedded_place import (
    EmbeddedPostgresError,
    Place,
    binaries,
    environment,
    locate,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

MAJOR = "18"
STOP_SECONDS = 60
LOG_BYTES = 10_000_000

# For a machine of two cores that also runs the application. What customers write reaches the log
# neither as a parameter nor as the detail of an error.
SETTINGS = {
    "autovacuum_max_workers": "2",
    "effective_cache_size": "1GB",
    "io_workers": "2",
    "jit": "off",
    "listen_addresses": "",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "500ms",
    "log_parameter_max_length": "0",
    "log_timezone": "UTC",
    "maintenance_work_mem": "256MB",
    "max_connections": "100",
    "max_locks_per_transaction": "128",
    "max_parallel_workers_per_gather": "0",
    "max_wal_size": "512MB",
    "random_page_cost": "1.1",
    "shared_buffers": "128MB",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "wal_compression": "pglz",
    "work_mem": "16MB",
}


class EmbeddedPostgres:
    """A PostgreSQL server that the processes of one data directory share.

    Its users are counted by a lock that the kernel drops when a process dies, however it dies; it
    lives when it answers a connection, whatever a file of process ids says. A server whose users
    were all killed goes on, and the next user adopts it. `start` and `stop` may be called in any
    number of processes, and any number of times in one.

    Args:
        root: the directory asked for; see `location` for the one that is used.
        settings: PostgreSQL's own, over ours; they count for the user who starts the server.
    """

    def __init__(self, root: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._root = root.expanduser().resolve()
        self._settings = {**SETTINGS, **(settings or {})}
        self._place: Place | None = None
        self._users: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._logged_bytes = 0

    @property
    def location(self) -> Path:
        """The directory that holds the data, the socket, the password and the log.

        Raises:
            EmbeddedPostgresError: there is no place that the server's account can enter.
        """
        return self._located().directory

    @property
    def notice(self) -> str | None:
        """What to tell the operator when the data is not where it was asked for."""
        if self.location == self._root:
            return None
        return f"{self._root} is closed to PostgreSQL's account: the data is in {self.location}."

    def dsn(self, user: str = "postgres", database: str = "postgres") -> str:
        """A libpq connection string, with the password that `start` drew for the superuser.

        Raises:
            EmbeddedPostgresError: there is no password, as before the first `start`.
        """
        place = self._located()
        try:
            password = place.pgpass.read_text().strip().rpartition(":")[2]
        except OSError as error:
            raise EmbeddedPostgresError(
                f"{place.pgpass} cannot be read: start the server once, or restore that file."
            ) from error
        return make_conninfo(
            host=str(place.socket), port=5432, user=user, dbname=database, password=password
        )

    def start(self, timeout_seconds: float = 120) -> None:
        """Return when the server answers: the one that runs already, or a new one.

        Raises:
            EmbeddedPostgresError: it cannot, or not within `timeout_seconds`.
        """
        if self._users is not None:
            return
        deadline = time.monotonic() + timeout_seconds
        place = self._located()
        with self._explained(), self._alone(place, deadline):
            self._start(place, deadline)

    def stop(self) -> None:
        """Leave; the last one out stops the server, and waits until it has."""
        if self._users is None:
            return
        place = self._located()
        with self._alone(place, time.monotonic() + 2 * STOP_SECONDS):
            self._leave(place)

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _located(self) -> Place:
        if self._place is None:
            with self._explained():
                self._place = locate(self._root)
        return self._place

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL cannot start in {self._root} ({error}): start as the account that "
                "owns it, set COCCINELLE_DATA to another directory, or set DATABASE_URL."
            ) from error

    @contextlib.contextmanager
    def _alone(self, place: Place, deadline: float) -> Iterator[None]:
        """One process at a time starts or stops the server of a place."""
        lock = _open_lock(place, ".start.lock")
        try:
            _until(lambda: _locked(lock, fcntl.LOCK_EX), deadline, f"{place.directory} is busy")
            yield
        finally:
            os.close(lock)

    def _start(self, place: Place, deadline: float) -> None:
        _check_version(place)
        place.prepare()
        self._users = _open_lock(place, ".users.lock")
        fcntl.flock(self._users, fcntl.LOCK_SH)
        try:
            if not _answers(place):
                self._bring_up(place, deadline)
        except BaseException:
            self._leave(place)
            raise

    def _leave(self, place: Place) -> None:
        assert self._users is not None  # noqa: S101
        try:
            if _locked(self._users, fcntl.LOCK_EX):
                self._shut_down(place)
            elif self._server is not None:
                self._server.returncode = 0  # it outlives us, which is no leak to warn of
        finally:
            os.close(self._users)
            self._users = self._server = None

    def _bring_up(self, place: Place, deadline: float) -> None:
        programs = binaries(place)
        if not place.has_data:
            _initialise(place, programs, durable=self._settings.get("fsync") != "off")
        _rotate(place.log)

        def serves() -> bool:
            if _answers(place):
                return True
            if self._server_exited(place) and _postmaster(place) is None:
                _forget_process(place)
                self._server = self._launch(place, programs)
            return False

        _until(serves, deadline, f"PostgreSQL did not answer in time; see {place.log}")

    def _server_exited(self, place: Place) -> bool:
        """Whether there is no server of ours; one that failed for good is an error."""
        if self._server is None:
            return True
        if self._server.poll() is None:
            return False
        self._server = None
        said = place.log.read_bytes()[self._logged_bytes :].decode(errors="replace")
        # The processes of a postmaster that was killed go on until they notice.
        if "pre-existing shared memory block" not in said:
            raise EmbeddedPostgresError(f"PostgreSQL did not start. It says:\n{said[-2000:]}")
        return True

    def _launch(self, place: Place, programs: Path) -> subprocess.Popen[bytes]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        place.log.touch(mode=0o600)
        with place.log.open("ab") as log:
            _give_to_owner(place, log.fileno())
            self._logged_bytes = log.tell()
            return subprocess.Popen(  # noqa: S603 - our own command
                [programs / "postgres", "-D", place.data, "-k", place.socket, "-p5432", *options],
                user=place.account.uid,
                group=place.account.gid,
                extra_groups=place.account.groups,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # a Ctrl-C in the terminal is for us alone
            )

    def _shut_down(self, place: Place) -> None:
        """Fast, so that nobody's open connection delays it, then at once: the log replays."""
        for how in (signal.SIGINT, signal.SIGQUIT):
            if self._stopped(place):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid(place), how)
            with contextlib.suppress(EmbeddedPostgresError):
                _until(lambda: self._stopped(place), time.monotonic() + STOP_SECONDS, "")
        with contextlib.suppress(OSError):
            place.socket.rmdir()

    def _pid(self, place: Place) -> int:
        """The server's process; ours may not have written its file yet."""
        if self._server is not None and self._server.poll() is None:
            return self._server.pid
        pid = _postmaster(place)
        if pid is None:
            raise ProcessLookupError
        return pid

    def _stopped(self, place: Place) -> bool:
        exited = self._server is None or self._server.poll() is not None
        return exited and _postmaster(place) is None


def _until(true: Callable[[], bool], deadline: float, otherwise: str) -> None:
    pause_seconds = 0.01
    while not true():
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"{otherwise}.")
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, 0.25)


def _open_lock(place: Place, name: str) -> int:
    lock = os.open(place.directory / name, os.O_CREAT | os.O_RDWR, 0o600)
    _give_to_owner(place, lock)
    return lock


def _give_to_owner(place: Place, file: int) -> None:
    """What root makes in somebody's directory is theirs, so that they can start next time."""
    if os.geteuid() == 0:
        owner = place.directory.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def _locked(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_version(place: Place) -> None:
    if not place.has_data:
        return
    found = (place.data / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise EmbeddedPostgresError(
            f"{place.data} was made by PostgreSQL {found}, and this is PostgreSQL {MAJOR}: dump "
            "it with the Coccinelle that made it, or set COCCINELLE_DATA to a new directory."
        )


def _answers(place: Place) -> bool:
    target = make_conninfo(host=str(place.socket), port=5432, dbname="postgres", connect_timeout=5)
    return pq.PGconn.ping(target.encode()) == pq.Ping.OK


def _postmaster(place: Place) -> int | None:
    """The process that serves this data, if the one that the file names still is that."""
    try:
        pid = int((place.data / "postmaster.pid").read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return None
    return pid if f"/bin/postgres -D {place.data} -k " in _command(pid) else None


def _forget_process(place: Place) -> None:
    """Drop the files of a dead postmaster, whose number may by now be somebody else's."""
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    (place.socket / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _command(pid: int) -> str:
    """A process's command line; empty when it is gone or a zombie."""
    if not Path("/proc/self").exists():
        shown = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        return subprocess.run(shown, capture_output=True, text=True, check=False).stdout  # noqa: S603
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


def _initialise(place: Place, programs: Path, *, durable: bool) -> None:
    """Make the cluster under another name, so that an interrupted one is made again."""
    making = place.directory / "data.making"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    place.account.owns(making)
    password = secrets.token_urlsafe(24)
    with _secret_file(place, password) as secret:
        done = place.account.run(
            programs / "initdb",
            *("-D", making, "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}"),
            # Not the locale of whoever is first: under C, lower('É') would stay as it is for ever.
            *("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", "--sync-method=fsync" if durable else "--no-sync"),
        )
    if done.returncode != 0:
        raise EmbeddedPostgresError(
            f"No database could be made in {making}:\n{done.stderr[-2000:]}"
        )
    _keep_password(place, password)
    making.rename(place.data)


@contextlib.contextmanager
def _secret_file(place: Place, text: str) -> Iterator[Path]:
    """A file that only the server's account (and root) reads, for as long as the block runs."""
    handle, name = tempfile.mkstemp(dir=place.socket)
    path = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        place.account.owns(path)
        yield path
    finally:
        path.unlink()


def _keep_password(place: Place, password: str) -> None:
    """As libpq reads it: `PGPASSFILE=pgpass psql -h run -U postgres` works."""
    place.pgpass.unlink(missing_ok=True)
    file = os.open(place.pgpass, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(file, "w") as pgpass:
        _give_to_owner(place, file)
        pgpass.write(f"*:*:*:*:{password}\n")
        pgpass.flush()
        os.fsync(file)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.rename(log.with_suffix(".log.old"))
