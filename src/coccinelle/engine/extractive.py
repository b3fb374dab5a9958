"""An answer without a language model: the best passages, quoted under their titles.

It invents nothing, since it writes nothing: the agent's own lead-in says that these are quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from coccinelle.agents.model import Agent
from coccinelle.engine import cues
from coccinelle.engine.phrases import phrase
from coccinelle.knowledge.search import Passage

QUOTED_TEXTS = 2
QUOTED_ROWS = 4
NEAR_TEXT = 0.85
# A line with the price goes before a nearer text without one, down to this share of its score.
NEAR_PRICE = 0.6
NEAR_FOLLOW_UP = 0.6
CELLS = " ; "
STEM_CHARS = 5
_WORD = re.compile(r"\d+|[^\W\d]{3,}")
_PRICE_ASKED = re.compile(
    r"\b(combien (?:coute|ca coute|je paie|est-ce|vaut|pour)|c'est combien|prix|tarifs?|couts?"
    r"|coutent?|combien.{0,40}\bcout\w+|how much|price|cost)\b"
)
_PRICE = re.compile(r"\d\s*(?:€|euros?\b)")
_IDLE = frozenset(
    ("pour", "les", "des", "une", "aux", "avec", "sur", "dans", "par", "est", "que", "quoi")
    + ("quel", "quelle", "combien", "coute", "cout", "prix", "tarif", "sinon", "alors", "donc")
    + ("mais", "aussi", "how", "much", "and", "the", "for", "what", "about", "with")
)


def quoted(message: str, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Which of the passages, best first, are worth quoting.

    One entry of a table or of questions and answers stands alone, unless others are as near: a
    neighbour's line is not an answer. Who asks a price gets what states one; what a follow-up adds
    counts before what it leans on.

    Args:
        message: what the customer says now.
        question: what was searched: the message, or it and what it leans on.
    """
    kept = _with_prices(message, question, passages)
    if message != question:
        kept = _about(_stems(message), kept)
    if not kept:
        return []
    best = kept[0]
    if best.kind == "table_row":
        return _lines(message, question, [p for p in kept if p.kind == "table_row"])
    if best.kind == "text":
        near = [p for p in kept if p.kind == "text" and p.score >= NEAR_TEXT * best.score]
        return near[:QUOTED_TEXTS]
    return [best]


def _with_prices(message: str, question: str, passages: Sequence[Passage]) -> list[Passage]:
    asked = cues.normalised(f"{question} {message}")
    if not passages or not _PRICE_ASKED.search(asked):
        return list(passages)
    enough = NEAR_PRICE * max(passage.answer_score for passage in passages)
    priced = [p for p in passages if _PRICE.search(p.text) and p.answer_score >= enough]
    rows = [p for p in priced if p.kind == "table_row"]
    return rows or priced or list(passages)


def _about(now: frozenset[str], passages: Sequence[Passage]) -> list[Passage]:
    """Those that have most of the words said now, among those that are near enough."""
    if not passages or not now:
        return list(passages)
    enough = NEAR_FOLLOW_UP * passages[0].score
    found = [(len(now & _stems(_shown(p))), p) for p in passages if p.score >= enough]
    most = max(count for count, _ in found)
    return [passage for count, passage in found if count == most]


def _lines(message: str, question: str, rows: Sequence[Passage]) -> list[Passage]:
    """The lines that fit the question best: most of the words said now, most of all that was
    searched, and the name that says least beside them ("Mise en place Kajabi" before "Mise en
    place Kajabi et pipeline")."""
    now, asked = _stems(message), _stems(f"{question} {message}")

    def fit(row: Passage) -> tuple[int, int, float]:
        said = _stems(row.text)
        return len(said & now), len(said & asked), _share(_stems(_name(row)), asked)

    best = max(fit(row) for row in rows)
    return [row for row in rows if fit(row) == best][:QUOTED_ROWS]


def _name(row: Passage) -> str:
    """The first cell of a line, which names it: `Prestation : Vidange ; Véhicule : SUV ; …`."""
    return row.text.split(CELLS, 1)[0].split(" : ", 1)[-1]


def _shown(passage: Passage) -> str:
    return f"{title(passage)} {passage.question or ''} {passage.text}"


def _stems(text: str) -> frozenset[str]:
    words = _WORD.findall(cues.normalised(text))
    return frozenset(word[:STEM_CHARS] for word in words if word not in _IDLE)


def _share(name: frozenset[str], asked: frozenset[str]) -> float:
    return len(name & asked) / len(name) if name else 0.0


def compose(agent: Agent, passages: Sequence[Passage], language: str) -> str:
    """The agent's lead-in, or ours in another language than its own, then each passage under its
    title."""
    own = agent.configuration
    intro = own.composer_intro if language == own.language else phrase("quotes", language)
    return "\n\n".join([intro, *(_quote(passage) for passage in passages)])


def _quote(passage: Passage) -> str:
    if passage.kind == "qa" and passage.question:
        return f"**{passage.question}**\n{passage.text.removeprefix(passage.question).lstrip()}"
    if passage.kind == "table_row":
        cells = "\n".join(f"- {cell}" for cell in passage.text.split(CELLS))
        return f"**{title(passage)}**\n{cells}"
    return f"**{title(passage)}**\n{passage.text}"


def title(passage: Passage) -> str:
    """What a source is called: its document, and the section where that says more."""
    if not passage.heading or passage.heading == passage.title:
        return passage.title
    return f"{passage.title} — {passage.heading}"
