"""The bodies of the routes of agents: what is accepted, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from coccinelle.agents.differences import differences
from coccinelle.agents.model import (
    AgentType,
    Configuration,
    Draft,
    Managed,
    Setting,
    State,
    Version,
    Voice,
)

AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e21"
MAX_TEXT_CHARS = 20_000
MAX_GREETING_CHARS = 1_000
MAX_REVISION = 2**31 - 1
USUAL_VOICES = ("female", "male")

_LANGUAGE = r"^(fr|en)(-[A-Z]{2})?$"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise PydanticCustomError("unstorable_characters", "A character that cannot be kept.")
    return value


def _named(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("unprintable_name", "A name is one line of printable text.")
    return value


def _spoken(value: str) -> str:
    if not re.match(_LANGUAGE, value):
        raise PydanticCustomError("bad_voice_language", "French or English.")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable)]
Name = Annotated[Text, AfterValidator(_named)]
Item = Annotated[Text, Field(min_length=1, max_length=500)]
Value = StrictBool | StrictInt | FiniteFloat | Annotated[Text, Field(max_length=500)]
Revision = Annotated[
    int | None,
    Field(
        ge=1,
        le=MAX_REVISION,
        description="Of the agent as it was read: a change that somebody made since is 409"
        " `agent_changed`. Absent: whatever there is.",
        examples=[3],
    ),
]


class Body(BaseModel):
    """What is accepted: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class NewAgentBody(Body):
    """A new agent."""

    name: Name = Field(
        min_length=1,
        max_length=100,
        description="What customers will call it; its key is made of it.",
        examples=["Camille"],
    )
    type: AgentType = Field("custom", description="What fills its draft.", examples=["custom"])
    language: Literal["fr", "en"] | None = Field(
        None, description="What it writes; absent: as the business.", examples=["fr"]
    )


class VoiceBody(Body):
    """How it is to sound."""

    provider: Name = Field(
        "default",
        min_length=1,
        max_length=50,
        description="Of speech; `default` has `female` and `male`.",
        examples=["elevenlabs"],
    )
    voice_id: Name = Field(
        min_length=1, max_length=200, description="As the provider calls it.", examples=["pNInz6"]
    )
    language: Annotated[Text, AfterValidator(_spoken)] = Field(
        "fr-FR",
        max_length=5,
        description="What it speaks.",
        examples=["fr-FR"],
        json_schema_extra={"pattern": _LANGUAGE},
    )
    settings: dict[Annotated[Name, Field(min_length=1, max_length=50)], Value] = Field(
        default_factory=dict,
        max_length=20,
        description="The provider's own.",
        examples=[{"speed": 1.1}],
    )

    @model_validator(mode="after")
    def _there_is_one(self) -> VoiceBody:
        if self.provider == "default" and self.voice_id not in USUAL_VOICES:
            raise PydanticCustomError("unknown_voice", "There is no such voice.")
        return self

    @property
    def voice(self) -> Voice:
        """As versions keep it."""
        own = tuple(sorted(self.settings.items()))
        return Voice(self.provider, self.voice_id, self.language, own)


class DraftBody(Body):
    """What the draft is to say; what is absent stays as it is."""

    revision: Revision = None
    name: Name | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="What customers call it. What the type says of it follows.",
        examples=["Leyna"],
    )
    greeting: Text | None = Field(
        None,
        max_length=MAX_GREETING_CHARS,
        description="What it says first; empty: made of the company's name and its own.",
        examples=["Garage Dupont, bonjour ! Je suis Leyna."],
    )
    persona: Text | None = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="What it is to be and do; empty: the type's.",
        examples=["Tu t'appelles Leyna. Tu réponds en deux phrases."],
    )
    description: Text | None = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="What the orchestrator reads; empty: the type's.",
        examples=["Leyna répond à toutes les questions."],
    )
    examples: list[Item] | None = Field(
        None,
        max_length=100,
        description="Questions that it is for; eight let it be found without a model.",
        examples=[["Quels sont vos horaires ?"]],
    )
    keywords: list[Item] | None = Field(
        None, max_length=200, description="Words that it is for.", examples=[["horaires"]]
    )
    language: Literal["fr", "en"] | None = Field(
        None, description="What it writes.", examples=["fr"]
    )
    fallback_message: Text | None = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="What it says without an answer; empty: the type's.",
        examples=["Je n'ai pas cette information."],
    )
    composer_intro: Text | None = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="What it says before it quotes a document; empty: the type's.",
        examples=["Voici ce que j'ai trouvé :"],
    )
    voice: VoiceBody | None = Field(None, description="How it is to sound.")
    models: list[Item] | None = Field(
        None,
        max_length=10,
        description="Language models that answer for it, each where the one before fails; none:"
        " the installation's.",
        examples=[["mistralai/mistral-medium-3.1"]],
    )
    temperature: Annotated[FiniteFloat, Field(strict=True, ge=0, le=2)] | None = Field(
        None, description="Of its language models, 0 to 2.", examples=[0.3]
    )

    @property
    def changes(self) -> dict[str, Any]:
        """What is to change, by the names of a configuration."""
        said = self.model_dump(exclude={"revision", "voice"}, exclude_none=True)
        changes = {
            name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
            for name, value in said.items()
        }
        return changes if self.voice is None else {**changes, "voice": self.voice.voice}


class SeenBody(Body):
    """Which state of the agent a change is meant for."""

    revision: Revision = None


class OrderBody(Body):
    """The order of agents."""

    keys: list[Annotated[Name, Field(min_length=1, max_length=63)]] = Field(
        min_length=1,
        max_length=100,
        description="Their keys; agents that are not named stay where they are.",
        examples=[["leyna"]],
    )


class VoiceOut(BaseModel):
    """How an agent sounds."""

    provider: str = Field(description="Of speech.", examples=["default"])
    voice_id: str = Field(description="As the provider calls it.", examples=["female"])
    language: str = Field(description="What it speaks.", examples=["fr-FR"])
    settings: dict[str, Setting] = Field(
        description="The provider's own.", examples=[{"speed": 1.1}]
    )


class ConfigurationOut(BaseModel):
    """What an agent is and says."""

    name: str = Field(description="What customers call it.", examples=["Leyna"])
    type: AgentType = Field(description="What it is for.", examples=["multi_purpose"])
    description: str = Field(
        description="What the orchestrator reads.",
        examples=["Leyna répond à toutes les questions."],
    )
    persona: str = Field(description="What it is to be and do.", examples=["Tu t'appelles Leyna."])
    greeting: str = Field(
        description="What it says first.", examples=["Garage Dupont, bonjour ! Je suis Leyna."]
    )
    fallback_message: str = Field(
        description="What it says without an answer.", examples=["Je n'ai pas cette information."]
    )
    composer_intro: str = Field(
        description="What it says before it quotes.", examples=["Voici ce que j'ai trouvé :"]
    )
    language: str = Field(description="What it writes.", examples=["fr"])
    examples: list[str] = Field(
        description="Questions that it is for.", examples=[["Quels sont vos horaires ?"]]
    )
    keywords: list[str] = Field(description="Words that it is for.", examples=[["horaires"]])
    voice: VoiceOut = Field(description="How it sounds.")
    models: list[str] = Field(
        description="Its own language models; none: the installation's.",
        examples=[["mistralai/mistral-medium-3.1"]],
    )
    temperature: float = Field(description="Of its language models.", examples=[0.3])
    enable_appointments: bool = Field(
        description="Whether it may book appointments.", examples=[False]
    )
    enable_products: bool = Field(
        description="Whether it may look into the catalogue.", examples=[False]
    )


class VersionOut(ConfigurationOut):
    """A version of an agent, as it was published."""

    number: int = Field(description="The first one is 1.", examples=[2])
    published_at: datetime = Field(
        description="When it was published.", examples=["2026-11-03T12:05:00Z"]
    )
    published_by: str | None = Field(
        description="The member who published it; none: a program, or the operator.",
        examples=["Léa Martin"],
    )
    based_on: int | None = Field(
        description="Number of the version that it was written from.", examples=[1]
    )


class DifferenceOut(BaseModel):
    """A field that is not the same; a list is a text of one line an item."""

    field: str = Field(description="Of the configuration.", examples=["greeting"])
    before: str = Field(description="What is live, or was last.", examples=["Bonjour !"])
    after: str = Field(description="What the draft says.", examples=["Bonjour, je suis Leyna."])


class DraftOut(ConfigurationOut):
    """What an agent will be once it is published."""

    based_on: int | None = Field(
        description="Number of the version that it was begun from.", examples=[2]
    )
    is_outdated: bool = Field(
        description="Whether another version was published since.", examples=[False]
    )
    saved_at: datetime = Field(
        description="When it was last saved.", examples=["2026-11-03T12:06:00Z"]
    )
    saved_by: str | None = Field(description="The member who saved it.", examples=["Léa Martin"])
    differences: list[DifferenceOut] = Field(description="What publishing it would change.")


class AgentOut(BaseModel):
    """An agent."""

    id: UUID = Field(description="Of the agent.", examples=[AN_ID])
    key: str = Field(description="Its name for programs; it never changes.", examples=["leyna"])
    name: str = Field(description="What customers call it.", examples=["Leyna"])
    position: int = Field(description="Its place among the agents, from 0.", examples=[0])
    state: State = Field(
        description="`live`: it answers. `new`: it was never published. `retired`: it answers no"
        " longer.",
        examples=["live"],
    )
    revision: int = Field(description="Goes up with each change of it.", examples=[3])
    live_version: VersionOut | None = Field(description="The version that answers, if one does.")
    draft: DraftOut | None = Field(description="What is written and not published.")


class AgentPage(BaseModel):
    """Some of the agents."""

    items: list[AgentOut] = Field(description="In their order.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.", examples=[AN_ID]
    )


class VersionPage(BaseModel):
    """Some of the versions of an agent."""

    items: list[VersionOut] = Field(description="The newest first.")
    next_cursor: int | None = Field(
        description="To ask for the items after these; none at the end.", examples=[2]
    )


class ListedVoiceOut(BaseModel):
    """A voice that an agent may have."""

    provider: str = Field(description="Of speech.", examples=["elevenlabs"])
    voice_id: str = Field(description="As the provider calls it.", examples=["pNInz6"])
    name: str = Field(description="As the provider names it.", examples=["Adam"])
    gender: str = Field(description="As the provider says; may be empty.", examples=["male"])
    about: str = Field(description="The provider's own words.", examples=["american, deep"])
    languages: list[str] = Field(
        description="What it was made for or tested in.", examples=[["fr", "en"]]
    )
    preview: str | None = Field(
        description="Path of ours where it can be heard.",
        examples=["/api/v1/voices/elevenlabs/pNInz6/preview"],
    )


class VoiceList(BaseModel):
    """The voices that an agent may have."""

    items: list[ListedVoiceOut] = Field(description="The two usual ones first.")
    is_complete: bool = Field(
        description="False while the provider of the others does not answer.", examples=[True]
    )


def agent_out(agent: Managed) -> AgentOut:
    """The body of an agent."""
    return AgentOut(
        id=agent.id,
        key=agent.key,
        name=agent.name,
        position=agent.position,
        state=agent.state,
        revision=agent.revision,
        live_version=version_out(agent.live) if agent.live else None,
        draft=_draft_out(agent, agent.draft) if agent.draft else None,
    )


def version_out(version: Version) -> VersionOut:
    """The body of a version."""
    return VersionOut(
        **_said(version.configuration),
        number=version.number,
        published_at=version.published_at,
        published_by=version.by,
        based_on=version.based_on,
    )


def _draft_out(agent: Managed, draft: Draft) -> DraftOut:
    base = agent.live or agent.latest
    told = differences(base.configuration, draft.configuration) if base else []
    return DraftOut(
        **_said(draft.configuration),
        based_on=draft.based_on,
        is_outdated=agent.is_outdated,
        saved_at=draft.saved_at,
        saved_by=draft.by,
        differences=[
            DifferenceOut(field=one.field, before=one.before, after=one.after) for one in told
        ],
    )


def _said(said: Configuration) -> Mapping[str, Any]:
    voice = VoiceOut(
        provider=said.voice.provider,
        voice_id=said.voice.id,
        language=said.voice.language,
        settings=dict(said.voice.settings),
    )
    names = set(ConfigurationOut.model_fields) - {"voice"}
    found: dict[str, Any] = {name: _listed(getattr(said, name)) for name in names}
    return {**found, "voice": voice}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
