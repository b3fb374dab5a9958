"""What the guide to embedding tells people to type works, in the order in which it is told."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.cli.conftest import Cli

GUIDE = (Path(__file__).parents[2] / "docs/howto/embed.md").read_text("utf-8")


def typed() -> list[list[str]]:
    """The arguments of our own commands in the guide's shell blocks, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines if line]
    return [line[1:] for line in words if line[0] == ".venv/bin/coccinelle"]


def test_every_command_of_the_guide_works(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data")
    assert cli.run("tenants", "create", "salon-rivoli", "--name", "Salon Rivoli").returncode == 0
    said: dict[str, str] = {}
    for words in typed():
        key_id = said["keys list"].split()[0] if "KEY_ID" in words else ""
        done = cli.run(*(word.replace("KEY_ID", key_id) for word in words))
        assert done.returncode == 0, (words, done.stderr)
        said[" ".join(words[:2])] = done.stdout
    cli.forget()

    assert said["keys create"].startswith("pk_")
    assert "color\t#1f5c3a" in said["widget show"]
    assert said["keys identity"].startswith("is_")
