"""What can go wrong, grouped by what the caller can do about it.

An error carries a stable `code` and the values of its sentence; the sentences themselves are in
`foundation/i18n.py`, in French and English, under that code. Which HTTP status an error has is
known to `foundation/problems.py` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class CoccinelleError(Exception):
    """Base of every error that a caller is meant to see.

    Args:
        code: stable name for programs, and the key of the sentence in `i18n`.
        values: what the sentence mentions. Never a secret, nor the input itself.

    `members` are what a program is told beside the code.
    """

    default_code = "internal"
    members: Mapping[str, object] = MappingProxyType({})

    def __init__(self, code: str = "", **values: object) -> None:
        self.code = code or self.default_code
        self.values = values
        super().__init__(self.code)


@dataclass(frozen=True)
class FieldError:
    """A field of a request that cannot be accepted, a stable code, the sentence's values."""

    field: str
    code: str
    values: tuple[tuple[str, object], ...] = ()


class Invalid(CoccinelleError):
    """The input is wrong; changing it helps."""

    default_code = "invalid"

    def __init__(self, code: str = "", errors: tuple[FieldError, ...] = (), **values: object):
        super().__init__(code, **values)
        self.errors = errors


class Unauthenticated(CoccinelleError):
    """Nothing in the request says which tenant or user it is for."""

    default_code = "unauthenticated"


class Forbidden(CoccinelleError):
    """We know who asks, and the answer is no."""

    default_code = "forbidden"


class NotFound(CoccinelleError):
    """There is no such object, or it is somebody else's."""

    default_code = "not_found"


class Conflict(CoccinelleError):
    """The state of things does not allow it now."""

    default_code = "conflict"

    def __init__(self, code: str = "", retry_after_seconds: int | None = None, **values: object):
        super().__init__(code, **values)
        self.retry_after_seconds = retry_after_seconds


class TooLarge(CoccinelleError):
    """More bytes than are accepted here."""

    default_code = "too_large"


class TooMany(CoccinelleError):
    """Asked too often; waiting helps."""

    default_code = "rate_limited"

    def __init__(self, code: str = "", *, retry_after_seconds: int, **values: object):
        super().__init__(code, **values)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(CoccinelleError):
    """Something that we need is down; waiting helps."""

    default_code = "unavailable"

    def __init__(self, code: str = "", *, retry_after_seconds: int = 5, **values: object):
        super().__init__(code, **values)
        self.retry_after_seconds = retry_after_seconds
