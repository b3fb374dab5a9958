"""What a worker does for accounts: it mails links, and forgets what was counted.

A link's token is made here, so that no row ever holds it.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from procrastinate import JobContext

from coccinelle.foundation.database import Database
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import TenantId, UserId
from coccinelle.foundation.jobs import PROMPT, PatientRetries, jobs, services_of
from coccinelle.providers.mail import Mailer
from coccinelle.tenants.accounts import store
from coccinelle.tenants.accounts.mails import (
    invitation_link,
    invitation_mail,
    reset_link,
    reset_mail,
)
from coccinelle.tenants.accounts.model import Token, User, new_token

log = structlog.get_logger(__name__)


@jobs.task(name="mail_password_reset", queue=PROMPT, retry=PatientRetries(), pass_context=True)
async def mail_password_reset(
    context: JobContext, *, user_id: str, reset_id: str, locale: str, base_url: str
) -> None:
    """Mail a link for a new password; a second run does nothing, nor does one for nobody."""
    services = services_of(context)
    if services.settings.smtp_url is not None and not base_url:
        log.warning("public_url_missing", task="mail_password_reset")
        return
    await send_reset(
        services.db,
        services.mailer,
        UserId(UUID(user_id)),
        UUID(reset_id),
        base_url=base_url,
        minutes=services.settings.password_reset_minutes,
        locale=_locale(locale),
    )


async def send_reset(
    db: Database,
    mailer: Mailer,
    user_id: UserId,
    reset_id: UUID,
    *,
    base_url: str,
    minutes: int,
    locale: Locale,
) -> None:
    """Make the token of a reset and mail its link; without a mail server, tell it to the log.

    Raises:
        MailNotSent: trying later may help.
    """
    made = await made_reset(db, user_id, reset_id, minutes=minutes)
    if made is None:
        return
    user, token = made
    link = reset_link(base_url, token.secret)
    mail = reset_mail(to=user.email, name=user.name, link=link, minutes=minutes, locale=locale)
    if not await mailer.send(mail):
        log.warning("password_reset_link", link=link)
    async with db.user(user_id) as tx:
        await store.mark_reset_mailed(tx, reset_id)


async def made_reset(
    db: Database, user_id: UserId, reset_id: UUID, *, minutes: int
) -> tuple[User, Token] | None:
    """A new token for a new password, and whose; None for nobody, or when it was mailed already."""
    token = new_token()
    async with db.user(user_id) as tx:
        user = await store.own_row(tx)
        if user is None:
            return None
        await store.delete_resets(tx, only_ended=True)
        kept = await store.keep_reset(
            tx, reset_id=reset_id, token_hash=token.digest, minutes=minutes
        )
    return (user, token) if kept else None


@jobs.task(name="mail_invitation", queue=PROMPT, retry=PatientRetries(), pass_context=True)
async def mail_invitation(
    context: JobContext, *, tenant_id: str, invitation_id: str, locale: str, base_url: str
) -> None:
    """Mail an invitation; a second run does nothing."""
    services = services_of(context)
    await send_invitation(
        services.db,
        services.mailer,
        TenantId(UUID(tenant_id)),
        UUID(invitation_id),
        base_url=base_url,
        days=services.settings.invitation_days,
        locale=_locale(locale),
    )


async def send_invitation(
    db: Database,
    mailer: Mailer,
    tenant_id: TenantId,
    invitation_id: UUID,
    *,
    base_url: str,
    days: int,
    locale: Locale,
) -> None:
    """Make the token of an invitation and mail its link. Raises `MailNotSent`."""
    token = new_token()
    async with db.tenant(tenant_id) as tx:
        row = await store.unmailed_invitation(tx, invitation_id, token.digest)
    if row is None:
        return
    mail = invitation_mail(
        to=row.email,
        company=row.company_name,
        inviter=row.inviter,
        link=invitation_link(base_url, token.secret),
        days=days,
        locale=locale,
    )
    await mailer.send(mail)
    async with db.tenant(tenant_id) as tx:
        await store.mark_invitation_mailed(tx, invitation_id)


@jobs.periodic(cron="23 * * * *")
@jobs.task(name="forget_attempts", queue=PROMPT, queueing_lock="forget_attempts", pass_context=True)
async def forget_attempts(context: JobContext, timestamp: int) -> None:
    """Forget the counts that no window has any more."""
    async with services_of(context).db.user(None) as tx:
        await store.forget_attempts(tx)


def _locale(value: str) -> Locale:
    return "en" if value == "en" else "fr"
