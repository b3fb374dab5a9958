"""What a site states that can be compared, wherever it states it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from coccinelle.knowledge.facts.lines import Line, folded, words

Kind = Literal["price", "hours", "phone", "email"]

_PLACE = re.compile(
    r"\b(?:[Aa]gences?|[Ss]alons?|[Bb]outiques?|[Mm]agasins?|[Rr]estaurants?|[Ss]tudios?|[Cc]abinets?"
    r"|[Ss]ites?|[Cc]entres?|[Cc]ampus|[Cc]liniques?|[Gg]arages?|[Ss]alles?|[Ss]hop|[Bb]ranch"
    r"|[Oo]ffice|[Aa]dresses?)\s+(?:de |d['’]|du |des |à |in |of |at )?"
    r"((?:[A-ZÀ-ÖØ-Þ][\w’'-]+)(?: [A-ZÀ-ÖØ-Þ][\w’'-]+)*)"
)
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
    r"|kitchen|lunch|dinner|emergency|sales|bookings?|reservations|pool|aquagym|traiteur|bureau"
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
    """

    kind: Kind
    subject: frozenset[str]
    context: frozenset[str]
    values: frozenset[str]
    line: Line
    label: str = ""
    at_least: bool = False
    is_offer: bool = False

    @property
    def document(self) -> object:
        """The page that it stands on."""
        return self.line.piece.document_id


def places(texts: Iterable[str], own: frozenset[str]) -> frozenset[str]:
    """The places that texts name ("Agence d'Auray"), folded, without the words in `own`."""
    found = (word for text in texts for name in _PLACE.findall(text) for word in words(name))
    return frozenset(f"place:{word}" for word in found if word not in own and len(word) > 2)


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
