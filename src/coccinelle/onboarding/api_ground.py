"""What the routes of onboarding have in common: who asks, in which language, what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Request

from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.foundation.problems import documented
from coccinelle.onboarding.api_model import AN_ID
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]
SessionInPath = Annotated[UUID, Path(description="The session.", examples=[AN_ID])]

_PROBLEMS = {
    401: "The request brings no session of somebody who is logged in (`session_required`).",
    403: "She is no admin of the business (`role_missing`).",
    404: "There is no such onboarding session, or it is another business's"
    " (`onboarding_not_found`); or it has no such exam, question or proposal"
    " (`exam_not_found`, `exam_question_not_found`, `suggestion_not_found`).",
    409: "An earlier step comes first (`step_too_early`), another business has the number"
    " (`number_taken`), steps are missing (`onboarding_incomplete`, with `missing`), or too many"
    " answers are kept (`too_many_exam_answers`).",
    413: "More bytes than are accepted (`too_large`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    429: "Ten exams were held in 24 hours (`too_many_exams`); `Retry-After` says when the next one"
    " may begin.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer; `Retry-After` says when to ask again.",
}


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language"))


Language = Annotated[Locale, Depends(_locale)]


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route may answer, and `statuses`, as RFC 9457 problems."""
    return documented(*sorted({401, 403, 500, 503, *statuses}), said=_PROBLEMS)
