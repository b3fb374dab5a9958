"""The documentation mentions what there is, and leads where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from coccinelle.channels import chat_v2
from coccinelle.cli.main import app
from coccinelle.foundation import metrics
from coccinelle.foundation.i18n import codes
from coccinelle.foundation.settings import Settings, environment_name
from tests.house.test_commands_apart import leaves

DOCS = Path("docs")
PAGES = [Path("README.md"), *sorted(DOCS.rglob("*.md"))]
EVENTS = ("turn", "agent", "delta", "reset", "handoff", "done", "error")


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")


def test_every_setting_is_described() -> None:
    described = page("settings.md")

    assert [f for f in Settings.model_fields if f"`{environment_name(f)}`" not in described] == []


def test_every_command_is_described() -> None:
    described = page("cli.md")
    typed = leaves(typer.main.get_command(app))

    assert [name for name in typed if f"coccinelle {name}" not in described] == []


def test_every_error_code_is_described() -> None:
    described = page("errors.md")

    assert [code for code in codes() if f"`{code}`" not in described] == []


def test_every_metric_is_described() -> None:
    described = page("metrics.md")
    names = [metric.name for metric in metrics.REGISTRY.collect()]

    assert [name for name in names if name not in described] == []


def test_every_event_of_a_stream_is_described() -> None:
    described = page("chat-v2.md")

    assert [name for name in EVENTS if f"| `{name}` |" not in described] == []
    assert all(name in Path(chat_v2.__file__).read_text("utf-8") for name in EVENTS)


def test_every_route_is_described() -> None:
    listed = Path("tests/house/routes.txt").read_text("utf-8").split()
    paths = {part.rstrip(":").replace(":path}", "}") for part in listed if part.startswith("/")}
    described = "\n".join(text.read_text("utf-8") for text in (DOCS / "reference").glob("*.md"))
    plain = {path.replace("/api/v2/", "/api/") for path in paths}
    plain = {path.replace("/api/auth/", "/api/v1/auth/") for path in plain}

    assert [path for path in sorted(plain) if path not in described] == []


@pytest.mark.parametrize("source", PAGES, ids=str)
def test_every_link_leads_somewhere(source: Path) -> None:
    text = re.sub(r"```.*?```", "", source.read_text("utf-8"), flags=re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]

    assert [target for target in local if not (source.parent / target).exists()] == []
