"""The demo's businesses as they are written in files: `tenants/<slug>/tenant.toml` and knowledge.

`knowledge/<agent key>/*` is for that agent, `knowledge/shared/*` for all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from coccinelle.agents import files
from coccinelle.agents.files import WrittenAgent
from coccinelle.knowledge.model import NewSource, file_source

SHARED = "shared"


@dataclass(frozen=True)
class DemoSource:
    """A file, and the keys of the agents that it is for; none: all of them."""

    new: NewSource
    agents: tuple[str, ...]


@dataclass(frozen=True)
class DemoTenant:
    """A business, all of it invented."""

    slug: str
    company_name: str
    facts: Mapping[str, str]
    hosts: tuple[str, ...]
    widget: Mapping[str, str]
    agents: tuple[WrittenAgent, ...]
    sources: tuple[DemoSource, ...]


def tenants() -> tuple[DemoTenant, ...]:
    """Every demo tenant, the one of `localhost` first."""
    folder = resources.files("coccinelle.demo").joinpath("tenants")
    found = [_tenant(entry) for entry in _sorted(folder) if entry.is_dir()]
    return tuple(sorted(found, key=lambda tenant: "localhost" not in tenant.hosts))


def _tenant(folder: Traversable) -> DemoTenant:
    text = folder.joinpath("tenant.toml").read_text("utf-8")
    written = tomllib.loads(text)
    offer = written.get("offer", {})
    facts = {name: written[name] for name in ("sector", "locale", "timezone")}
    facts |= written["facts"]
    facts |= {f"offer_{name}": offer[name].strip() for name in ("text", "url") if name in offer}
    return DemoTenant(
        slug=written["slug"],
        company_name=written["name"],
        facts=facts,
        hosts=tuple(domain["host"] for domain in written["domains"]),
        widget={name: str(value) for name, value in written["widget"].items()},
        agents=files.read(text),
        sources=tuple(_sources(folder.joinpath("knowledge"))),
    )


def _sources(folder: Traversable) -> Iterator[DemoSource]:
    for scope in _sorted(folder):
        agents = () if scope.name == SHARED else (scope.name,)
        for file in _sorted(scope):
            yield DemoSource(file_source(file.read_bytes(), filename=file.name), agents)


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)
