"""The bodies of sources: what is accepted, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.i18n import Locale, sentence
from coccinelle.foundation.outgoing import MAX_URL_CHARS
from coccinelle.knowledge.model import (
    MAX_TITLE_CHARS,
    Kind,
    NewSource,
    Question,
    Source,
    State,
    faq_source,
    is_storable,
    text_source,
    web_source,
)

MAX_QUESTION_CHARS = 2_000
MAX_PAIRS = 1_000
MAX_TEXT_CHARS = 500_000
MAX_AGENTS = 100


def _storable(value: str) -> str:
    if not is_storable(value):
        raise PydanticCustomError("unstorable_characters", "U+0000 cannot be kept.")
    return value


Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable)]
AgentKeys = Annotated[
    list[Annotated[Line, Field(min_length=1, max_length=63)]],
    Field(
        max_length=MAX_AGENTS,
        description="Keys of the agents that may use it; none: all agents.",
        examples=[["audrey"]],
    ),
]


class Body(BaseModel):
    """What is accepted: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Pair(Body):
    """A question that customers ask, and its answer."""

    question: Line = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="As customers ask it.",
        examples=["Livrez-vous en Belgique ?"],
    )
    answer: Line = Field(
        min_length=1,
        max_length=20_000,
        description="What the business answers.",
        examples=["Oui, en trois jours ouvrés, pour 6,90 €."],
    )


class NewSourceBody(Body):
    """A page or a site (with `url`), a text (`title`, `content`), or questions (`faqs`)."""

    kind: Literal["page", "site", "text", "faq"] = Field(
        description="`page`: the page at `url`. `site`: the pages of its site. `text`: `content`."
        " `faq`: `faqs`.",
        examples=["faq"],
    )
    title: Line | None = Field(
        None,
        min_length=1,
        max_length=MAX_TITLE_CHARS,
        description="What lists and sources of answers call it; required for a text.",
        examples=["Livraison"],
    )
    url: Line | None = Field(
        None,
        min_length=1,
        max_length=MAX_URL_CHARS,
        description="Address of a page or of a site; http or https.",
        examples=["https://boutique.example/livraison"],
    )
    content: Line | None = Field(
        None,
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="A text; Markdown is understood.",
        examples=["# Livraison\n\nNous livrons en France et en Belgique."],
    )
    faqs: list[Pair] | None = Field(
        None,
        min_length=1,
        max_length=MAX_PAIRS,
        description="Questions and their answers.",
        examples=[
            [{"question": "Livrez-vous en Belgique ?", "answer": "Oui, en trois jours ouvrés."}]
        ],
    )
    agents: AgentKeys = []


class ChangesBody(Body):
    """What becomes of a source; what is not given stays."""

    title: Line | None = Field(
        None,
        min_length=1,
        max_length=MAX_TITLE_CHARS,
        description="What lists call it; for a text or questions, the sources of answers, too.",
        examples=["Nos tarifs"],
    )
    agents: AgentKeys | None = Field(
        None,
        description="Keys of the agents that may use it; none of them: all agents.",
        examples=[["audrey"]],
    )


class Failure(BaseModel):
    """Why something could not be read."""

    code: str = Field(description="Stable name of the reason.", examples=["encrypted"])
    message: str = Field(
        description="The reason in words, in the language of `Accept-Language`.",
        examples=["Ce fichier est protégé par un mot de passe."],
    )


class SourceBody(BaseModel):
    """What an owner gave, and how far its ingestion is."""

    id: UUID = Field(
        examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"], description="Of the source."
    )
    kind: Kind = Field(description="What it is.", examples=["file"])
    title: str = Field(description="Its title, its file name, or its address.", examples=["a.pdf"])
    url: str | None = Field(description="Of a page or a site.", examples=["https://a.example/"])
    filename: str | None = Field(description="Of a file, as it was sent.", examples=["tarifs.pdf"])
    media_type: str | None = Field(
        description="Of a file, as it was sent.", examples=["application/pdf"]
    )
    agents: list[str] = Field(
        description="Keys of the agents that may use it; none: all agents.", examples=[["audrey"]]
    )
    state: State = Field(
        description="`waiting` for a worker, `reading`, `embedding`, `ready` or `failed`.",
        examples=["ready"],
    )
    chunks_total: int = Field(description="Pieces of it; 0 until it is read.", examples=[42])
    chunks_done: int = Field(description="Pieces that have their vectors.", examples=[42])
    pages: int = Field(description="Pages fetched so far; 0 for what has no pages.", examples=[0])
    failure: Failure | None = Field(description="Why its ingestion failed, if it did.")
    generation: int = Field(description="Version that was asked for last.", examples=[1])
    live_generation: int | None = Field(
        description="Version that answers come from; none until the first is whole.", examples=[1]
    )
    created_at: datetime = Field(
        description="When it was added.", examples=["2026-11-03T12:00:00Z"]
    )
    started_at: datetime | None = Field(
        description="When the reading of its last version began.", examples=["2026-11-03T12:00:01Z"]
    )
    ready_at: datetime | None = Field(
        description="When the version that answers was whole.", examples=["2026-11-03T12:00:09Z"]
    )


class AddedSource(BaseModel):
    """A source, new or found."""

    source: SourceBody = Field(description="The source as it is now.")
    duplicate: bool = Field(
        description="True if it was there already: nothing was added.", examples=[False]
    )
    replaced: bool = Field(
        description="True if the file took the place of another content of its name.",
        examples=[False],
    )


class AddedSources(BaseModel):
    """One for each file, in the order given."""

    items: list[AddedSource] = Field(description="One for each file, in the order given.")


class SourcePage(BaseModel):
    """Some of the sources."""

    items: list[SourceBody] = Field(description="The newest first.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.",
        examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"],
    )


def new_source(body: NewSourceBody) -> NewSource:
    """What the body asks to keep.

    Raises:
        Invalid: a field that its kind needs is missing, one that it has no use for is there, or
            `url` is no address.
    """
    _check_fields(body)
    title = body.title
    if body.kind == "faq":
        pairs = [Question(pair.question, pair.answer) for pair in body.faqs or ()]
        return faq_source(pairs, title=title or pairs[0].question)
    if body.kind == "text":
        return text_source(body.content or "", title=title or "")
    try:
        return web_source(body.kind, body.url or "", title=title)
    except Invalid as error:
        raise Invalid(errors=(FieldError("url", error.code),)) from error


def _check_fields(body: NewSourceBody) -> None:
    given = {name for name in ("url", "content", "faqs") if getattr(body, name) is not None}
    needed = {"text": {"content"}, "faq": {"faqs"}}.get(body.kind, {"url"})
    missing = (needed - given) | ({"title"} if body.kind == "text" and not body.title else set())
    errors = [FieldError(name, "required") for name in sorted(missing)]
    errors += [FieldError(name, "not_for_this_kind") for name in sorted(given - needed)]
    if errors:
        raise Invalid(errors=tuple(errors))


def source_body(source: Source, locale: Locale) -> SourceBody:
    """A source as it is answered, its failure in words."""
    fields = asdict(source)
    code, values = fields.pop("failure_code"), fields.pop("failure_values")
    return SourceBody(**fields, failure=failure_of(code, values, locale))


def failure_of(
    code: str | None, values: Mapping[str, Any] | None, locale: Locale
) -> Failure | None:
    """A reason in words, if there is one."""
    if code is None:
        return None
    return Failure(code=code, message=sentence(code, locale, **(values or {})))
