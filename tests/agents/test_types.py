"""Every type of agent, in every sector, begins whole and greets as a person would."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from coccinelle.agents.sectors import GENERAL, sector_of, sectors
from coccinelle.agents.types import AGENT_TYPES, Language, configured, greeting, template

LANGUAGES: tuple[Language, Language] = ("fr", "en")
COMPANIES = [
    "Garage Dupont",
    "Garage Garage",
    "Dupont",
    "Chez Marcel",
    "Le Petit Bistrot",
    "L'Agence des Copines",
    "Agence Immobilière du Port",
    "Cabinet Dentaire Lefèvre",
    "Salon Rivoli",
    "Syndic & Co",
    "École Montaigne",
    "Yahoo!",
    "Où est Charlie ?",
    "Bonjour Paris",
    "S.A.R.L. Martin",
    "  Boulangerie   Petit  ",
    "123 Soleil",
    "Maître Élise O'Connor",
    "{company}",
    "Leyna",
]
SECTORS = [
    *("generaliste", "immobilier", "syndic", "sante", "dentiste", "restaurant", "automobile"),
    *("beaute", "fitness", "ecommerce", "artisan", "juridique", "education", "autre"),
]
ALIASES = {
    "garage": "automobile",
    "Coiffure": "beaute",
    "Salon de coiffure": "beaute",
    "real_estate": "immobilier",
    "Agence immobilière": "immobilier",
    "Santé": "sante",
    "médecin": "sante",
    "dental": "dentiste",
    "PIZZERIA": "restaurant",
    "e-commerce": "ecommerce",
    "plombier": "artisan",
    "avocat": "juridique",
    "formation": "education",
    "Copropriété": "syndic",
    "gym": "fitness",
    "other": "autre",
    "astronautique": GENERAL,
    "": GENERAL,
    "\U0001f697": GENERAL,
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("company", COMPANIES)
def test_a_greeting_names_the_company_and_the_assistant_once_in_every_sector(
    company: str, language: Language
) -> None:
    for sector in sectors().values():
        for agent_type in AGENT_TYPES:
            made = configured(agent_type, language, name="Maya", company=company, sector=sector)
            said = made.greeting
            called = " ".join(company.split())
            assert said.count(called) == 1
            assert said.count("Maya") == 1
            assert said.endswith(("?", "!"))
            words = re.findall(r"\w+", said.replace(called, "X"))
            assert not any(a.casefold() == b.casefold() for a, b in pairwise(words))
            assert "  " not in said
            assert not re.search(r"[!?]\s*[!?]", said.replace(called, "X"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_greeting_is_right_when_a_name_is_missing(language: Language) -> None:
    def said(company: str | None, name: str | None) -> str:
        return greeting("multi_purpose", language, company=company, name=name)

    whole = {
        "fr": "Garage Dupont, bonjour ! Je suis Leyna, votre assistance virtuelle. "
        "Comment puis-je vous aider ?",
        "en": "Hello, welcome to Garage Dupont! I'm Leyna, your virtual assistant. "
        "How can I help you?",
    }
    assert said("Garage Dupont", "Leyna") == whole[language]
    assert said("Leyna", "leyna").casefold().count("leyna") == 1
    for company in (None, "", "  "):
        for name in (None, ""):
            assert said(company, name).startswith(("Bonjour et bienvenue !", "Hello and welcome!"))
            assert "None" not in said(company, name)
        assert "Leyna" in said(company, "Leyna")
    assert "Garage Dupont" in said("Garage Dupont", None)


def test_every_type_fills_a_version_in_both_languages() -> None:
    for agent_type in AGENT_TYPES:
        for language in LANGUAGES:
            for sector in sectors().values():
                made = configured(
                    agent_type, language, name="Leyna", company="Rivoli", sector=sector
                )
                assert (made.type, made.language) == (agent_type, language)
                assert len(made.examples) >= 8
                assert len(made.keywords) >= 8
                assert sector.wording[language] in made.persona
                assert sector.wording[language] in made.description
                texts = (made.persona, made.description, made.greeting, made.fallback_message)
                assert not any("{" in text or "}" in text for text in texts)
                assert "Leyna" in made.persona


def test_a_type_says_something_else_in_each_language() -> None:
    for agent_type in AGENT_TYPES:
        french, english = (template(agent_type, language) for language in LANGUAGES)
        assert french.label != english.label
        assert not set(french.examples) & set(english.examples)


def test_there_are_the_fourteen_sectors_each_with_hours_and_somebody() -> None:
    assert list(sectors()) == SECTORS
    for sector in sectors().values():
        assert sector.hours
        for language in LANGUAGES:
            assert sector.staff[language]
            assert sector.label[language]


@pytest.mark.parametrize(("said", "meant"), ALIASES.items())
def test_a_sector_is_known_by_the_names_that_people_give_it(said: str, meant: str) -> None:
    assert sector_of(said).key == meant


def test_no_name_means_two_sectors() -> None:
    for sector in sectors().values():
        for name in (sector.key, *sector.label.values(), *sector.aliases):
            assert sector_of(name) is sector, name
