"""What commands say: in one of two languages, on the right stream, with the right exit code."""

from __future__ import annotations

import os
import sys

from coccinelle.foundation.i18n import Locale, sentence

FAILED = 1
MISUSED = 2


def locale() -> Locale:
    """English where the environment asks for it (as POSIX orders its variables), else French."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "en" if value.lower().startswith("en") else "fr"
    return "fr"


def say(fr: str, en: str) -> str:
    """The one of two sentences that this user reads."""
    return en if locale() == "en" else fr


def counted(count: int, *, fr: tuple[str, str], en: tuple[str, str]) -> str:
    """`count` things, by the word for one or for several; French has none in the singular."""
    one, several = en if locale() == "en" else fr
    is_one = count == 1 or (count == 0 and locale() == "fr")
    return f"{count} {one if is_one else several}"


class Refused(Exception):
    """A command that ends here: its text is one sentence for the user."""

    def __init__(self, said: str, exit_code: int = MISUSED) -> None:
        super().__init__(said)
        self.exit_code = exit_code


def refusal(fr: str, en: str, *, exit_code: int = MISUSED) -> Refused:
    """What to raise to end the command with this sentence."""
    return Refused(say(fr, en), exit_code)


def note(text: str) -> None:
    """Tell the user, beside what the command prints."""
    print(text, file=sys.stderr, flush=True)


def explained(error: BaseException) -> Refused | None:
    """The sentence for an error that can be expected; None for one that is a defect of ours."""
    from psycopg import OperationalError

    from coccinelle.foundation.embedded_place import EmbeddedPostgresError
    from coccinelle.foundation.errors import CoccinelleError, Invalid
    from coccinelle.foundation.migrate import MigrationError
    from coccinelle.foundation.settings import SettingsError

    if isinstance(error, Refused):
        return error
    if isinstance(error, SettingsError):
        return Refused(say(f"Réglage refusé : {error}", f"Setting refused: {error}"))
    if isinstance(error, EmbeddedPostgresError | MigrationError):
        return Refused(say(f"Base de données : {error}", f"Database: {error}"))
    if isinstance(error, OperationalError):
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        return Refused(
            say(
                f"La base de données ne répond pas : {reason}",
                f"The database does not answer: {reason}",
            )
        )
    if isinstance(error, CoccinelleError):
        said = sentence(error.code, locale(), **error.values)
        if isinstance(error, Invalid):
            details = [sentence(e.code, locale(), **dict(e.values)) for e in error.errors]
            return Refused(" ".join(dict.fromkeys([said, *details])), MISUSED)
        return Refused(said, FAILED)
    return None


def plain(text: str) -> str:
    """`text` for a terminal: what a customer wrote cannot move the cursor nor colour the screen."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
