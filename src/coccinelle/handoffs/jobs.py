"""What a worker does for hand-offs: it mails the business, and the customer who is gone."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import structlog
from procrastinate import JobContext

from coccinelle.conversations.model import first_name
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import HandoffId, TenantId
from coccinelle.foundation.jobs import PROMPT, PatientRetries, jobs, services_of
from coccinelle.handoffs import store
from coccinelle.providers.mail import Mail, Mailer, MailNotSent
from coccinelle.tenants.accounts import attempts
from coccinelle.tenants.accounts.attempts import Bound, TooManyAttempts
from coccinelle.tenants.accounts.mails import Links

log = structlog.get_logger(__name__)

MAILED_LINES = 10
REPLIES_AFTER_SECONDS = 120
# Nobody proved that the address is the customer's: no business is to advertise by replies.
REPLIES_PER_HOUR = 60
MAILS_PER_HOUR = 10
HOUR_SECONDS = 60 * 60
INBOX_PATH = "/dashboard/inbox"


@jobs.task(name="mail_handoff", queue=PROMPT, retry=PatientRetries(), pass_context=True)
async def mail_handoff(context: JobContext, *, tenant_id: str, handoff_id: str) -> None:
    """Tell a tenant that a customer wants a person; a second run does nothing."""
    services = services_of(context)
    await tell(
        services.db,
        services.mailer,
        TenantId(UUID(tenant_id)),
        HandoffId(UUID(handoff_id)),
        links=Links(services.settings.public_url),
    )


async def tell(
    db: Database,
    mailer: Mailer,
    tenant_id: TenantId,
    handoff_id: HandoffId,
    *,
    links: Links | None = None,
) -> bool:
    """Mail a hand-off that was not mailed yet; whether a mail server took it.

    Args:
        links: where the inbox is, if that is known.

    Raises:
        MailNotSent: trying later may help.
    """
    async with db.tenant(tenant_id) as tx:
        row = await store.unmailed(tx, handoff_id, lines=MAILED_LINES)
    if row is None:
        return False
    if row.recipient is None:
        log.warning("handoff_has_no_recipient", tenant_id=str(tenant_id))
        return False
    base = (links or Links()).base("")
    link = f"{base}{INBOX_PATH}/{handoff_id}" if base else None
    if not await mailer.send(mail_of(row, row.recipient, link=link)):
        return False
    async with db.tenant(tenant_id) as tx:
        await store.mark_mailed(tx, handoff_id, row)
    return True


@jobs.task(name="mail_replies", queue=PROMPT, retry=PatientRetries(), pass_context=True)
async def mail_replies(context: JobContext, *, tenant_id: str, handoff_id: str) -> None:
    """Mail to a customer what people said and they have not seen; a second run does nothing."""
    services = services_of(context)
    await reach(
        services.db, services.mailer, TenantId(UUID(tenant_id)), HandoffId(UUID(handoff_id))
    )


async def reach(
    db: Database,
    mailer: Mailer,
    tenant_id: TenantId,
    handoff_id: HandoffId,
    *,
    after_seconds: float = REPLIES_AFTER_SECONDS - 5,
) -> bool:
    """Mail all the replies that a customer has not seen, in one; whether a mail server took it.

    While something newer than `after_seconds` is among them, that one's own job is waited for.

    Raises:
        MailNotSent: trying later may help; also after 10 mails to the address in an hour, or 60 of
            the business.
    """
    async with db.tenant(tenant_id) as tx:
        row = await store.unseen_replies(tx, handoff_id, fresh_seconds=after_seconds)
    if row is None or row.is_fresh:
        return False
    await _count(db, tenant_id, row.email)
    if not await mailer.send(replies_mail(row)):
        return False
    async with db.tenant(tenant_id) as tx:
        await store.mark_replies_mailed(tx, handoff_id, seq=row.last_seq)
    return True


async def _count(db: Database, tenant_id: TenantId, email: str) -> None:
    bounds = (
        Bound("replies:tenant", str(tenant_id), REPLIES_PER_HOUR, HOUR_SECONDS),
        Bound("replies:email", email.lower(), MAILS_PER_HOUR, HOUR_SECONDS),
    )
    try:
        await attempts.count(db, bounds)
    except TooManyAttempts as error:
        raise MailNotSent from error


def replies_mail(row: store.RepliesRow) -> Mail:
    """The mail to the customer, in the language of the business."""
    words = _WORDS["en" if row.locale == "en" else "fr"]
    said = [
        words["says"].format(name=first_name(line["name"]) if line["name"] else words["team"])
        + f"\n    {_quoted(line['text'] or '')}"
        for line in row.lines
    ]
    ending = words["answer_mail"] if row.reply_to else words["answer_there"]
    text = "\n\n".join([words["replied"].format(company=row.company_name), *said, ending])
    subject = words["replied_subject"].format(company=_one_line(row.company_name))
    return Mail(to=row.email, subject=subject, text=text, reply_to=row.reply_to)


def mail_of(row: store.MailRow, recipient: str, *, link: str | None = None) -> Mail:
    """The mail to the business, in its own language, with the `link` to the request in its inbox.

    What a customer wrote stays apart from what we say: each line of theirs but the first is
    indented.
    """
    words = _WORDS["en" if row.locale == "en" else "fr"]
    contacts = [f"{words[name]} {_quoted(value)}" for name, value in _contacts(row) if value]
    said = [f"{words[line['author']]} {_quoted(line['text'])}" for line in row.lines]
    text = "\n".join(
        [
            words["opening"],
            *([words["inbox"].format(link=link)] if link else []),
            "",
            *_identity(row, words),
            *(contacts or ([] if row.identity_email else [words["no_contact"]])),
            "",
            f"{words['conversation']} {_one_line(row.conversation_external_id)}",
            *said,
        ]
    )
    subject = words["subject"].format(company=row.company_name)
    return Mail(to=recipient, subject=subject, text=text, reply_to=row.email or row.identity_email)


def _identity(row: store.MailRow, words: Mapping[str, str]) -> list[str]:
    """Who the customer is, as far as the business's site says; only the id is proven."""
    if row.identity is None:
        return []
    proven = words["identity"].format(identity=_one_line(row.identity))
    if row.identity_email is None:
        return [proven]
    return [proven, words["identity_email"].format(email=row.identity_email)]


def _contacts(row: store.MailRow) -> tuple[tuple[str, str | None], ...]:
    return (("email", row.email), ("phone", row.phone), ("note", row.note))


def _quoted(text: str) -> str:
    return "\n    ".join(text.splitlines())


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


_WORDS = {
    "fr": {
        "subject": "{company} : une cliente ou un client demande une personne",
        "opening": "Quelqu'un souhaite parler à une personne de votre équipe.",
        "inbox": "Répondez-lui ici, en direct : {link}",
        "no_contact": "Aucune coordonnée n'a été laissée : répondez dans la conversation.",
        "email": "E-mail :",
        "phone": "Téléphone :",
        "note": "Message :",
        "identity": "Client identifié par votre site (prouvé) : {identity}",
        "identity_email": "E-mail indiqué par votre page (non vérifié) : {email}",
        "conversation": "Conversation",
        "customer": "Client :",
        "agent": "Assistant :",
        "person": "Équipe :",
        "team": "L'équipe",
        "says": "{name} :",
        "replied_subject": "{company} vous a répondu",
        "replied": "Bonjour,\n\nL'équipe de {company} a répondu à votre message :",
        "answer_mail": "Pour continuer, répondez à cet e-mail, ou revenez dans la discussion.",
        "answer_there": "Pour continuer, revenez dans la discussion, sur notre site.",
    },
    "en": {
        "subject": "{company}: a customer asks for a person",
        "opening": "A customer would like to talk to a person of your team.",
        "inbox": "Answer them here, live: {link}",
        "no_contact": "No contact details were left: answer in the conversation.",
        "email": "E-mail:",
        "phone": "Phone:",
        "note": "Message:",
        "identity": "Customer identified by your site (proven): {identity}",
        "identity_email": "E-mail that your page says (not verified): {email}",
        "conversation": "Conversation",
        "customer": "Customer:",
        "agent": "Assistant:",
        "person": "Team:",
        "team": "The team",
        "says": "{name}:",
        "replied_subject": "{company} has answered you",
        "replied": "Hello,\n\n{company}'s team has answered your message:",
        "answer_mail": "To go on, answer this mail, or come back to the chat.",
        "answer_there": "To go on, come back to the chat, on our site.",
    },
}
