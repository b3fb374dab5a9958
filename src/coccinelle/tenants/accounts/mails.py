"""Links by which somebody proves that a mailbox is hers, and the mails that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from coccinelle.foundation.i18n import Locale, text
from coccinelle.providers.mail import Mail

RESET_PATH = "/reset"
INVITATION_PATH = "/invitation"

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Links:
    """Where links lead, and whether a mail can carry them.

    Args:
        public_url: the address of this installation, as people type it.
        has_mail: whether a mail server is configured.
    """

    public_url: str | None = None
    has_mail: bool = False

    def base(self, own_origin: str) -> str:
        """What the links of mails begin with; nothing when nobody said it.

        The Host header of a request is anybody's to write, and a mail goes to somebody else.
        """
        return "" if self.has_mail and self.public_url is None else self.home(own_origin)

    def home(self, own_origin: str) -> str:
        """Where the sender of a request finds us; nothing when nobody said it.

        Her own address is believed on the machine itself only.
        """
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        return own_origin if is_local(own_origin) else ""


def is_local(origin: str) -> bool:
    """Whether an origin is of the machine on which it is opened."""
    host = urlsplit(origin).hostname or ""
    return host in _LOCAL or host.endswith(".localhost")


def reset_link(base_url: str, token: str) -> str:
    """Where a new password is chosen."""
    return f"{base_url}{RESET_PATH}?token={token}"


def invitation_link(base_url: str, token: str) -> str:
    """Where an invitation is accepted."""
    return f"{base_url}{INVITATION_PATH}?token={token}"


def reset_mail(*, to: str, name: str, link: str, minutes: int, locale: Locale) -> Mail:
    """To somebody who has forgotten her password."""
    said = text("mail_reset", locale, person=name, link=link, minutes=minutes)
    return Mail(to=to, subject=text("mail_reset_subject", locale), text=said)


def invitation_mail(
    *, to: str, company: str, inviter: str | None, link: str, days: int, locale: Locale
) -> Mail:
    """To somebody who is asked to join a business."""
    who = inviter or company
    said = text("mail_invitation", locale, inviter=who, company=company, link=link, days=days)
    return Mail(to=to, subject=text("mail_invitation_subject", locale, company=company), text=said)
