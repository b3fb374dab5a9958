"""What a message says by its words alone: who it asks for, whether it leans on what came before."""

from __future__ import annotations

import re
import unicodedata

_PERSON = re.compile(
    r"\b(parler|discuter|echanger|joindre|avoir|voir|mett\w+ en relation|passe\w*|rappel\w*"
    r"|contact\w*|speak|talk|chat|connect|transfer|reach)\b.{0,40}"
    r"\b(humain\w*|etre humain|quelqu.?un|(vraie |une )personne|conseill\w+|responsable|operat\w+"
    r"|agent humain|someone|human|(real |a )person|representative|advisor)\b"
)
_PERSON_SHORT = re.compile(r"^(une? |a )?(humain|vraie personne|conseiller|human|person)\b.{0,20}$")
_NO_PERSON = re.compile(r"\b(ne|pas|sans|jamais|not|without|don.?t)\b")
_ACCEPTANCE = re.compile(
    r"^(oui|ouais|ok|okay|d.?accord|volontiers|avec plaisir|je veux bien|ca marche|parfait"
    r"|yes|yeah|sure|please|go ahead)\b.{0,40}$"
)
_LEANING = re.compile(
    r"^(et|mais|ou|sinon|aussi|donc|alors|du coup|dans ce cas|and|but|or|so|what about|how about)\b"
)
_ASIDE = re.compile(
    r"\b(plus de details|detaille\w*|developpe\w*|explique\w* (mieux|davantage)|un exemple"
    r"|continue\w*|en savoir plus|et apres|comment ca|c.?est a dire|tell me more|for example"
    r"|go on)\b"
)
_BARE = re.compile(
    r"^(combien|pourquoi|comment|quand|ou|lequel|laquelle|lesquels|c.?est combien|a quel prix"
    r"|quel prix|how much|why|when|which one|how)\b.{0,12}$"
)


def normalised(text: str) -> str:
    """Lower case, without accents, typographic apostrophes or doubled spaces."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).split())


def asks_for_person(text: str) -> bool:
    """Whether the customer asks, in words, to deal with a human being."""
    plain = normalised(text)
    if _NO_PERSON.search(plain):
        return False
    return bool(_PERSON.search(plain) or _PERSON_SHORT.match(plain))


def accepts(text: str) -> bool:
    """Whether a message says yes to what was offered just before, and little else."""
    return bool(_ACCEPTANCE.match(normalised(text))) and "?" not in text


def leans_on_history(text: str) -> bool:
    """Whether a message makes sense only after what was said before it ("Et pour l'e-mail ?")."""
    plain = normalised(text)
    words = plain.split()
    if _LEANING.match(plain) and len(words) <= 10:
        return True
    return len(words) <= 8 and bool(_ASIDE.search(plain) or _BARE.match(plain))


def mentions(plain: str, keyword: str) -> bool:
    """Whether a `normalised` text has this keyword as whole words."""
    return bool(re.search(rf"(?<!\w){re.escape(normalised(keyword))}(?!\w)", plain))
