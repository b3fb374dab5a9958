"""What a worker does for hand-offs: it tells the business by mail, once."""

from __future__ import annotations

from uuid import UUID

import structlog
from procrastinate import JobContext

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import HandoffId, TenantId
from coccinelle.foundation.jobs import PROMPT, PatientRetries, jobs, services_of
from coccinelle.handoffs import store
from coccinelle.providers.mail import Mail, Mailer

log = structlog.get_logger(__name__)

MAILED_LINES = 10


@jobs.task(name="mail_handoff", queue=PROMPT, retry=PatientRetries(), pass_context=True)
async def mail_handoff(context: JobContext, *, tenant_id: str, handoff_id: str) -> None:
    """Tell a tenant that a customer wants a person; a second run does nothing."""
    services = services_of(context)
    await tell(services.db, services.mailer, TenantId(UUID(tenant_id)), HandoffId(UUID(handoff_id)))


async def tell(db: Database, mailer: Mailer, tenant_id: TenantId, handoff_id: HandoffId) -> bool:
    """Mail a hand-off that was not mailed yet; whether a mail server took it.

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
    if not await mailer.send(mail_of(row, row.recipient)):
        return False
    async with db.tenant(tenant_id) as tx:
        await store.mark_mailed(tx, handoff_id, row)
    return True


def mail_of(row: store.MailRow, recipient: str) -> Mail:
    """The mail to the business, in its own language."""
    words = _WORDS["en" if row.locale == "en" else "fr"]
    contacts = [
        f"{words[name]} : {value}" if row.locale != "en" else f"{words[name]}: {value}"
        for name, value in (("email", row.email), ("phone", row.phone), ("note", row.note))
        if value
    ]
    said = [f"{words[line['author']]} {line['text']}" for line in row.lines]
    text = "\n".join(
        [
            words["opening"],
            "",
            *(contacts or [words["no_contact"]]),
            "",
            f"{words['conversation']} {row.conversation_external_id}",
            *said,
        ]
    )
    subject = words["subject"].format(company=row.company_name)
    return Mail(to=recipient, subject=subject, text=text, reply_to=row.email)


_WORDS = {
    "fr": {
        "subject": "{company} : une cliente ou un client demande une personne",
        "opening": "Quelqu'un souhaite parler à une personne de votre équipe.",
        "no_contact": "Aucune coordonnée n'a été laissée : répondez dans la conversation.",
        "email": "E-mail",
        "phone": "Téléphone",
        "note": "Message",
        "conversation": "Conversation",
        "customer": "Client :",
        "agent": "Assistant :",
        "person": "Équipe :",
    },
    "en": {
        "subject": "{company}: a customer asks for a person",
        "opening": "A customer would like to talk to a person of your team.",
        "no_contact": "No contact details were left: answer in the conversation.",
        "email": "E-mail",
        "phone": "Phone",
        "note": "Message",
        "conversation": "Conversation",
        "customer": "Customer:",
        "agent": "Assistant:",
        "person": "Team:",
    },
}
