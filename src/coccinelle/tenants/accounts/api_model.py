"""The bodies of the routes of accounts: what is accepted, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from coccinelle.foundation.ids import SessionId
from coccinelle.tenants.accounts.entrance import Opened
from coccinelle.tenants.accounts.model import Invitation, Member, Membership, Session, User
from coccinelle.tenants.accounts.passwords import MAX_CHARS, MIN_CHARS
from coccinelle.tenants.audit import Event
from coccinelle.tenants.model import (
    MAX_EMAIL_CHARS,
    MAX_KEY_NAME_CHARS,
    MAX_NAME_CHARS,
    ApiKey,
    PublicKey,
    Role,
)

AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"
WHEN = "2026-11-03T12:00:00Z"
MAX_TOKEN_CHARS = 200
MAX_ORIGINS = 100

Line = Annotated[str, StringConstraints(strip_whitespace=True)]
Email = Annotated[
    Line,
    Field(
        min_length=3,
        max_length=MAX_EMAIL_CHARS,
        description="E-mail address; capitals make no difference.",
        examples=["lea@garage-du-port.example"],
    ),
]
NewPassword = Annotated[
    str,
    Field(
        min_length=MIN_CHARS,
        max_length=MAX_CHARS,
        description="8 to 128 characters, of any kind; not one that many people choose.",
        examples=["trois chats sur un toit"],
    ),
]
Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CHARS,
        description="Her password.",
        examples=["trois chats sur un toit"],
    ),
]
PersonName = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        description="Name of the person.",
        examples=["Léa Martin"],
    ),
]
MailedToken = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=MAX_TOKEN_CHARS,
        description="`token` of the link that was mailed.",
        examples=["q3Vb0nW1v9S7kX2mJ5tR8yLhE4aZ6cPuDfGiOoNwQeI"],
    ),
]
RoleField = Annotated[
    Role,
    Field(
        description="`member` uses the assistants and feeds their knowledge, `admin` also manages"
        " them, `owner` also decides who owns.",
        examples=["admin"],
    ),
]
KeyName = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=MAX_KEY_NAME_CHARS,
        description="What the key is for.",
        examples=["Site web"],
    ),
]
Id = Annotated[UUID, Field(description="Of it.", examples=[AN_ID])]
Cursor = Annotated[
    UUID | None,
    Field(
        description="To ask for the items after these; none at the end.",
        examples=[AN_ID],
    ),
]


def _instant(description: str) -> Any:
    return Field(description=description, examples=[WHEN])


class Body(BaseModel):
    """What is accepted: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class SignupBody(Body):
    """A new business and its owner."""

    email: Email
    password: NewPassword
    name: PersonName
    company_name: (
        Annotated[
            Line,
            Field(min_length=1, max_length=MAX_NAME_CHARS),
        ]
        | None
    ) = Field(
        None,
        description="Name of the business; none: that of the person.",
        examples=["Garage du Port"],
    )


class LoginBody(Body):
    """Who comes in, and where."""

    email: Email
    password: Password
    tenant: Annotated[Line, Field(min_length=1, max_length=63)] | None = Field(
        None,
        description="Short name of the business to work for; none: the first one joined.",
        examples=["garage-du-port"],
    )


class SwitchBody(Body):
    """Where to go on working."""

    tenant: Annotated[Line, Field(min_length=1, max_length=63)] = Field(
        description="Short name of one of the businesses that `/me` lists.",
        examples=["garage-du-port"],
    )


class ForgotBody(Body):
    """Whose password was forgotten."""

    email: Email


class ResetBody(Body):
    """A new password in place of a forgotten one."""

    token: MailedToken
    password: NewPassword


class ChangeBody(Body):
    """A new password in place of a known one."""

    current_password: Password
    password: NewPassword


class InviteBody(Body):
    """Whom to ask to join, and as what."""

    email: Email
    role: RoleField = "member"


class AcceptBody(Body):
    """What an invited person brings."""

    token: MailedToken
    name: PersonName | None = Field(
        None,
        description="Name of the person; needed where the address has no account yet.",
        examples=["Léa Martin"],
    )
    password: (
        Annotated[
            str,
            Field(min_length=1, max_length=MAX_CHARS),
        ]
        | None
    ) = Field(
        None,
        description="A new one; or, where the address has an account, that account's. Not needed"
        " by somebody who is logged in under the invited address.",
        examples=["trois chats sur un toit"],
    )


class MemberBody(Body):
    """What to change of a member; what is left out stays."""

    role: RoleField | None = Field(
        None, description="What she may do from her next request on.", examples=["admin"]
    )
    disabled: bool | None = Field(
        None,
        strict=True,
        description="True: she cannot come in, from her next request on; false: she can again.",
        examples=[False],
    )


class ApiKeyBody(Body):
    """A key for a program."""

    name: KeyName
    scopes: Annotated[
        list[Literal["chat", "knowledge", "manage"]],
        Field(
            min_length=1,
            max_length=3,
            description="What the key may do.",
            examples=[["chat", "knowledge"]],
        ),
    ]


class PublicKeyBody(Body):
    """A key for a widget."""

    name: KeyName
    allowed_origins: Annotated[
        list[Annotated[Line, Field(min_length=1, max_length=300)]],
        Field(
            max_length=MAX_ORIGINS,
            description="Sites whose pages may use it, as `https://www.example.com`; none: only"
            " pages of this installation.",
            examples=[["https://www.garage-du-port.example"]],
        ),
    ] = []


class UserOut(BaseModel):
    """A person."""

    id: Id
    email: str = Field(description="Her address.", examples=["lea@garage-du-port.example"])
    name: str = Field(description="Her name.", examples=["Léa Martin"])


class TenantOut(BaseModel):
    """A business."""

    id: Id
    slug: str = Field(description="Short name, for commands.", examples=["garage-du-port"])
    company_name: str = Field(description="What it is called.", examples=["Garage du Port"])


class SessionTokenOut(BaseModel):
    """A session at its birth."""

    id: Id
    token: str = Field(
        description="Send it as `Authorization: Bearer cs_…`, or keep the cookie. Shown once.",
        examples=["cs_q3Vb0nW1v9S7kX2mJ5tR8yLhE4aZ6cPuDfGiOoNwQeI"],
    )
    expires_at: datetime = _instant("When it ends, used or not.")


class OpenedOut(BaseModel):
    """Somebody who came in."""

    user: UserOut = Field(description="Who she is.")
    tenant: TenantOut = Field(description="The business that she works for in this session.")
    role: RoleField
    session: SessionTokenOut = Field(description="What proves it from now on.")


class MembershipOut(TenantOut):
    """A business that somebody works for."""

    role: RoleField


class CurrentSessionOut(BaseModel):
    """The session of the request."""

    id: Id
    expires_at: datetime = _instant("When it ends, used or not.")


class MeOut(BaseModel):
    """Who is logged in, and where."""

    user: UserOut = Field(description="Who she is.")
    tenant: TenantOut = Field(description="The business that she works for in this session.")
    role: RoleField
    session: CurrentSessionOut = Field(description="The session of this request.")
    tenants: list[MembershipOut] = Field(description="Every business that she may work for.")


class SessionOut(BaseModel):
    """A device that is logged in."""

    id: Id
    tenant: TenantOut = Field(description="The business that it is logged in to.")
    current: bool = Field(description="True of the session of this request.", examples=[True])
    created_at: datetime = _instant("When it logged in.")
    last_seen_at: datetime = _instant("When it was last used, to the minute.")
    expires_at: datetime = _instant("When it ends, used or not.")
    address: str = Field(description="Where it logged in from.", examples=["203.0.113.7"])
    user_agent: str = Field(
        description="The program that it uses, as that says itself.", examples=["Firefox"]
    )


class SessionsOut(BaseModel):
    """The devices of a person."""

    items: list[SessionOut] = Field(description="The last used first.")
    next_cursor: None = Field(description="None: the 200 last used are all here.", examples=[None])


class InvitationOut(BaseModel):
    """Somebody who was asked to join, and has not answered."""

    id: Id
    email: str = Field(description="Of whom.", examples=["paul@garage-du-port.example"])
    role: RoleField
    created_at: datetime = _instant("When she was asked.")
    expires_at: datetime = _instant("Until when she may accept.")


class InvitedOut(InvitationOut):
    """An invitation that was just made."""

    link: str | None = Field(
        description="Where it is accepted, to hand over yourself, since no mail was sent; none: it"
        " is being mailed. Shown once.",
        examples=["https://assistant.example/invitation?token=q3Vb0nW1v9S7kX2m"],
    )


class InvitationPage(BaseModel):
    """Some of the invitations."""

    items: list[InvitationOut] = Field(description="The newest first.")
    next_cursor: Cursor


class MemberOut(BaseModel):
    """Somebody who works for the business."""

    user: UserOut = Field(description="Who she is.")
    role: RoleField
    disabled: bool = Field(description="True: she cannot come in.", examples=[False])
    joined_at: datetime = _instant("Since when.")


class MemberPage(BaseModel):
    """Some of the members."""

    items: list[MemberOut] = Field(description="In the order in which they came to Coccinelle.")
    next_cursor: Cursor


class ApiKeyOut(BaseModel):
    """A program's key."""

    id: Id
    name: str = Field(description="What it is for.", examples=["Site web"])
    scopes: list[str] = Field(description="What it may do.", examples=[["chat", "knowledge"]])
    last_four: str = Field(description="How its secret ends.", examples=["x9Qz"])
    created_at: datetime = _instant("When it was made.")


class NewApiKeyOut(ApiKeyOut):
    """A program's key at its birth."""

    secret: str = Field(
        description="To be sent as `Authorization: Bearer ck_…`. Shown once; only its hash is"
        " kept.",
        examples=["ck_q3Vb0nW1v9S7kX2mJ5tR8yLhE4aZ6cPuDfGiOoNwQeI"],
    )


class ApiKeyPage(BaseModel):
    """Some of the programs' keys."""

    items: list[ApiKeyOut] = Field(description="The newest first; revoked ones are gone.")
    next_cursor: Cursor


class PublicKeyOut(BaseModel):
    """A widget's key."""

    id: Id
    name: str = Field(description="What it is for.", examples=["Widget du site"])
    key: str = Field(
        description="What pages send. It names the business and proves nothing: it is no secret.",
        examples=["pk_3vXb0nW1v9S7kX2mJ5tR8yLh"],
    )
    allowed_origins: list[str] = Field(
        description="Sites whose pages may use it.",
        examples=[["https://www.garage-du-port.example"]],
    )
    created_at: datetime = _instant("When it was made.")


class PublicKeyPage(BaseModel):
    """Some of the widgets' keys."""

    items: list[PublicKeyOut] = Field(description="The newest first; revoked ones are gone.")
    next_cursor: Cursor


class ActorOut(BaseModel):
    """Who did something."""

    kind: Literal["user", "api_key", "operator"] = Field(
        description="A person, a program by its key, or the operator at a terminal.",
        examples=["user"],
    )
    id: UUID | None = Field(description="Of the person or the key.", examples=[AN_ID])
    name: str | None = Field(
        description="Of a person who still is a member.", examples=["Léa Martin"]
    )


class EventOut(BaseModel):
    """Something that was changed."""

    id: Id
    at: datetime = _instant("When.")
    actor: ActorOut = Field(description="Who did it.")
    action: str = Field(description="What was done.", examples=["member.invited"])
    about: str | None = Field(description="Id of what was changed.", examples=[AN_ID])
    details: dict[str, Any] = Field(
        description="Ids and words that say more; never what people wrote.",
        examples=[{"role": "admin"}],
    )


class EventPage(BaseModel):
    """Some of the events."""

    items: list[EventOut] = Field(description="The newest first.")
    next_cursor: Cursor


def opened_out(opened: Opened) -> OpenedOut:
    """Somebody who came in, as it is answered."""
    return OpenedOut(
        user=user_out(opened.user),
        tenant=tenant_out(opened.membership),
        role=opened.membership.role,
        session=SessionTokenOut(
            id=opened.session_id, token=opened.token.secret, expires_at=opened.expires_at
        ),
    )


def user_out(user: User) -> UserOut:
    """A person as she is answered."""
    return UserOut(id=user.id, email=user.email, name=user.name)


def tenant_out(membership: Membership) -> TenantOut:
    """A business as it is answered."""
    return TenantOut(
        id=membership.tenant_id, slug=membership.slug, company_name=membership.company_name
    )


def membership_out(membership: Membership) -> MembershipOut:
    """A business and what somebody may do for it."""
    return MembershipOut(**tenant_out(membership).model_dump(), role=membership.role)


def session_out(session: Session, tenant: TenantOut, *, current: SessionId | None) -> SessionOut:
    """A device as it is answered."""
    return SessionOut(
        id=session.id,
        tenant=tenant,
        current=session.id == current,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        address=session.address,
        user_agent=session.user_agent,
    )


def invitation_out(invitation: Invitation) -> InvitationOut:
    """An invitation as it is answered."""
    return InvitationOut.model_validate(invitation, from_attributes=True)


def member_out(member: Member) -> MemberOut:
    """A member as she is answered."""
    return MemberOut(
        user=UserOut(id=member.user_id, email=member.email, name=member.name),
        role=member.role,
        disabled=member.disabled_at is not None,
        joined_at=member.created_at,
    )


def api_key_out(key: ApiKey) -> ApiKeyOut:
    """A program's key as it is answered."""
    return ApiKeyOut.model_validate(key, from_attributes=True)


def public_key_out(key: PublicKey) -> PublicKeyOut:
    """A widget's key as it is answered."""
    return PublicKeyOut.model_validate(key, from_attributes=True)


def event_out(event: Event) -> EventOut:
    """An event as it is answered."""
    return EventOut.model_validate(
        {
            "id": event.id,
            "at": event.at,
            "actor": {"kind": event.actor_kind, "id": event.actor_id, "name": event.actor_name},
            "action": event.action,
            "about": event.about,
            "details": event.details,
        }
    )
