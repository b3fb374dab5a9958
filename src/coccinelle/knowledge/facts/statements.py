"""What a site states that can be compared, wherever it states it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from coccinelle.knowledge.facts.lines import Line, folded, words

Kind = Literal["price", "hours", "phone", "email"]

_NAME = r"[A-ZÀ-ÖØ-Þ][\w’'-]+(?: (?:sur |en |sous |le |la |les )?[A-ZÀ-ÖØ-Þ][\w’'-]+)*"
_PLACE = re.compile(
    r"\b(?:agences?|salons?|boutiques?|magasins?|restaurants?|studios?|cabinets?|sites?|centres?"
    r"|campus|cliniques?|garages?|salles?|clubs?|ateliers?|points? de vente|cours|shop|branch|store"
    rf"|office|gym)\s+(?:de |d['’]|du |des |à |in |of |at )?((?-i:{_NAME}))",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:(?:Dr|Docteure?|M\.|Mme|Me|Ma[iî]tre|Mr|Mrs|Ms)\.? )?"
    r"[A-ZÀ-ÖØ-Þ][a-zà-ÿ'’-]+ (?:[A-ZÀ-ÖØ-Þ]\w+[ -]?){1,2}:?|(?:Dr|Mme|Me) [A-ZÀ-ÖØ-Þ][\w'’-]+"
)
_SOMEWHERE = re.compile(rf"(?:\b(?:de|du|des|à|in|at|of) |\bd['’])({_NAME})")
_DATES = """
    monday tuesday wednesday thursday friday saturday sunday january february march april may
    june july august september october november december noel
"""
_NO_PLACE = frozenset(_DATES.split())
_SEASONS = re.compile(
    r"\b(ete|estiva\w*|hiver|hiverna\w*|vacances|janvier|fevrier|mars|avril|mai|juin|juillet|aout"
    r"|septembre|octobre|novembre|decembre|noel|saison\w*|feries?|exceptionn\w*|ramadan|fetes"
    r"|summer|winter|holidays?|christmas|january|february|march|april|may|june|july|august"
    r"|september|october|november|december|confinement)\b"
)
_SERVICES = re.compile(
    r"\b(carrosserie|pieces|magasin|atelier|location|vente|gestion|syndic|standard|telephoniqu\w*"
    r"|secretariat|livraisons?|cuisine|bar|brunch|dejeuners?|diners?|urgences?|depannage|astreinte"
    r"|permanence|visites|retrait|drive|caisse|piscine|cours|comptabilite|recrutement|presse"
    r"|professionnels|pro|flottes?|sav|commercial\w*|technique|garde|nuit|workshop|delivery"
    r"|kitchen|lunch|dinner|emergency|sales|bookings?|reservations|pool|aquagym|traiteur"
    r"|sauna|hammam|spa|cave|epicerie|pharmacie|showrooms?|terrasse|jardin|recrutement|candidatures?"
    r"|cv|stages?|factur\w+|fournisseurs?|partenari\w+|groupes?|jobs?|careers?|billing|invoices?)\b"
)


@dataclass(frozen=True)
class Statement:
    """One thing that a line states.

    Args:
        subject: what it is about, as words: a service, a weekday, or nothing for a contact.
        context: whose, when or for what: statements of other contexts do not contradict it.
        values: canonical; more than one where the line gives several.
        label: the subject as it is written.
        at_least: the price is only the lowest one.
        is_offer: the price holds for some time, or for some people.
        is_range: any price between the lowest and the highest value.
    """

    kind: Kind
    subject: frozenset[str]
    context: frozenset[str]
    values: frozenset[str]
    line: Line
    label: str = ""
    at_least: bool = False
    is_offer: bool = False
    is_range: bool = False

    @property
    def document(self) -> object:
        """The page that it stands on."""
        return self.line.piece.document_id


def places(
    texts: Iterable[str], own: frozenset[str], *, titles: Iterable[str] = ()
) -> frozenset[str]:
    """The places that texts name ("Agence d'Auray"), folded, without the words in `own`.

    A title, which often names the town for search engines, must say what is there.
    """
    named = [name for text in texts for how in (_PLACE, _SOMEWHERE) for name in how.findall(text)]
    named += [name for title in titles for name in _PLACE.findall(title)]
    found = (word for name in named for word in words(name))
    return frozenset(
        f"place:{word}" for word in found if word not in own | _NO_PLACE and len(word) > 2
    )


def people(texts: Iterable[str], own: frozenset[str]) -> frozenset[str]:
    """The people that headings name ("Dr Paul Nguyen", "Sophie Lemoine"), folded."""
    found = (word for text in texts if _PERSON.fullmatch(text.strip()) for word in words(text))
    return frozenset(f"person:{word}" for word in found if word not in own)


def without_places(text: str) -> str:
    """The text but for the places that it names."""
    return _PLACE.sub(" ", text)


def seasons(texts: Iterable[str]) -> frozenset[str]:
    """The seasons and special days that texts name."""
    return frozenset(f"season:{word}" for text in texts for word in _SEASONS.findall(folded(text)))


def services(texts: Iterable[str]) -> frozenset[str]:
    """The parts of a business with hours or numbers of their own that texts name."""
    return frozenset(
        f"service:{word}" for text in texts for word in _SERVICES.findall(folded(text))
    )
