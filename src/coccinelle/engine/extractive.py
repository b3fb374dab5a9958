"""An answer without a language model: the best passages, quoted under their titles.

It invents nothing, since it writes nothing: the agent's own lead-in says that these are quotes.
"""

from __future__ import annotations

from collections.abc import Sequence

from coccinelle.agents.model import Agent
from coccinelle.knowledge.search import Passage

QUOTED_TEXTS = 2
QUOTED_ROWS = 4
NEAR_TEXT = 0.85
NEAR_ROW = 0.97


def quoted(passages: Sequence[Passage]) -> list[Passage]:
    """Which of the passages, best first, are worth quoting.

    One entry of a table or of questions and answers stands alone, unless others are as near: a
    neighbour's line is not an answer.
    """
    if not passages:
        return []
    best = passages[0]
    if best.kind == "text":
        near = [p for p in passages if p.kind == "text" and p.score >= NEAR_TEXT * best.score]
        return near[:QUOTED_TEXTS]
    alike = [p for p in passages if p.kind == best.kind and p.score >= NEAR_ROW * best.score]
    return alike[:QUOTED_ROWS] if best.kind == "table_row" else [best]


def compose(agent: Agent, passages: Sequence[Passage]) -> str:
    """The agent's lead-in, then each passage under its title."""
    quotes = "\n\n".join(_quote(passage) for passage in passages)
    return f"{agent.configuration.composer_intro}\n\n{quotes}"


def _quote(passage: Passage) -> str:
    if passage.kind == "qa" and passage.question:
        return f"**{passage.question}**\n{passage.text.removeprefix(passage.question).lstrip()}"
    return f"**{title(passage)}**\n{passage.text}"


def title(passage: Passage) -> str:
    """What a source is called: its document, and the section where that says more."""
    if not passage.heading or passage.heading == passage.title:
        return passage.title
    return f"{passage.title} — {passage.heading}"
