"""The bodies of documents and of their passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge.api_model import Failure, failure_of
from coccinelle.knowledge.model import Document, Piece


class DocumentBody(BaseModel):
    """A file, or a page of a site."""

    id: UUID = Field(description="Of it.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e12"])
    source_id: UUID = Field(
        description="Where it is from.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"]
    )
    title: str = Field(description="Its title, else its name or address.", examples=["Livraison"])
    url: str | None = Field(description="Of a page.", examples=["https://a.example/livraison"])
    chunk_count: int = Field(description="Pieces of it.", examples=[7])
    failure: Failure | None = Field(description="Why it could not be read, if so.")


class DocumentPage(BaseModel):
    """Some of the documents of a source."""

    items: list[DocumentBody] = Field(description="In their order.")
    next_cursor: int | None = Field(
        description="To ask for the items after these; none at the end.", examples=[49]
    )


class PieceBody(BaseModel):
    """A passage, as the search finds it; neighbours may share a few words."""

    id: UUID = Field(description="Of it.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e13"])
    kind: Literal["text", "table_row", "qa"] = Field(
        description="Prose, a row of a table with its headers, or a question and its answer.",
        examples=["qa"],
    )
    heading: str = Field(description="Path of the headings above it.", examples=["Tarifs > Europe"])
    question: str | None = Field(
        description="What it answers, if its document says so.",
        examples=["Livrez-vous en Belgique ?"],
    )
    text: str = Field(description="It.", examples=["Nous livrons en trois jours ouvrés."])


class ReadDocument(DocumentBody):
    """A document as the assistant knows it."""

    passages: list[PieceBody] = Field(description="In their order.")
    next_cursor: int | None = Field(
        description="To ask for the passages after these; none at the end.", examples=[49]
    )


def document_body(document: Document, locale: Locale) -> DocumentBody:
    """A document as it is answered, its failure in words."""
    fields = asdict(document)
    code, values = fields.pop("failure_code"), fields.pop("failure_values")
    return DocumentBody.model_validate(
        {**fields, "failure": failure_of(code, values, locale)}, extra="ignore"
    )


def read_document(
    document: Document, pieces: Sequence[Piece], following: int | None, locale: Locale
) -> ReadDocument:
    """A document and some of its passages as they are answered."""
    passages = [PieceBody.model_validate(piece, from_attributes=True) for piece in pieces]
    told = document_body(document, locale).model_dump()
    return ReadDocument(**told, passages=passages, next_cursor=following)
