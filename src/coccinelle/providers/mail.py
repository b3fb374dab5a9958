"""Mail to people of the business: a port, by SMTP or to the log."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal, Protocol

import structlog

from coccinelle.foundation.errors import Unavailable

log = structlog.get_logger(__name__)


class MailNotSent(Unavailable):
    """The mail server did not take it; trying later may help."""

    default_code = "mail_not_sent"


@dataclass(frozen=True)
class Mail:
    """One mail in plain text."""

    to: str
    subject: str
    text: str
    reply_to: str | None = None


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, mail: Mail) -> bool:
        """Whether it was handed to a mail server; False: none is configured, and that is logged.

        Raises:
            MailNotSent: the server refused it or could not be reached.
        """
        ...


class LogMailer:
    """Used when no mail server is configured: it only says so."""

    async def send(self, mail: Mail) -> bool:
        """See `Mailer`; always False."""
        log.warning("mail_not_configured", pii={"to": mail.to, "subject": mail.subject})
        return False


@dataclass(frozen=True)
class Smtp:
    """A mail server.

    Args:
        security: `starttls` (port 587), `tls` from the first byte (465), `none` on a trusted host.
        sender: the address in From, such as `Coccinelle <bonjour@example.com>`.
        timeout_seconds: for the connection and for each of the server's answers.
        total_seconds: how long a caller waits in all.
    """

    host: str
    sender: str
    port: int = 587
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Literal["starttls", "tls", "none"] = "starttls"
    timeout_seconds: float = 10.0
    total_seconds: float = 30.0


class SmtpMailer:
    """Sends by SMTP, one mail a connection, in two threads of its own."""

    def __init__(self, smtp: Smtp) -> None:
        self._smtp = smtp
        self._threads = ThreadPoolExecutor(2, "mail")

    async def send(self, mail: Mail) -> bool:
        """See `Mailer`; always True."""
        message = _message(self._smtp.sender, mail)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._smtp.total_seconds):
                await loop.run_in_executor(self._threads, self._deliver, message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent from error
        return True

    def close(self) -> None:
        """End the threads, after the mail they are sending."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, message: EmailMessage) -> None:
        server = self._connect()
        try:
            if self._smtp.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._smtp.username is not None:
                server.login(self._smtp.username, self._smtp.password or "")
            server.send_message(message)
        finally:
            # The mail was taken or refused before this: how the server says goodbye is nothing.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()

    def _connect(self) -> smtplib.SMTP:
        smtp = self._smtp
        if smtp.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(
                smtp.host, smtp.port, timeout=smtp.timeout_seconds, context=context
            )
        return smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_seconds)


def _message(sender: str, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = _one_line(mail.to)
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> ") or None)
    message["Auto-Submitted"] = "auto-generated"
    if mail.reply_to is not None:
        message["Reply-To"] = _one_line(mail.reply_to)
    message.set_content(mail.text)
    return message


def _one_line(value: str) -> str:
    """A header's value cannot hold a line break: a customer's words must not become a header."""
    return " ".join(value.split())
