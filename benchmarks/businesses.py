"""Two businesses to measure with: agents, some hundred passages each, an API key each."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from uuid import uuid4

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings, load
from coccinelle.house import House, open_house
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import NewSource, Question, faq_source
from coccinelle.tenants import actions as tenants

QUESTIONS_AN_AGENT = 120
QUESTIONS_SHARED = 60

# Words of six letters or more that the two agents do not share.
_TOPICS = {
    "camille": re.findall(
        r"\w+",
        "courriel bienvenue séquence automatiser tunnel abonné formulaire scénario campagne"
        " inscription relance désinscription segment étiquette livraison newsletter",
    ),
    "margot": re.findall(
        r"\w+",
        "instagram vidéo publication légende storytelling calendrier éditorial couleur marque"
        " palette portrait accroche montage musique audience commentaire",
    ),
}
_FILLER = re.findall(
    r"\w+",
    "chaque semaine votre équipe prépare ensuite vérifie simplement quelques étapes avant"
    " toujours pendant ensemble clairement première dernière suivante moment facile rapide",
)

SURE = (
    "Comment automatiser la séquence de bienvenue par courriel ? ({n})",
    "Quel scénario de relance pour un abonné du tunnel ? ({n})",
    "Comment monter une vidéo avec une accroche pour instagram ? ({n})",
    "Quelle palette de couleur pour la marque et la publication ? ({n})",
)
"""Questions whose agent the embedding is sure of; `{n}` makes each one new."""

UNSURE = (
    "Avez-vous un avis sur inscription, accroche, campagne et marque ? ({n})",
    "Avez-vous un avis sur automatiser, portrait, segment et accroche ? ({n})",
    "Avez-vous un avis sur livraison, marque, campagne et montage ? ({n})",
    "Avez-vous un avis sur campagne, marque, courriel et accroche ? ({n})",
)
"""Questions that are as near to one agent as to the other: a model is asked."""


@dataclass(frozen=True)
class Business:
    """A tenant to ask, and its API key."""

    id: TenantId
    key: str


async def create(addresses: Addresses, environment: dict[str, str]) -> list[Business]:
    """Both, ingested by the product's own ways with the providers of `environment`."""
    settings: Settings = load(environment)
    async with open_house(settings, addresses) as house:
        return [await _business(house, seed) for seed in (1, 2)]


async def _business(house: House, seed: int) -> Business:
    drawn = random.Random(seed)
    tenant = await tenants.create(
        house.db,
        slug=f"bench-{uuid4().hex[:12]}",
        company_name=f"Atelier {seed}",
        email="bonjour@atelier.example",
        phone="01 99 00 12 34",
    )
    async with house.db.tenant(tenant) as tx:
        key = await tenants.create_api_key(tx, name="benchmark")
        for position, (name, topic) in enumerate(_TOPICS.items()):
            made = _configuration(name, topic, random.Random(name))
            await agents.create(tx, key=name, position=position, configuration=made)
    for name, topic in _TOPICS.items():
        await _ingest(house, tenant, _faq(name, topic, QUESTIONS_AN_AGENT, drawn), name)
    everything = [word for topic in _TOPICS.values() for word in topic]
    await _ingest(house, tenant, _faq("commun", everything, QUESTIONS_SHARED, drawn))
    answers = [Question(bare, _answer(everything, drawn)) for bare in map(_bare, UNSURE)]
    await _ingest(house, tenant, faq_source(answers, title="Questions mêlées"))
    return Business(tenant, key.secret)


async def _ingest(house: House, tenant: TenantId, new: NewSource, *agent: str) -> None:
    async with house.db.tenant(tenant) as tx:
        source = (await knowledge.add(tx, new, agents=agent)).source
    await run_ingest(house, tenant, source.id, source.generation)


def _configuration(name: str, topic: list[str], drawn: random.Random) -> Configuration:
    return Configuration(
        name=name.capitalize(),
        description=f"Répond à tout ce qui touche {', '.join(topic)}.",
        persona="Chaleureuse et précise.",
        greeting=f"Bonjour, je suis {name.capitalize()}.",
        fallback_message="Je ne trouve pas cela dans nos documents.",
        composer_intro="Voici ce que disent nos documents :",
        examples=_examples(name) + tuple(_question(topic, drawn) for _ in range(8)),
    )


def _examples(name: str) -> tuple[str, ...]:
    """Examples that the sure questions are near to, three each."""
    own = SURE[:2] if name == "camille" else SURE[2:]
    return tuple(f"{start}{bare}" for bare in map(_bare, own) for start in ("", "Oui ! ", "Dis : "))


def _bare(question: str) -> str:
    return question.replace(" ({n})", "")


def _faq(title: str, topic: list[str], count: int, drawn: random.Random) -> NewSource:
    pairs = [
        Question(f"{_question(topic, drawn)} {number} ?", _answer(topic, drawn))
        for number in range(count)
    ]
    return faq_source(pairs, title=f"Questions sur {title}")


def _question(topic: list[str], drawn: random.Random) -> str:
    return "Comment faire pour " + " ".join(drawn.sample(topic, 4))


def _answer(topic: list[str], drawn: random.Random) -> str:
    sentences = []
    for _ in range(6):
        words = drawn.sample(topic, 5) + drawn.sample(_FILLER, 6)
        drawn.shuffle(words)
        sentences.append(" ".join(words).capitalize() + ".")
    return " ".join(sentences)
