"""An agent's form: what it says as the API takes it, and an agent as it shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from coccinelle.agents.api_model import DraftBody
from coccinelle.agents.model import Configuration
from coccinelle.agents.sectors import sector_of
from coccinelle.agents.types import rewritten, usual
from coccinelle.dashboard import voices
from coccinelle.engine.rehearsal import Line
from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.problems import invalid_fields
from coccinelle.tenants.model import Tenant

Form = Mapping[str, str]
LISTS = ("examples", "keywords", "models")
TEXTS = ("name", "greeting", "persona", "description", "fallback_message", "composer_intro")
MAX_QUESTION_CHARS = 2_000
MAX_LINES = 20
MAX_LINE_CHARS = 6_000

# Fields of the API that a form shows as parts of another one.
_SHOWN_AT = {"voice.language": "voice_language"}


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_LINE_CHARS)
    agent: str | None = Field(None, max_length=63)


_SAID = TypeAdapter(list[_Said])


def written(form: Form, before: Configuration, tenant: Tenant) -> Configuration:
    """What the agent is to be, as the form says; what it does not show stays. Raises `Invalid`."""
    data: dict[str, Any] = {name: form[name] for name in TEXTS if name in form}
    data |= {name: _lines(form[name]) for name in LISTS if name in form}
    if form.get("language"):
        data["language"] = form["language"]
    if typed := form.get("temperature", "").strip():
        data["temperature"] = _number(typed)
    if form.get("voice"):
        language = form.get("voice_language") or before.voice.language
        voice = voices.chosen(form["voice"], language, before.voice)
        data["voice"] = {
            "provider": voice.provider,
            "voice_id": voice.id,
            "language": voice.language,
            "settings": dict(voice.settings),
        }
    try:
        body = DraftBody.model_validate(data)
    except ValidationError as error:
        refused = invalid_fields([dict(item) for item in error.errors()])
        raise _in_form(refused) from None  # The cause quotes what was typed.
    sector = sector_of(tenant.sector)
    return rewritten(before, body.changes, company=tenant.company_name, sector=sector)


def values(said: Configuration, tenant: Tenant) -> dict[str, str]:
    """An agent as its form shows it; a greeting only where it is the owner's own."""
    own = usual(said, company=tenant.company_name, sector=sector_of(tenant.sector))
    texts = {name: str(getattr(said, name)) for name in TEXTS}
    lists = {name: "\n".join(getattr(said, name)) for name in LISTS}
    return {
        **texts,
        **lists,
        "greeting": "" if said.greeting == own.greeting else said.greeting,
        "language": said.language,
        "temperature": f"{said.temperature:g}",
        "voice": voices.value_of(said.voice),
        "voice_language": said.voice.language,
    }


def question(form: Form) -> str:
    """What is asked of the draft. Raises `Invalid`."""
    asked = form.get("question", "").strip()
    if not asked:
        raise Invalid(errors=(FieldError("question", "empty"),))
    if len(asked) > MAX_QUESTION_CHARS:
        bound = (("max_length", MAX_QUESTION_CHARS),)
        raise Invalid(errors=(FieldError("question", "too_long", bound),))
    return asked


def said_before(form: Form) -> list[Line]:
    """What the page says was said before, the last lines of it; none where it is no such list."""
    try:
        lines = _SAID.validate_json(form.get("history") or "[]")
    except ValidationError:
        return []
    return [Line(line.text, line.agent) for line in lines[-MAX_LINES:]]


def history(lines: list[Line]) -> str:
    """Lines as the page keeps them."""
    kept = [_Said(text=line.text[:MAX_LINE_CHARS], agent=line.agent) for line in lines]
    return _SAID.dump_json(kept[-MAX_LINES:]).decode()


def _lines(typed: str) -> list[str]:
    return [line.strip() for line in typed.splitlines() if line.strip()]


def _number(typed: str) -> float | str:
    """With a comma or a point; what is no number, as it was typed."""
    try:
        return float(typed.replace(",", "."))
    except ValueError:
        return typed


def _in_form(error: Invalid) -> Invalid:
    found = tuple(
        FieldError(_SHOWN_AT.get(item.field, item.field.split(".")[0]), item.code, item.values)
        for item in error.errors
    )
    return Invalid(error.code, errors=found, **error.values)
