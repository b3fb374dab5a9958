"""An answer without a language model: the best passages, quoted under their titles.

It invents nothing, since it writes nothing: the agent's own lead-in says that these are quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from coccinelle.agents.model import Agent
from coccinelle.engine import cues
from coccinelle.knowledge.search import Passage

QUOTED_TEXTS = 2
QUOTED_ROWS = 4
NEAR_TEXT = 0.85
NEAR_COVERAGE = 0.02
CELLS = " ; "
STEM_CHARS = 5
_WORD = re.compile(r"\w{3,}")


def quoted(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Which of the passages, best first, are worth quoting.

    One entry of a table or of questions and answers stands alone, unless others are as near: a
    neighbour's line is not an answer.
    """
    if not passages:
        return []
    best = passages[0]
    if best.kind == "table_row":
        return _lines(question, [p for p in passages if p.kind == "table_row"])
    if best.kind == "text":
        near = [p for p in passages if p.kind == "text" and p.score >= NEAR_TEXT * best.score]
        return near[:QUOTED_TEXTS]
    return [best]


def _lines(question: str, rows: Sequence[Passage]) -> list[Passage]:
    """The lines that fit the question best: all of its words that any line has, and the name that
    says least beside them ("Mise en place Kajabi" before "Mise en place Kajabi et pipeline")."""
    covered = max(row.coverage for row in rows)
    full = [row for row in rows if row.coverage >= covered - NEAR_COVERAGE]
    asked = _stems(question)
    named = {row.chunk_id: _share(_stems(_name(row)), asked) for row in full}
    closest = max(named.values())
    return [row for row in full if named[row.chunk_id] == closest][:QUOTED_ROWS]


def _name(row: Passage) -> str:
    """The first cell of a line, which names it: `Prestation : Vidange ; Véhicule : SUV ; …`."""
    return row.text.split(CELLS, 1)[0].split(" : ", 1)[-1]


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:STEM_CHARS] for word in _WORD.findall(cues.normalised(text)))


def _share(name: frozenset[str], asked: frozenset[str]) -> float:
    return len(name & asked) / len(name) if name else 0.0


def compose(agent: Agent, passages: Sequence[Passage]) -> str:
    """The agent's lead-in, then each passage under its title."""
    quotes = "\n\n".join(_quote(passage) for passage in passages)
    return f"{agent.configuration.composer_intro}\n\n{quotes}"


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
