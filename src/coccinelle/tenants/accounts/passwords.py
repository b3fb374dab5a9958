"""Passwords: which are accepted, and how they are kept and checked without keeping others waiting.

Argon2id with the parameters of the OWASP cheat sheet (19 MiB, two passes, one lane), in two threads
of its own: a crowd at the door takes neither the memory nor the processors of the conversations.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import importlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coccinelle.foundation.errors import FieldError, Invalid, Unavailable

MIN_CHARS = 8
MAX_CHARS = 128
MEMORY_KIB = 19 * 1024
THREADS = 2
MAX_WAITING = 64
RETRY_SECONDS = 2

Result = TypeVar("Result")

_TAIL = re.compile(r"[\d\W_]{1,6}$")
# French passwords that lists made from English sites do not have.
_FRENCH = """
motdepasse monmotdepasse bonjour bonsoir coucou azerty azertyui azertyuiop azertyuiopqsdfgh
qsdfghjklm wxcvbn aqwzsxedc doudou doudoune loulou louloute chouchou jetaime jetaimemoi moncoeur
soleil vacances chocolat coccinelle papillon princesse camille marseille entreprise administrateur
bienvenue secretariat restaurant
"""


class Busy(Unavailable):
    """Too many passwords are being checked; waiting a moment helps."""

    default_code = "logins_busy"


def checked(password: str, *, about: Iterable[str] = ()) -> str:
    """A new password in the form in which it is kept (NFKC, as NIST SP 800-63B advises).

    Args:
        about: what everybody knows of its owner: her address, her name, her company.

    Raises:
        Invalid: too short, too long, or among the first that would be tried.
    """
    found = normalised(password)
    if len(found) < MIN_CHARS:
        raise _refused("too_short", min_length=MIN_CHARS)
    if len(found) > MAX_CHARS:
        raise _refused("too_long", max_length=MAX_CHARS)
    if is_common(found, about=about):
        raise _refused("password_common")
    return found


def normalised(password: str) -> str:
    """The one form of a password that keyboards write in several."""
    return unicodedata.normalize("NFKC", password)


def is_common(password: str, *, about: Iterable[str] = ()) -> bool:
    """Whether it is, but for up to six digits or signs at its end, one that many people choose."""
    plain = password.casefold()
    stem = _TAIL.sub("", plain)
    known = {part.casefold() for text in about for part in (text, text.split("@")[0])}
    if len(set(plain)) < 3 or plain in known or stem in known:
        return True
    return plain in _lists() or stem in _lists()


class Passwords:
    """Hashes and checks passwords, a few at a time.

    Args:
        max_waiting: how many may wait for their turn before others are sent away.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self._argon2 = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        self._max_inside = max_waiting + THREADS
        self._inside = 0
        self._nobodys = _impossible_hash(self._argon2)

    async def hash(self, password: str) -> str:
        """What is kept of a password, whatever it is. Raises `Busy`."""
        return await self._run(lambda: self._argon2.hash(normalised(password)))

    async def checked_hash(self, password: str, *, about: Iterable[str]) -> str:
        """What is kept of a new password. Raises `Invalid`, as `checked`, and `Busy`."""
        return await self._run(lambda: self._argon2.hash(checked(password, about=tuple(about))))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether `kept` is of `password`; of nobody (None) it never is, in the same time.

        Raises:
            Busy: too many wait already.
        """
        plain = normalised(password)
        is_right = await self._run(lambda: self._is_of(plain, kept or self._nobodys))
        return is_right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than those of today."""
        return self._argon2.check_needs_rehash(kept)

    def close(self) -> None:
        """End the threads, after what they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_of(self, password: str, kept: str) -> bool:
        try:
            return self._argon2.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._inside >= self._max_inside:
            raise Busy(retry_after_seconds=RETRY_SECONDS)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1


def _impossible_hash(argon2: PasswordHasher) -> str:
    """A hash of no password, which takes as long to check as any other."""
    cost = f"m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
    salt, found = (base64.b64encode(bytes(n)).decode().rstrip("=") for n in (16, argon2.hash_len))
    return f"$argon2id$v=19${cost}${salt}${found}"


@functools.cache
def _lists() -> frozenset[str]:
    """Thirty thousand passwords of leaks. Read at the first need: it takes a tenth of a second."""
    lists = importlib.import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    return frozenset([*lists["passwords"], *_FRENCH.split()])


def _refused(code: str, **values: object) -> Invalid:
    return Invalid(errors=(FieldError("password", code, tuple(values.items())),))
