"""Prices and what they are of, from rows of tables, items of lists and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from coccinelle.knowledge.facts.lines import Line, folded, stem, words
from coccinelle.knowledge.facts.statements import Statement

_NUMBER = r"\d{1,3}(?:[ .]\d{3})+(?:,\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(
    rf"(?<![\w.,])(?P<n>{_NUMBER}) ?(?P<unit>€|euros?\b|eur\b|%)(?P<cents>\d\d\b)?"
    rf"|[€£] ?(?P<n2>{_NUMBER})"
)
_PER = re.compile(
    r"^(?: ?(?:ttc|ht))? ?(?:/|par |l'|per |le |la |a l')\s?(mois|an|annee|personne|pers\b|m²"
    r"|m2|heure|h\b|nuit|jour|seance|semaine|kilo|kg|km|cours|month|year|person|hour|night|day)"
)
_HEADED_PER = re.compile(
    r"(?:/ ?|\bpar |\bper )(mois|an|personne|seance|heure|jour|nuit|month|year)\b"
)
_WITHOUT_TAX = re.compile(r"^ ?(?:h\.?t\b|hors[ -]tax)")
_CONDITION = re.compile(
    r"^[ ,]*(?:ttc |ht )?\(?((?:pour|des |a partir de|si |avec |sans |hors |le week|les week"
    r"|en semaine|le soir|le midi|for |with|without|from |on weekends?)[^.,;:)]{0,60})"
)
_FROM = re.compile(r"(?:a partir d[e']|des|des le|from|starting at|minimum(?: de)?) ?$")
# "139 € pour l'entretien d'une chaudière gaz".
_FOR = re.compile(
    r"^(?: ttc| ht)? (?:pour |for )((?:la |le |les |l'|un |une |the |a )[^,.;:€\d]{3,60}?)"
    r"(?= (?:et|and) \d|[,.;:]|$)"
)
# The lower end of a range, whose sign stands behind the upper one.
_LOW = re.compile(rf"(?:\bde |\bentre |\bfrom )?(?<![\w.,])({_NUMBER}) ?(?:-|a|to|et) ?$")
_RANGE = re.compile(r"\d ?(?:€|euros?)? ?(?:-|\ba\b|\bto\b|jusqu'a) ?\d")
_OFFER = re.compile(
    r"\boffre\b|\bpromo|\bremise de\b|\bde remise\b|\breduction|jusqu'au|au lieu de|\bsoldes\b"
    r"|\babonnes?\b|\badherents?\b|\bmembres?\b|\bancien prix|\bpremiere? fois|\bdiscount"
    r"|\boffer\b|\bwas\b|\bmembers?\b|\bfidelite|\bfranchise|\bdepot\b|\bacompte|\bcaution\b"
    r"|\bplafond|d'achat|\bpanier\b"
)
_FREE = re.compile(
    r"^(?P<name>.{3,70}?)(?: (?:est|sont|reste|is|are)(?: toujours)? |\s*:\s*)"
    r"(?:gratuite?s?|offerte?s?|free)\b(?P<rest>.*)"
)
_JOINS = re.compile(r"^[ ,]*(?:ou|et|a|-|jusqu'a|or|and|to|soit|/)?[ ,]*(?:de |d')?$")
_CLAUSE = re.compile(r".*[,;:!?()«»\"]\s*(?!$)", re.S)
_DETERMINER = re.compile(
    r"(?:\bla |\ble |\bles |\bl'|\bun |\bune |\bnos |\bnotre |\bvotre |\bthe |\bour "
    r"|\ba (?=\w+ (?:is|costs)))"
)
_SAYING_NOTHING = """
    est sont coute coutent revient reviennent comptez compter facture facturee factures facturees
    propose proposee vaut passe eleve elevent demarre demarrent commence commencent affiche reste
    restent fixe fixee cost costs is are from starts at a de du des d la le les l un une nos notre
    votre vos au aux en et ou pour avec the our and of for tarif tarifs prix forfait forfaits
    prestation prestations formule montant ttc partir seulement y compris s qui que ce cette ces
    price prices only just desormais actuellement environ soit son sa ses toujours vous nous on
    c to an with euro euros eur unique moyen standard
"""
_NEUTRAL = frozenset(_SAYING_NOTHING.split())
_VERB = re.compile(
    r"\s+(?:est|sont|reste|restent|co[uû]te|co[uû]tent|revient|reviennent|vaut|passe|is|are|costs?"
    r"|d[ée]marre|commence|factur[ée]e?s?|propos[ée]e?s?)(?:\s.{0,20})?$|\s+(?:[àa]|de)$",
    re.IGNORECASE,
)
_NO_NAME_HEADER = re.compile(
    r"dur(?:e|a)|temps|time|ref|charge|comprend|detail|descri|remarque|note|inclu|rembours|contenu"
)
_PRICE_HEADER = re.compile(r"prix|tarif|montant|price|cout|honoraires|cost|rate|ttc|ht\b")
_WHOM = """
    homme hommes femme femmes enfant enfants ado ados junior juniors senior seniors
    adulte adultes etudiant etudiants bebe diesel essence hybride electrique suv citadine berline
    utilitaire court courts long longs midi soir semaine week jour nuit duo solo couple groupe men
    women children kids adult student evening maison appartement studio location vente gestion
    matin samedi dimanche ete hiver professionnels particuliers entreprise
"""
# What is charged as a share of something; other percentages are no prices.
_CHARGED_IN_SHARES = frozenset(stem(word) for word in ("honoraires", "commission", "frais", "fees"))
AUDIENCES = frozenset(stem(word) for word in _WHOM.split())


@dataclass(frozen=True)
class _Priced:
    name: str
    amount: str
    at_least: bool
    qualifier: frozenset[str]
    beside: str = ""


def prices(lines: Iterable[Line]) -> list[Statement]:
    """Every price with the service that it is of; a price whose service is not told is left out."""
    return [statement for line in lines for statement in _of(line)]


def name_of(text: str) -> frozenset[str]:
    """What identifies a service in its name: the stems of the words that say something."""
    found = (word for word in words(text) if word not in _NEUTRAL)
    return frozenset(stem(word) for word in found)


def has_amount(text: str) -> bool:
    """Whether a text states a price."""
    return any(found["unit"] != "%" for found in _AMOUNT.finditer(folded(text)))


def _of(line: Line) -> Iterator[Statement]:
    is_row = line.piece.kind == "table_row" and " : " in line.text
    priced = list(_row(line) if is_row else _prose(line))
    context = frozenset(w for h in line.headings[-1:] for w in name_of(h))
    is_offer = bool(_OFFER.search(folded(line.text)))
    for name, amounts in _grouped(priced):
        subject = name_of(name) | amounts[0].qualifier
        is_share = "%" in subject
        if subject - {"%"} and (not is_share or subject & _CHARGED_IN_SHARES):
            yield Statement(
                kind="price",
                subject=subject,
                context=(context | name_of(amounts[0].beside)) - subject,
                values=frozenset(one.amount for one in amounts),
                line=line,
                label=_written(line.text, name),
                at_least=any(one.at_least for one in amounts),
                is_offer=is_offer or _is_struck(line, amounts),
                is_range=len(amounts) > 1 and bool(_RANGE.search(folded(line.text))),
            )


def _written(text: str, name: str) -> str:
    """The name as the line writes it, with its accents, without the verb behind it."""
    start = folded(text).find(folded(name))
    same = start >= 0 and len(folded(text)) == len(text)
    found = text[start : start + len(name)] if same else name
    return _VERB.sub("", found.strip(" -:–—.")).strip(" -:–—.,")


def _grouped(priced: Iterable[_Priced]) -> list[tuple[str, list[_Priced]]]:
    groups: dict[tuple[str, frozenset[str]], list[_Priced]] = {}
    for one in priced:
        groups.setdefault((one.name, one.qualifier), []).append(one)
    return [(name, amounts) for (name, _), amounts in groups.items()]


def _is_struck(line: Line, amounts: list[_Priced]) -> bool:
    """Two prices with nothing between them: the first one is crossed out on the page."""
    return len(amounts) > 1 and re.search(r"€ +\d", folded(line.text)) is not None


def _row(line: Line) -> Iterator[_Priced]:
    cells = [cell.partition(" : ") for cell in line.text.split(" ; ")]
    pairs = [(header, value) if colon else ("", header) for header, colon, value in cells]
    priced = [(header, value) for header, value in pairs if _is_price(header, value)]
    naming = [
        (h, v) for h, v in pairs if (h, v) not in priced and not _NO_NAME_HEADER.search(folded(h))
    ]
    if not naming:
        return
    name, beside = naming[0][1], " ".join(value for _, value in naming[1:])
    for header, value in priced:
        column, per = _column(header)
        plain = folded(value)
        for found in _AMOUNT.finditer(plain):
            for one in _each(name, plain, found, plain[found.end() :]):
                whole = replace(one, beside=beside, qualifier=one.qualifier | per)
                yield whole
                if column and len(priced) > 1:
                    yield replace(whole, name=f"{name} {column}")
        if re.match(r"(?:gratuit|offert|free)", folded(value)):
            yield _Priced(name, "0", at_least=False, qualifier=frozenset())


def _column(header: str) -> tuple[str, frozenset[str]]:
    """What the heading of a column adds to the name of each row, and its unit."""
    plain = _PRICE_HEADER.sub(" ", folded(header))
    per = _HEADED_PER.search(plain)
    rest = " ".join(w for w in words(_HEADED_PER.sub(" ", plain)) if w not in _NEUTRAL)
    return rest, frozenset({f"/{per[1]}"} if per else ())


def _is_price(header: str, value: str) -> bool:
    if _NO_NAME_HEADER.search(folded(header)):
        return False
    return bool(_AMOUNT.search(folded(value))) or bool(
        _PRICE_HEADER.search(folded(header)) and re.match(r"(?:gratuit|offert|free)", folded(value))
    )


def _prose(line: Line) -> Iterator[_Priced]:
    text = folded(line.text)
    name, end = "", 0
    for found in _AMOUNT.finditer(text):
        if found.start() < end:
            continue
        behind = _FOR.match(text[found.end() :])
        if behind and not name_of(_CLAUSE.sub("", text[end : found.start()])):
            yield from _each(_subject(behind[1]), text, found, text[found.end() + behind.end() :])
            name, end = "", found.end() + behind.end()
            continue
        if not (name and _JOINS.match(_without_tax(text[end : found.start()]))):
            name = _named(text, end, found, is_item=line.is_item)
        if name:
            lead = text[end : max(text.rfind(name, end, found.start()), end)]
            for one in _each(name, text, found, text[found.end() :]):
                whom = frozenset() if line.is_item else name_of(lead) & AUDIENCES
                yield replace(one, qualifier=one.qualifier | whom)
        end = found.end()
    if end == 0 and (free := _FREE.match(text)) and not _CONDITION.match(free["rest"]):
        yield _Priced(_subject(free["name"]), "0", at_least=False, qualifier=frozenset())


def _without_tax(text: str) -> str:
    return re.sub(r"^ ?(?:ttc|h\.?t\.?|hors taxes?)(?: d\w+ [^,]{0,30}(?=,))?", "", text)


def _named(text: str, start: int, found: re.Match[str], *, is_item: bool) -> str:
    before = _LOW.sub("", text[start : found.start()])
    before = _FROM.sub("", before.rstrip(" ")).rstrip(" ")
    before = re.sub(r"(?:\bde|\ba|\bd'|\bau tarif de|\bau prix de)$", "", before).rstrip(" ")
    listed = re.match(r"^(.*?)\s*(?::|\.{2,}|->|=|\s-|-)\s*$", before)
    if listed and (is_item or start == 0):
        return listed[1] if is_item else _subject(listed[1])
    clause = before.rstrip(":,- ")
    name = _subject(_CLAUSE.sub("", clause))
    if name_of(name):
        return name
    after = re.match(
        r"^(?: ttc| ht)? (?:pour )?((?:la |le |les |l'|un |une |the )[^,.;:€\d]{3,50})",
        text[found.end() :],
    )
    return _subject(after[1]) if after and not name_of(clause) else ""


def _subject(clause: str) -> str:
    """What a clause is about: from its first article that no preposition stands before."""
    starts = list(_DETERMINER.finditer(clause))
    free = [
        m
        for m in starts
        if not re.search(r"\b(?:de|d'|du|des|a|aux|avec|pour|et|sur|dans) ?$", clause[: m.start()])
    ]
    chosen = free or starts
    return clause[chosen[0].end() :] if chosen else clause


def _each(name: str, text: str, found: re.Match[str], rest: str) -> Iterator[_Priced]:
    """The price, and the lower one of "de 38 à 45 €"."""
    one = _priced(name, text[: found.start()], found, rest)
    yield one
    if low := _LOW.search(text[: found.start()]):
        yield replace(one, amount=_number(low[1]))


def _priced(name: str, before: str, found: re.Match[str], rest: str) -> _Priced:
    qualifier = set()
    if found["unit"] == "%":
        qualifier.add("%")
    if _WITHOUT_TAX.search(rest):
        qualifier.add("ht")
    if per := _PER.search(rest):
        qualifier.add(f"/{per[1]}")
    if condition := _CONDITION.match(rest):
        qualifier |= {f"si:{word}" for word in name_of(condition[1]) - name_of(name)}
    return _Priced(name, _value(found), bool(_FROM.search(before)), frozenset(qualifier))


def _value(found: re.Match[str]) -> str:
    cents = f".{found['cents']}" if found["cents"] else ""
    return _number((found["n"] or found["n2"]) + cents)


def _number(digits: str) -> str:
    plain = re.sub(r"(?<=\d)[ .](?=\d{3}(?:\D|$))", "", digits)
    return f"{float(plain.replace(',', '.')):g}"
