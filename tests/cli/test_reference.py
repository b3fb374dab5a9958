"""The reference pages are what the code would write today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coccinelle.cli.reference import FOLDER, pages
from tests.cli.conftest import ROOT, Cli


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, "-m", "coccinelle.cli.reference", str(folder)]
    subprocess.run(command, env=Cli(folder).environment, check=True)
    return folder


@pytest.mark.parametrize("name", pages())
def test_a_reference_page_is_up_to_date(made: Path, name: str) -> None:
    written = (ROOT / FOLDER / name).read_text("utf-8")
    assert written == (made / name).read_text("utf-8"), "run `make docs`"


def test_every_command_and_option_says_what_it_is_for(made: Path) -> None:
    lines = (made / "cli.md").read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("## ")]
    assert len(commands) > 15
    assert [line for line in lines if line == "None" or line.endswith("|  |")] == []
