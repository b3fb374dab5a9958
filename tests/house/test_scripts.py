"""The commands of the checkout: short, present, silent when done, and at home on any machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci/run"]
LOCKS = [ROOT / f"requirements{kind}.lock" for kind in ("", "-dev", "-build")]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `scripts/setup` reads, in a directory with a space in its name, not set up."""
    copy = tmp_path / "my checkout"
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    for file in (*LOCKS, ROOT / "pyproject.toml"):
        shutil.copy(file, copy)
    return copy


def set_up(checkout: Path, lock: str) -> None:
    """Leave `checkout` as a finished installation of `lock` does."""
    (checkout / ".venv/bin").mkdir(parents=True)
    shutil.copy("/bin/true", checkout / ".venv/bin/python")
    installed = ("requirements-build.lock", lock, "pyproject.toml")
    stamp = "".join((checkout / file).read_text() for file in installed)
    (checkout / ".venv/.installed").write_text(f"{stamp}{checkout.resolve()}\n")


@pytest.fixture
def no_python(tmp_path: Path) -> str:
    """A PATH on which every Python is too old, and pip would have no network to use anyway."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cat", "cmp", "dirname", "env"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    old = programs / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    return str(programs)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short_strict_and_runs(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert len(lines) < 30
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", script).returncode == 0


@pytest.mark.parametrize("target", ["run", "test", "check", "bench", "docs", "clean"])
def test_make_knows_the_target(target: str) -> None:
    done = run("make", "-C", ROOT, "--dry-run", target)
    assert done.returncode == 0, done.stderr


def test_make_run_serves_on_the_port_that_it_is_given() -> None:
    assert "--port 8000" in run("make", "-C", ROOT, "--dry-run", "run").stdout
    assert "--port 8001" in run("make", "-C", ROOT, "--dry-run", "run", "PORT=8001").stdout


def test_ci_runs_the_checks_and_the_tests() -> None:
    steps = re.findall(r"^step (\w+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert steps == ["check", "test"]


@pytest.fixture
def no_browser(tmp_path: Path) -> Path:
    """Programs among which is neither a browser nor apt-get, for somebody who is not root."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cat", "env"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    program(programs / "id", "echo 1000")
    return programs


def look_for_browser(programs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/browser` among `programs` alone."""
    named = {"COCCINELLE_CHROMIUM": "", "PLAYWRIGHT_BROWSERS_PATH": str(programs / "none")}
    return run("bash", ROOT / "scripts/browser", PATH=str(programs), **(named | environment))


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/usr/bin/env bash\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_browser_of_ones_own_is_taken(no_browser: Path, name: str) -> None:
    program(no_browser / "apt-get", "exit 9")
    program(no_browser / name, "true")
    assert look_for_browser(no_browser).returncode == 0


def test_a_browser_may_be_named(no_browser: Path, tmp_path: Path) -> None:
    program(no_browser / "apt-get", "exit 9")
    program(tmp_path / "mine", "true")
    found = look_for_browser(no_browser, COCCINELLE_CHROMIUM=str(tmp_path / "mine"))
    assert found.returncode == 0


def test_without_a_browser_the_package_lists_are_read_only_if_need_be(no_browser: Path) -> None:
    program(no_browser / "id", "echo 0")
    asked = no_browser.parent / "asked"
    known = no_browser.parent / "known"
    program(
        no_browser / "apt-get",
        f'echo "$1" >> "{asked}"\n'
        f'if [ "$1" = update ]; then echo > "{known}"; fi\n'
        f'[ -e "{known}" ]',
    )
    assert look_for_browser(no_browser).returncode == 0
    assert asked.read_text().split() == ["install", "update", "install"]
    asked.unlink()
    assert look_for_browser(no_browser).returncode == 0
    assert asked.read_text().split() == ["install"]


def test_without_a_browser_we_say_what_to_install_in_both_languages(no_browser: Path) -> None:
    done = look_for_browser(no_browser)
    assert done.returncode == 1
    assert "Il faut un navigateur" in done.stderr
    assert "The tests need a browser" in done.stderr


@pytest.mark.parametrize(
    ("asked", "lock"),
    [
        ("run", "requirements.lock"),
        ("run", "requirements-dev.lock"),
        ("dev", "requirements-dev.lock"),
    ],
)
def test_setup_does_nothing_when_it_is_done(
    checkout: Path, no_python: str, asked: str, lock: str
) -> None:
    set_up(checkout, lock)
    done = run("bash", checkout / "scripts/setup", asked, PATH=no_python)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("changed", [file.name for file in LOCKS[1:]] + ["pyproject.toml"])
def test_setup_starts_again_when_what_it_installed_has_changed(
    checkout: Path, no_python: str, changed: str
) -> None:
    set_up(checkout, "requirements-dev.lock")
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    done = run("bash", checkout / "scripts/setup", "dev", PATH=no_python)
    assert done.returncode == 1


def test_what_runs_is_not_enough_to_test(checkout: Path, no_python: str) -> None:
    set_up(checkout, "requirements.lock")
    assert run("bash", checkout / "scripts/setup", "dev", PATH=no_python).returncode == 1


def test_a_checkout_that_has_moved_is_set_up_again(
    checkout: Path, no_python: str, tmp_path: Path
) -> None:
    set_up(checkout, "requirements.lock")
    moved = checkout.rename(tmp_path / "moved")
    assert run("bash", moved / "scripts/setup", PATH=no_python).returncode == 1


def test_without_a_fit_python_setup_says_what_to_install_in_both_languages(
    checkout: Path, no_python: str
) -> None:
    done = run("bash", checkout / "scripts/setup", PATH=no_python)
    assert done.returncode == 1
    assert "Il faut Python 3.11 ou plus récent" in done.stderr
    assert "Python 3.11 or later is needed" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_to_its_hashes_and_no_address(lock: Path) -> None:
    packages = [line for line in lock.read_text().splitlines() if not line.startswith(" ")]
    assert packages
    for package in packages:
        assert re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .+)? \\", package), package


def test_what_tests_install_is_what_runs() -> None:
    pins = re.compile(r"^[\w.-]+==[\w.!+]+", re.MULTILINE)
    runs, tests = (set(pins.findall(lock.read_text())) for lock in LOCKS[:2])
    assert runs <= tests


def test_no_file_of_the_project_names_a_registry_or_a_place_of_this_machine() -> None:
    names = [("py", "pi.org"), ("python", "hosted.org"), ("npm", "js.org"), ("deb.", "debian.org")]
    hosts = ["".join(parts) for parts in names]  # or this file would be found
    places = ["/work/", "/root/", "/opt/pypi"]
    patterns = [*map(re.escape, hosts), *(rf"(^|[^\w./-]){place}" for place in places)]
    arguments = [argument for pattern in patterns for argument in ("-e", pattern)]
    own_path = Path(__file__).relative_to(ROOT)
    # Those that .gitignore leaves out are not ours; what came as an archive has no list of files.
    ours = ("--no-index", "--exclude-standard")
    found = run("git", "-C", ROOT, "grep", "-nIP", *ours, *arguments, "--", ".", f":!{own_path}")
    assert (found.returncode, found.stdout) == (1, "")  # 1: nothing is found; 2: git did not look
