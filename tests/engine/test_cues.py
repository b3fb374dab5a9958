"""What words alone say: who is asked for, what is accepted, what leans on what came before."""

from __future__ import annotations

import pytest

from coccinelle.engine import cues
from coccinelle.engine.phrases import language_of

WANT_A_PERSON = [
    "Je veux parler à quelqu'un",
    "Je voudrais parler à une vraie personne",
    "Puis-je parler à un humain ?",
    "Je préfère parler à un conseiller",
    "Passez-moi un conseiller",
    "passe moi un responsable stp",
    "Un humain svp",
    "Je veux un humain, pas un robot",
    "Je ne veux pas parler à un robot, je veux un humain",
    "Pas de robot : je veux parler à un humain !",
    "Pouvez-vous me mettre en relation avec une personne de l'équipe ?",
    "J'ai besoin de parler à quelqu'un de l'équipe",
    "Est-ce que quelqu'un peut me rappeler ?",
    "Rappelez-moi s'il vous plaît",
    "Je n'arrive pas à joindre quelqu'un",
    "Pourquoi je ne peux pas parler à un humain ?",
    "Comment parler à un humain ?",
    "Comment joindre le service client ?",
    "JE VEUX PARLER À UN HUMAIN",
    "Je souhaite être mise en contact avec un conseiller",
    "Je veux parler à quelqu’un",
    "I want to talk to a human",
    "Can I speak to someone?",
    "Let me talk to a real person please",
    "Please transfer me to a representative",
    "I need a human",
    "Human please",
    "Could you call me back",
    "How do I reach customer service?",
]

WANT_NO_PERSON = [
    "Je ne veux pas parler à un humain",
    "Je n'ai pas besoin de parler à quelqu'un",
    "Comment vendre sans parler à quelqu'un au téléphone ?",
    "Pas besoin de parler à un conseiller, merci",
    "Quel outil pour échanger avec mes abonnés me conseillez-vous ?",
    "Je contacte mes prospects par mail, vous me conseillez quoi ?",
    "Comment contacter une personne qui ne répond pas à mes emails ?",
    "Comment avoir plus d'abonnés sur Instagram ?",
    "Comment parler de moi en story ?",
    "Comment rendre mes posts plus humains ?",
    "Comment écrire un email quand quelqu'un s'inscrit ?",
    "Peux-tu m'aider à parler à mon audience ?",
    "Comment automatiser mes emails de bienvenue ?",
    "Personne n'achète ma formation",
    "Combien coûte l'accompagnement personnalisé ?",
    "je voudrais que mes mails partent tout seuls quand quelqu'un s'inscrit",
    "Quelle différence entre un coach et un conseiller ?",
    "I don't want to talk to a human",
    "How do I sell without talking to someone?",
    "How do I talk to my audience?",
    "How can I get more followers?",
    "What is a human touch in marketing?",
    "Do you sell gift cards?",
]


@pytest.mark.parametrize("text", WANT_A_PERSON)
def test_who_asks_for_a_person_is_heard(text: str) -> None:
    assert cues.asks_for_person(text)


@pytest.mark.parametrize("text", WANT_NO_PERSON)
def test_who_does_not_ask_for_a_person_is_not_handed_over(text: str) -> None:
    assert not cues.asks_for_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "Oui",
        "oui !",
        "Oui, je veux bien",
        "Oui s'il vous plaît",
        "Ok",
        "D'accord",
        "Volontiers",
        "Avec plaisir",
        "Je veux bien, merci",
        "D’accord, transmettez",
        "Yes please",
        "Sure",
        "Go ahead",
    ],
)
def test_a_yes_is_an_acceptance(text: str) -> None:
    assert cues.accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "Non",
        "Non merci",
        "Oui mais non",
        "Ok mais pas maintenant",
        "Ok laisse tomber",
        "Ok, tant pis",
        "Oui, combien ça coûte ?",
        "Ouistiti",
        "Merci",
        "Comment faire ?",
        "No thanks",
        "Yes but not now",
        "Ok never mind",
        "Oui alors en fait je voulais surtout savoir si vos formations sont finançables",
    ],
)
def test_anything_else_than_a_yes_is_none(text: str) -> None:
    assert not cues.accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "Et pour l'e-mail ?",
        "Et le samedi ?",
        "Mais encore ?",
        "Sinon, avec Zapier ?",
        "Ou bien par téléphone ?",
        "Du coup je fais quoi ?",
        "Combien ça coûte ?",
        "Pourquoi ?",
        "Comment faire ?",
        "Comment ça ?",
        "Où ça ?",
        "C'est combien ?",
        "Plus de détails",
        "Peux-tu développer ?",
        "Tu peux m'expliquer mieux ?",
        "Tu as un exemple ?",
        "Continue",
        "J'aimerais en savoir plus",
        "What about Saturday?",
        "And by phone?",
        "Tell me more",
        "How much?",
    ],
)
def test_an_elliptic_message_leans_on_what_came_before(text: str) -> None:
    assert cues.leans_on_history(text)


@pytest.mark.parametrize(
    "text",
    [
        "Où êtes-vous situés ?",
        "Où trouver mes statistiques Instagram ?",
        "Ou en est ma commande ?",
        "Comment développer mon compte Instagram ?",
        "Comment continuer ma séquence e-mail ?",
        "Comment ça marche, Zapier ?",
        "Comment automatiser mes emails de bienvenue ?",
        "Aide-moi à créer un reel viral sur Instagram",
        "Un exemple de reel viral pour une fleuriste",
        "Quels sont vos horaires d'ouverture ?",
        "Bonjour",
        "Étudier le marché, c'est utile ?",
        "Et si je veux envoyer une newsletter à mes clientes chaque mardi, je fais quoi ?",
        "How do I automate my welcome e-mails?",
        "Where are you located?",
        "Soap making workshop, do you have one?",
    ],
)
def test_a_message_that_stands_alone_does_not_lean(text: str) -> None:
    assert not cues.leans_on_history(text)


def test_a_keyword_counts_as_a_whole_word_whatever_its_accents() -> None:
    plain = cues.normalised("Je prépare une SÉQUENCE d'e-mails")

    assert cues.mentions(plain, "sequence")
    assert cues.mentions(plain, "e-mails")
    assert not cues.mentions(plain, "prépa")


@pytest.mark.parametrize(
    "text",
    [
        "ok parle-moi des reels instagram",
        "parfait, je voudrais les tarifs",
        "d'accord, comment je publie un reel",
    ],
)
def test_a_question_that_begins_with_a_yes_is_still_a_question(text: str) -> None:
    assert not cues.accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "Zapier peut-il me rappeler un rendez-vous ?",
        "Je veux voir une personne apparaître dans mon reel",
        "Mes clients veulent parler à quelqu'un",
        "Can I get a manager account?",
        "Peut-on discuter avec un collègue pendant la formation ?",
    ],
)
def test_who_speaks_of_a_person_does_not_ask_for_one(text: str) -> None:
    assert not cues.asks_for_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "Il y a combien de modules ?",
        "Qui a fondé l'agence ?",
        "On a besoin de quoi ?",
        "Ça a marché",
    ],
)
def test_plain_french_is_french(text: str) -> None:
    assert language_of(text, "fr") == "fr"
