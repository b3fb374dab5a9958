"""Types of agents: what fills the first version of one, in French and English."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from coccinelle.agents.model import AgentType, Configuration
from coccinelle.agents.sectors import Sector

Language = Literal["fr", "en"]

AGENT_TYPES: tuple[AgentType, ...] = get_args(AgentType)

_SPACES = re.compile(r"\s+")
_INTRODUCTIONS: dict[Language, str] = {
    "fr": "Je suis {name}, votre assistance virtuelle.",
    "en": "I'm {name}, your virtual assistant.",
}
_SALUTES = re.compile(r"\b(bonjour|bonsoir|salut|hello)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Template:
    """What an agent of a type begins with, in one language."""

    type: AgentType
    language: Language
    label: str
    description: str
    persona: str
    opening: str
    fallback_message: str
    composer_intro: str
    keywords: tuple[str, ...]
    examples: tuple[str, ...]


def template(agent_type: AgentType, language: Language) -> Template:
    """What an agent of this type begins with."""
    return _templates()[agent_type, language]


def configured(
    agent_type: AgentType, language: Language, *, name: str, company: str | None, sector: Sector
) -> Configuration:
    """The configuration of a new agent of this type: all of it but what its owner chooses."""
    found = template(agent_type, language)
    wording = sector.wording[language]
    return Configuration(
        name=name,
        description=found.description.format(name=name, sector=wording),
        persona=found.persona.strip().format(name=name, sector=wording),
        greeting=greeting(agent_type, language, company=company, name=name),
        fallback_message=found.fallback_message,
        composer_intro=found.composer_intro,
        language=language,
        keywords=found.keywords,
        examples=found.examples,
        type=agent_type,
    )


def usual(
    said: Configuration, *, company: str | None, sector: Sector, name: str | None = None
) -> Configuration:
    """What an agent of the type and language of `said` begins with, by its name or another one."""
    return configured(
        said.type,
        "en" if said.language == "en" else "fr",
        name=said.name if name is None else name,
        company=company,
        sector=sector,
    )


def rewritten(
    before: Configuration, changes: Mapping[str, Any], *, company: str | None, sector: Sector
) -> Configuration:
    """`before` with `changes`, by field: what is the type's own, and a greeting that is none,
    follows the name, the type and the language."""
    asked = replace(before, **changes)
    then = usual(before, company=company, sector=sector)
    now = usual(asked, company=company, sector=sector)
    follows = {
        text: getattr(now, text)
        for text in ("greeting", "persona", "description", "fallback_message", "composer_intro")
        if getattr(asked, text) in ("", getattr(then, text))
    }
    return replace(asked, **follows)


def greeting(
    agent_type: AgentType, language: Language, *, company: str | None, name: str | None
) -> str:
    """What an agent says first: whose customers it welcomes, its name, and a question.

    The only place where a greeting is made. The company is called as it calls itself; a name that
    is missing, or that is the company's own, is not said.
    """
    called, named = _SPACES.sub(" ", company or "").strip(), _SPACES.sub(" ", name or "").strip()
    parts = [_welcome(called, language)]
    if named and named.casefold() != called.casefold():
        parts.append(_INTRODUCTIONS[language].format(name=named))
    return " ".join([*parts, template(agent_type, language).opening])


def _welcome(company: str, language: Language) -> str:
    """No preposition before a French name: none is right for "Chez Marcel" and "Le Bistrot"."""
    if language == "en":
        mark = "" if company.endswith(("!", "?")) else "!"
        return f"Hello, welcome to {company}{mark}" if company else "Hello and welcome!"
    if not company:
        return "Bonjour et bienvenue !"
    said = "bienvenue" if _SALUTES.search(company) else "bonjour"
    return f"{company} {said.title()} !" if company[-1] in "!?" else f"{company}, {said} !"


@cache
def _templates() -> dict[tuple[AgentType, Language], Template]:
    text = resources.files("coccinelle.agents").joinpath("types.toml").read_text("utf-8")
    written = tomllib.loads(text)
    languages: tuple[Language, Language] = ("fr", "en")
    return {
        (t, lang): _template(t, lang, written[t][lang]) for t in AGENT_TYPES for lang in languages
    }


def _template(agent_type: AgentType, language: Language, written: Mapping[str, Any]) -> Template:
    lists = {name: tuple(written[name]) for name in ("keywords", "examples")}
    return Template(agent_type, language, **{**written, **lists})
