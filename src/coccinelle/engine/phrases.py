"""The few sentences that the engine says itself, in the customer's language."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["fr", "en"]

_FRENCH = re.compile(
    r"\b(je|tu|vous|nous|on|il|elle|y|qui|quoi|que|le|la|les|du|de|des|une?|est|et|au|en|ça|ca"
    r"|pour|avec|mon|ma|mes|quel\w*|combien|comment|merci|bonjour|oui|non|pas)\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(i|you|we|it|the|is|are|and|for|with|of|to|my|this|there|what|which|where|when|how|much"
    r"|have|does|want|need|please|thanks?|hello|hi|yes)\b",
    re.IGNORECASE,
)

_SENTENCES: dict[str, dict[Language, str]] = {
    "offer_person": {
        "fr": "Souhaitez-vous que je transmette votre demande à une personne de l'équipe ?",
        "en": "Would you like me to pass your request on to someone on the team?",
    },
    "unverified": {
        "fr": "Ce point est à vérifier : une personne de l'équipe peut vous le confirmer.",
        "en": "This needs checking: someone on the team can confirm it for you.",
    },
    "out_of_scope": {
        "fr": "Je n'ai pas de quoi vous répondre sur ce point, et je préfère ne rien inventer.",
        "en": "I have nothing to answer this from, and I would rather not make anything up.",
    },
    "handoff": {
        "fr": "C'est noté : une personne de l'équipe vous répondra dès que possible.",
        "en": "Noted: someone on the team will answer you as soon as possible.",
    },
    "handoff_contact": {
        "fr": "Vous pouvez aussi nous joindre directement : {contact}.",
        "en": "You can also reach us directly: {contact}.",
    },
    "handed_over": {
        "fr": "Votre message est bien arrivé : une personne de l'équipe de {company} s'en occupe et"
        " vous répond.",
        "en": "Your message has arrived: someone on {company}'s team is taking care of it and will"
        " answer you.",
    },
    "quotes": {
        "fr": "Voici ce que disent nos documents :",
        "en": "This is what our documents say, in French:",
    },
    "thanks": {
        "fr": "Avec plaisir ! Je reste là si vous avez une autre question.",
        "en": "You are welcome! I am here if you have another question.",
    },
    "farewell": {
        "fr": "Au revoir, et à bientôt !",
        "en": "Goodbye, and see you soon!",
    },
    "identity": {
        "fr": "Je suis {agent}, l'assistance virtuelle de {company} : une intelligence"
        " artificielle, et non une personne. Posez-moi votre question, ou demandez à parler à"
        " quelqu'un.",
        "en": "I am {agent}, {company}'s virtual assistant: an artificial intelligence, not a"
        " person. Ask me your question, or ask to talk to someone.",
    },
    "clarification": {
        "fr": "Pouvez-vous m'en dire un peu plus ? Dites-moi ce que vous cherchez à faire,"
        " et je vous réponds.",
        "en": "Could you tell me a little more? Say what you are trying to do, and I will answer.",
    },
    "route_forced": {"fr": "Agent demandé par le client.", "en": "Agent asked for by the client."},
    "route_sticky": {
        "fr": "Suite de la question précédente : {agent} continue.",
        "en": "Follows up the previous question: {agent} goes on.",
    },
    "route_sure": {
        "fr": "Proche des questions de {agent} ({score:.2f}, avance {lead:.2f}).",
        "en": "Close to {agent}'s questions ({score:.2f}, lead {lead:.2f}).",
    },
    "route_best": {
        "fr": "{agent} est l'agent le plus proche ({score:.2f}, avance {lead:.2f}).",
        "en": "{agent} is the closest agent ({score:.2f}, lead {lead:.2f}).",
    },
    "route_stock": {
        "fr": "Formule de politesse ou demande de précision ({score:.2f}).",
        "en": "Courtesy or request to clarify ({score:.2f}).",
    },
    "route_person": {
        "fr": "Le client demande à parler à une personne.",
        "en": "The customer asks for a person.",
    },
    "route_neither": {
        "fr": "Hors du domaine des agents ({score:.2f}).",
        "en": "Outside what the agents cover ({score:.2f}).",
    },
    "route_unsure": {
        "fr": "Le routage n'est pas assez sûr ({confidence:.2f}) : {reason}",
        "en": "The route is not sure enough ({confidence:.2f}): {reason}",
    },
    "route_found": {
        "fr": "Un document de {agent} répond à la question ({score:.2f}).",
        "en": "A document of {agent}'s answers the question ({score:.2f}).",
    },
    "route_blind": {
        "fr": "Sans vecteurs disponibles, {agent} répond d'après les mots.",
        "en": "Without vectors, {agent} answers from the words.",
    },
    "below_threshold": {
        "fr": "Aucun document ne répond assez bien ({score:.2f} pour {threshold:.2f}).",
        "en": "No document answers well enough ({score:.2f} for {threshold:.2f}).",
    },
    "not_in_documents": {
        "fr": "Les documents ne contiennent pas la réponse.",
        "en": "The documents do not contain the answer.",
    },
}


def phrase(code: str, language: str, **values: object) -> str:
    """The sentence of that code, in French unless `language` is English."""
    return _SENTENCES[code]["en" if language == "en" else "fr"].format(**values)


def language_of(text: str, default: str) -> Language:
    """The language that a message is written in, by its small words; `default` when they tie."""
    french, english = len(_FRENCH.findall(text)), len(_ENGLISH.findall(text))
    if french == english:
        return "en" if default == "en" else "fr"
    return "en" if english > french else "fr"
