"""What a business gave us to know: sources, their documents, and questions nobody could answer."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import httpx2

from coccinelle.foundation.errors import Conflict, FieldError, Invalid, NotFound
from coccinelle.foundation.ids import ChunkId, DocumentId, SourceId
from coccinelle.foundation.outgoing import MAX_URL_CHARS, BadAddress
from coccinelle.knowledge.crawl_reading import normalised

Kind = Literal["file", "text", "page", "site", "faq"]
State = Literal["waiting", "reading", "embedding", "ready", "failed"]

Order = Literal["latest", "most_asked"]
Settled = Literal["answered", "dismissed"]

MAX_TITLE_CHARS = 300
MAX_ANSWER_CHARS = 4_000
MAX_ANSWERS = 1_000
# Rows have this name; the exam is one of those who fill it.
ANSWERS_SLOT = "exam:answers"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SPACES = re.compile(r"\s+")


class SourceNotFound(NotFound):
    """The tenant has no such source."""

    default_code = "source_not_found"


class DocumentNotFound(NotFound):
    """The tenant has no such document."""

    default_code = "document_not_found"


class GapNotFound(NotFound):
    """The tenant has no such question without an answer."""

    default_code = "gap_not_found"


class AnswerNotFound(NotFound):
    """The team has given no answer to this question."""

    default_code = "answer_not_found"


class TooManyAnswers(Conflict):
    """The team has given as many answers as are kept."""

    default_code = "too_many_answers"


class UnknownAgent(Invalid):
    """The tenant has no agent of this key."""

    default_code = "unknown_agent"


class Superseded(Conflict):
    """While it was ingested, the source was deleted or asked for anew: this run is over."""

    default_code = "superseded"


@dataclass(frozen=True)
class Question:
    """A question that customers ask, and what the business answers."""

    question: str
    answer: str


@dataclass(frozen=True)
class Source:
    """What an owner gave, and how far its ingestion is.

    `generation` is the one asked for, `live_generation` the one that answers now; they differ while
    a new one is built, and after one failed. `agents` are keys; none: all agents share it.
    """

    id: SourceId
    kind: Kind
    title: str
    url: str | None
    filename: str | None
    media_type: str | None
    state: State
    failure_code: str | None
    failure_values: dict[str, Any] | None
    chunks_total: int
    chunks_done: int
    pages: int
    generation: int
    live_generation: int | None
    agents: list[str]
    created_at: datetime
    started_at: datetime | None
    ready_at: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether nothing will happen to it until somebody asks."""
        return self.state in ("ready", "failed")


@dataclass(frozen=True)
class NewSource:
    """What is stored of a source at its birth; its content is a file, a text, or JSON of a FAQ."""

    kind: Kind
    title: str
    url: str | None = None
    filename: str | None = None
    media_type: str | None = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def content_sha256(self) -> bytes | None:
        """What makes two uploads the same."""
        return None if self.content is None else hashlib.sha256(self.content).digest()


@dataclass(frozen=True)
class Document:
    """A file, or a page of a site, as it answers now; or why it could not be read."""

    id: DocumentId
    source_id: SourceId
    position: int
    title: str
    url: str | None
    chunk_count: int
    failure_code: str | None
    failure_values: dict[str, Any] | None


@dataclass(frozen=True)
class Piece:
    """A passage of a document; `heading` is its path of headings, outermost first."""

    id: ChunkId
    position: int
    kind: Literal["text", "table_row", "qa"]
    heading: str
    question: str | None
    text: str


@dataclass(frozen=True)
class Gap:
    """A question that the knowledge has no answer to, and how often it was asked.

    `settled_as`: what the team did about it; None while it is open.
    """

    id: UUID
    question: str
    best_score: float | None
    asked_count: int
    first_asked_at: datetime
    last_asked_at: datetime
    settled_as: Settled | None
    settled_at: datetime | None


def file_source(data: bytes, *, filename: str, media_type: str | None = None) -> NewSource:
    """An uploaded file, under the last part of its name."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].strip()[:MAX_TITLE_CHARS] or "document"
    return NewSource("file", name, filename=name, media_type=media_type, content=data)


def text_source(content: str, *, title: str) -> NewSource:
    """A text that was typed or pasted; Markdown is understood."""
    return NewSource(
        "text",
        _title(title),
        filename="text.md",
        media_type="text/markdown",
        content=content.encode(),
    )


def faq_source(questions: Sequence[Question], *, title: str, slot: str | None = None) -> NewSource:
    """Questions and their answers, kept as JSON.

    Args:
        slot: what only this slot of a business has: the same pairs elsewhere are another content.
    """
    of = {} if slot is None else {"slot": slot}
    pairs = [{"question": q.question, "answer": q.answer, **of} for q in questions]
    content = json.dumps(pairs, ensure_ascii=False, separators=(",", ":")).encode()
    return NewSource("faq", _title(title), media_type="application/json", content=content)


def web_source(kind: Literal["page", "site"], url: str, *, title: str | None = None) -> NewSource:
    """One page, or the pages of its site. Raises `BadAddress`."""
    address = canonical_url(url)
    return NewSource(kind, _title(title or address), url=address)


def questions(content: bytes) -> list[Question]:
    """The inverse of `faq_source`."""
    return [Question(pair["question"], pair["answer"]) for pair in json.loads(content)]


def canonical_url(url: str) -> str:
    """One spelling of a page's address, without a fragment or what tracks visitors.

    Raises:
        BadAddress: not http(s), without a host, or with a password.
    """
    try:
        found = normalised(url)
        parsed = httpx2.URL(found)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadAddress from error
    usual = parsed.scheme in ("http", "https") and parsed.host and not parsed.userinfo
    if not usual or len(found) > MAX_URL_CHARS:
        raise BadAddress
    return found


def storable(value: str, field_name: str) -> str:
    """`value`, which PostgreSQL can keep.

    Raises:
        Invalid: it has U+0000 or half a surrogate pair.
    """
    if _UNSTORABLE.search(value):
        raise Invalid(errors=(FieldError(field_name, "unstorable_characters"),))
    return value


def is_storable(value: str) -> bool:
    """Whether `storable` accepts it."""
    return _UNSTORABLE.search(value) is None


def question_key(question: str) -> bytes:
    """SHA-256 that two askings of one question share, whatever their case, spaces and end mark."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return hashlib.sha256(_SPACES.sub(" ", folded).strip(" ?!.").encode()).digest()


def _title(text: str) -> str:
    return _SPACES.sub(" ", text).strip()[:MAX_TITLE_CHARS] or "Document"
