"""The bodies of onboarding's routes: what is accepted, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
)
from pydantic_core import PydanticCustomError

from coccinelle.agents.model import AgentType, Setting, Voice
from coccinelle.agents.sectors import Sector
from coccinelle.agents.types import AGENT_TYPES, Language, template
from coccinelle.appointments.model import (
    MAX_CLOSURES,
    MAX_RANGES,
    Closure,
    NewMember,
    Opening,
)
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.outgoing import MAX_URL_CHARS
from coccinelle.knowledge.api_model import MAX_PAIRS, MAX_TEXT_CHARS, Body, Line, Pair
from coccinelle.knowledge.model import MAX_TITLE_CHARS
from coccinelle.numbers.model import MAX_WRITTEN_CHARS
from coccinelle.onboarding.actions import Chosen
from coccinelle.onboarding.model import Session, Step
from coccinelle.tenants.model import MAX_EMAIL_CHARS, MAX_NAME_CHARS, is_email

AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"
MAX_PERSON_CHARS = 100
MAX_GREETING_CHARS = 1_000
MAX_PROMPT_CHARS = 20_000
MAX_MEMBERS = 100
MAX_DOCUMENTS = 50

_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_LANGUAGE = r"^(fr|en)(-[A-Z]{2})?$"


def _named(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("unprintable_name", "A name is one line of printable text.")
    return value


def _email(value: str) -> str:
    if not is_email(value):
        raise PydanticCustomError("bad_email", "Not an e-mail address.")
    return value


def _time(value: str) -> str:
    if not re.match(_TIME, value):
        raise PydanticCustomError("bad_time", "A time is written 09:30.")
    return value


def _day(value: str) -> str:
    try:
        if re.match(_DAY, value):
            date.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise PydanticCustomError("bad_day", "A day is written 2027-08-02.")


def _language(value: str) -> str:
    if not re.match(_LANGUAGE, value):
        raise PydanticCustomError("bad_voice_language", "French or English.")
    return value


def _spelled_out(value: object) -> object:
    """The two voices that have a name of their own, as the others are given."""
    if value in ("female", "male"):
        return {"provider": "default", "voice_id": value}
    if isinstance(value, str):
        raise PydanticCustomError("bad_voice", "female, male, or an object.")
    return value


def _or_by_name(schema: dict[str, Any]) -> None:
    schema["anyOf"].insert(0, {"type": "string", "enum": ["female", "male"]})


Name = Annotated[Line, AfterValidator(_named)]
Time = Annotated[
    Line, AfterValidator(_time), Field(max_length=5, json_schema_extra={"pattern": _TIME})
]
Day = Annotated[
    Line, AfterValidator(_day), Field(max_length=10, json_schema_extra={"format": "date"})
]
PhoneNumber = Annotated[Line, Field(max_length=MAX_WRITTEN_CHARS)]
Key = Annotated[Name, Field(min_length=1, max_length=50)]
Value = StrictBool | StrictInt | FiniteFloat | Annotated[Line, Field(max_length=500)]


class BusinessBody(Body):
    """What the business is."""

    company_name: Name = Field(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        description="As customers know it.",
        examples=["Garage Dupont"],
    )
    sector: Line = Field(
        min_length=1,
        max_length=100,
        description="A key of `GET /api/v1/onboarding/sectors`, or a word for it; `generaliste`"
        " where nobody knows the word.",
        examples=["garage"],
    )
    phone: PhoneNumber | None = Field(
        None,
        description="As people write it; kept in E.164. Null: forget it. Absent: leave it.",
        examples=["01 99 00 45 67"],
    )
    website: Line | None = Field(
        None,
        max_length=MAX_URL_CHARS,
        description="Address of its site. Null: forget it. Absent: leave it.",
        examples=["www.garage-dupont.example"],
    )
    timezone: Line | None = Field(
        None,
        max_length=64,
        description="Name of its zone in the IANA's list; absent: `Europe/Paris`, or as before.",
        examples=["Europe/Paris"],
    )

    def facts(self) -> dict[str, str | None]:
        """What is said, by the names of the tenant's facts; a blank is nothing."""
        said = self.model_dump(exclude={"sector"}, exclude_unset=True)
        return {name: value or None for name, value in said.items()}


class MemberBody(Body):
    """Somebody who takes appointments."""

    name: Name = Field(
        min_length=1,
        max_length=MAX_PERSON_CHARS,
        description="As colleagues call them.",
        examples=["Ana"],
    )
    email: Annotated[Line, AfterValidator(_email)] | None = Field(
        None, max_length=MAX_EMAIL_CHARS, description="If any.", examples=["ana@example.com"]
    )
    phone: PhoneNumber | None = Field(
        None, description="As people write it, if any.", examples=["06 39 98 12 34"]
    )


class OpeningBody(Body):
    """A range of opening hours; a break is the time between two of them."""

    weekday: StrictInt = Field(
        ge=1, le=7, description="ISO: 1 is Monday, 7 is Sunday.", examples=[1]
    )
    opens: Time = Field(description="Local time.", examples=["09:00"])
    closes: Time = Field(
        description="Local time; before `opens`: on the next day. 00:00 to 24:00: the whole day.",
        examples=["12:30"],
    )


class ClosureBody(Body):
    """Days on which the business is closed although its week says open."""

    starts_on: Day = Field(description="First day.", examples=["2027-08-02"])
    ends_on: Day = Field(description="Last day.", examples=["2027-08-23"])
    reason: Name | None = Field(
        None,
        max_length=200,
        description="What customers may be told.",
        examples=["congés d'été"],
    )


class StaffBody(Body):
    """Who takes appointments, and when the business is open."""

    members: list[MemberBody] = Field(
        default_factory=list,
        max_length=MAX_MEMBERS,
        description="All of them, in their order; none: the sector's default.",
        examples=[[{"name": "Ana"}]],
    )
    hours: list[OpeningBody] | None = Field(
        None,
        max_length=MAX_RANGES,
        description="The whole week; absent: the sector's default; an empty list: no fixed hours.",
        examples=[[{"weekday": 1, "opens": "09:00", "closes": "12:30"}]],
    )
    closures: list[ClosureBody] | None = Field(
        None,
        max_length=MAX_CLOSURES,
        description="All that are known; absent: those known before stay.",
        examples=[[{"starts_on": "2027-08-02", "ends_on": "2027-08-23"}]],
    )
    closes_on_public_holidays: StrictBool | None = Field(
        None,
        description="Whether it is closed on public holidays; absent: the sector's default.",
        examples=[True],
    )

    def new_members(self) -> list[NewMember]:
        """The people, as they are kept."""
        return [NewMember(one.name, one.email or None, one.phone or None) for one in self.members]

    def openings(self) -> list[Opening] | None:
        """The week, as it is kept."""
        if self.hours is None:
            return None
        return [Opening(o.weekday, _clock(o.opens), _clock(o.closes)) for o in self.hours]

    def new_closures(self) -> list[Closure] | None:
        """The closures, as they are kept."""
        if self.closures is None:
            return None
        return [
            Closure(
                date.fromisoformat(one.starts_on),
                date.fromisoformat(one.ends_on),
                one.reason or None,
            )
            for one in self.closures
        ]


class VoiceBody(Body):
    """A voice of a provider."""

    provider: Key = Field(description="Of speech.", examples=["elevenlabs"])
    voice_id: Name = Field(
        min_length=1, max_length=200, description="As the provider calls it.", examples=["pNInz6"]
    )
    settings: dict[Key, Value] = Field(
        default_factory=dict,
        max_length=20,
        description="The provider's own.",
        examples=[{"speed": 1.1}],
    )


class AssistantBody(Body):
    """The assistant: what it is for, what it is called, how it sounds, on which number."""

    agent_type: AgentType = Field(
        description="A key of `GET /api/v1/onboarding/agent-types`.", examples=["multi_purpose"]
    )
    agent_name: Name = Field(
        min_length=1,
        max_length=MAX_PERSON_CHARS,
        description="What customers call it.",
        examples=["Leyna"],
    )
    voice: Annotated[VoiceBody, BeforeValidator(_spelled_out)] | None = Field(
        None,
        description="`female` (the default), `male`, or a voice of a provider.",
        examples=["female"],
        json_schema_extra=_or_by_name,
    )
    voice_language: Annotated[Line, AfterValidator(_language)] | None = Field(
        None,
        max_length=5,
        description="What it speaks: `fr` or `en`, with or without a country; absent: as the"
        " business.",
        examples=["fr-FR"],
    )
    greeting: Line | None = Field(
        None,
        max_length=MAX_GREETING_CHARS,
        description="What it says first; absent: made of the company's name and its own.",
        examples=["Garage Dupont, bonjour ! Je suis Leyna, votre assistance virtuelle."],
    )
    system_prompt: Line | None = Field(
        None,
        max_length=MAX_PROMPT_CHARS,
        description="What it is to be and do; absent: the type's own.",
        examples=["Tu t'appelles Leyna et tu réponds aux clients d'un garage."],
    )
    phone_number: PhoneNumber | None = Field(
        None,
        description="The number that it is called on, as people write it; absent: as before.",
        examples=["01 99 00 12 34"],
    )
    enable_appointments: StrictBool = Field(
        False, description="Whether it may book appointments.", examples=[False]
    )
    enable_products: StrictBool = Field(
        False, description="Whether it may look into the catalogue.", examples=[False]
    )

    def chosen(self) -> Chosen:
        """What the owner chose, as it is kept."""
        return Chosen(
            self.agent_type,
            self.agent_name,
            _voice(self.voice),
            voice_language=self.voice_language,
            greeting=self.greeting or None,
            system_prompt=self.system_prompt or None,
            phone_number=self.phone_number or None,
            enable_appointments=self.enable_appointments,
            enable_products=self.enable_products,
        )


class TextBody(Body):
    """A text that was typed or pasted."""

    title: Line = Field(
        min_length=1,
        max_length=MAX_TITLE_CHARS,
        description="What it is about; given again, its text takes the place of the earlier one.",
        examples=["Garantie"],
    )
    content: Line = Field(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="It; Markdown is understood.",
        examples=["Les réparations sont garanties un an."],
    )


class KnowledgeBody(Body):
    """What the assistant answers from."""

    website: Line | None = Field(
        None,
        max_length=MAX_URL_CHARS,
        description="A site, whose pages are read.",
        examples=["www.garage-dupont.example"],
    )
    documents: list[TextBody] = Field(
        default_factory=list,
        max_length=MAX_DOCUMENTS,
        description="Texts.",
        examples=[[{"title": "Garantie", "content": "Un an."}]],
    )
    faqs: list[Pair] = Field(
        default_factory=list,
        max_length=MAX_PAIRS,
        description="Questions and their answers.",
        examples=[[{"question": "Prenez-vous la carte ?", "answer": "Oui."}]],
    )


class ProgressOut(BaseModel):
    """A step."""

    step: Step = Field(description="Which one.", examples=["business"])
    done: bool = Field(description="Whether its rows are there.", examples=[True])
    done_at: datetime | None = Field(
        description="When onboarding first saved it.", examples=["2026-11-03T12:01:00Z"]
    )
    duration_ms: int | None = Field(
        description="From when it was last entered before, milliseconds.", examples=[41200]
    )


class SessionOut(BaseModel):
    """How far an owner is."""

    id: UUID = Field(description="Of the session.", examples=[AN_ID])
    status: Literal["in_progress", "completed"] = Field(
        description="Where it stands.", examples=["in_progress"]
    )
    current_step: int = Field(
        description="The step to do next: 2 business, 3 staff, 4 assistant, 5 knowledge,"
        " 6 complete. It never goes back.",
        examples=[3],
    )
    started_at: datetime = Field(
        description="When it was opened.", examples=["2026-11-03T12:00:00Z"]
    )
    completed_at: datetime | None = Field(
        description="When it was completed.", examples=["2026-11-03T12:09:00Z"]
    )
    duration_seconds: float | None = Field(
        description="From its opening to its completion.", examples=[540.0]
    )
    steps: list[ProgressOut] = Field(description="The four steps, in their order.")


class AgentTypeOut(BaseModel):
    """A type of agents, and what it fills in."""

    key: AgentType = Field(description="To be given as `agent_type`.", examples=["multi_purpose"])
    label: str = Field(description="For people.", examples=["Assistant polyvalent"])
    description: str = Field(
        description="What an orchestrator reads of it; `{name}` and `{sector}` are filled in.",
        examples=["{name} répond à toutes les questions des clients : {sector}."],
    )
    opening: str = Field(
        description="How its greeting ends.", examples=["Comment puis-je vous aider ?"]
    )
    examples: list[str] = Field(
        description="Questions that it is for.", examples=[["Quels sont vos horaires ?"]]
    )


class AgentTypesOut(BaseModel):
    """Every type."""

    items: list[AgentTypeOut] = Field(description="In the order in which they are shown.")


class UsualOpening(BaseModel):
    """A range of opening hours."""

    weekday: int = Field(description="ISO: 1 is Monday.", examples=[1])
    opens: str = Field(description="Local time.", examples=["09:00"])
    closes: str = Field(description="Local time.", examples=["12:00"])


class SectorOut(BaseModel):
    """A sector, and what it begins with."""

    key: str = Field(description="To be given as `sector`.", examples=["automobile"])
    label: str = Field(description="For people.", examples=["Automobile"])
    aliases: list[str] = Field(
        description="Other words for it that are understood.", examples=[["garage"]]
    )
    staff: list[str] = Field(description="Who is there by default.", examples=[["L'atelier"]])
    hours: list[UsualOpening] = Field(description="The default week.")
    closes_on_public_holidays: bool | None = Field(
        description="By default; null: nobody knows.", examples=[True]
    )


class SectorsOut(BaseModel):
    """Every sector."""

    items: list[SectorOut] = Field(description="In the order in which they are shown.")


def session_out(session: Session) -> SessionOut:
    """A session as it is answered."""
    return SessionOut.model_validate(session, from_attributes=True)


def agent_types_out(locale: Locale) -> AgentTypesOut:
    """The types in the reader's language."""
    language: Language = "en" if locale == "en" else "fr"
    found = [template(agent_type, language) for agent_type in AGENT_TYPES]
    return AgentTypesOut(
        items=[
            AgentTypeOut(
                key=one.type,
                label=one.label,
                description=one.description,
                opening=one.opening,
                examples=list(one.examples),
            )
            for one in found
        ]
    )


def sectors_out(found: Mapping[str, Sector], locale: Locale) -> SectorsOut:
    """The sectors in the reader's language."""
    return SectorsOut(
        items=[
            SectorOut(
                key=one.key,
                label=one.label[locale],
                aliases=list(one.aliases),
                staff=list(one.staff[locale]),
                hours=[
                    UsualOpening(weekday=o.weekday, opens=o.opens, closes=o.closes)
                    for o in one.hours
                ],
                closes_on_public_holidays=one.closes_on_public_holidays,
            )
            for one in found.values()
        ]
    )


def _clock(written: str) -> time:
    return time(0) if written == "24:00" else time.fromisoformat(written)


def _voice(body: VoiceBody | None) -> Voice:
    if body is None:
        return Voice()
    settings: list[tuple[str, Setting]] = sorted(body.settings.items())
    return Voice(body.provider, body.voice_id, settings=tuple(settings))
