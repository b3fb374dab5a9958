"""Mail: handed over by SMTP, or said to be unconfigured."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from coccinelle.providers.mail import LogMailer, Mail, MailNotSent, Smtp, SmtpMailer
from tests.scripted_llm import closed_port_url


@dataclass
class MailServer:
    """A mail server that keeps what it takes, as far as smtplib needs one."""

    port: int = 0
    refuses: bool = False
    mails: list[bytes] = field(default_factory=list)

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            refused = self.refuses and verb == b"RCPT"
            writer.write(b"550 no\r\n" if refused else b"250 ok\r\n")
            await writer.drain()
            if verb == b"QUIT":
                break
        writer.close()


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    server = MailServer()
    listening = await asyncio.start_server(server.client, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


def smtp(port: int) -> Smtp:
    return Smtp(
        "127.0.0.1", "Coccinelle <bonjour@example.com>", port, security="none", timeout_seconds=2
    )


async def test_a_mail_is_handed_over(mail_server: MailServer) -> None:
    mailer = SmtpMailer(smtp(mail_server.port))

    assert await mailer.send(Mail("a@example.com", "Une cliente attend", "Élodie demande…"))

    mail = email.message_from_bytes(mail_server.mails[0], policy=email.policy.default)
    assert mail["To"] == "a@example.com"
    assert mail["Subject"] == "Une cliente attend"
    assert "Élodie demande…" in mail.get_content()
    assert mail["Message-ID"].strip("<>").endswith("@example.com")


async def test_a_customers_words_cannot_become_a_header(mail_server: MailServer) -> None:
    mailer = SmtpMailer(smtp(mail_server.port))

    await mailer.send(Mail("a@example.com", "Bonjour\r\nBcc: tous@example.com", "…"))

    assert email.message_from_bytes(mail_server.mails[0])["Bcc"] is None


async def test_a_refusal_is_told(mail_server: MailServer) -> None:
    mail_server.refuses = True

    with pytest.raises(MailNotSent):
        await SmtpMailer(smtp(mail_server.port)).send(Mail("a@example.com", "s", "t"))


async def test_a_server_that_is_not_there_is_told() -> None:
    port = int(closed_port_url().rpartition(":")[2].partition("/")[0])

    with pytest.raises(MailNotSent):
        await SmtpMailer(smtp(port)).send(Mail("a@example.com", "s", "t"))


async def test_mail_without_a_server_is_only_logged() -> None:
    assert not await LogMailer().send(Mail("a@example.com", "s", "t"))
