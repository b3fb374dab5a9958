"""The one way to change opening hours: the rows, and what answers know of them, together.

What customers are told is composed from the rows and kept as a source of its own, in the same
transaction; a job tells it anew when a day has passed that it mentions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from coccinelle.appointments import actions as appointments
from coccinelle.appointments.model import Closure, Opening
from coccinelle.appointments.wording import questions
from coccinelle.foundation.database import TenantTx
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge import store as knowledge_store
from coccinelle.knowledge.model import NewSource, Question, faq_source
from coccinelle.numbers.model import region_of
from coccinelle.tenants import store as tenants
from coccinelle.tenants.model import Tenant

SLOT = "hours"

_TITLES = {"fr": "Horaires d'ouverture", "en": "Opening hours"}


async def save_schedule(
    tx: TenantTx,
    *,
    hours: Sequence[Opening],
    closures: Sequence[Closure] | None,
    closes_on_public_holidays: bool | None,
) -> None:
    """Let this be the week (and, unless None, these the closures), for everybody who asks.

    Raises:
        Invalid: ranges overlap, or a closure ends before it starts.
    """
    await appointments.save_schedule(
        tx,
        hours=hours,
        closures=closures,
        closes_on_public_holidays=closes_on_public_holidays,
    )
    await tell(tx)


async def tell(tx: TenantTx) -> None:
    """Let answers say of the hours what the rows say today. What they say already is not told
    again."""
    tenant = await tenants.tenant(tx)
    source = None if tenant is None else await _composed(tx, tenant)
    if source is None:
        await knowledge.clear(tx, slot=SLOT)
    elif await knowledge_store.content_in_slot(tx, SLOT) != source.content:
        await knowledge.keep(tx, source, slot=SLOT)


async def tell_again(tx: TenantTx) -> None:
    """`tell`, unless the owner deleted what answers knew of the hours, or never said any."""
    if await knowledge_store.content_in_slot(tx, SLOT) is not None:
        await tell(tx)


async def _composed(tx: TenantTx, tenant: Tenant) -> NewSource | None:
    schedule = await appointments.schedule(tx)
    found = questions(
        schedule,
        today=datetime.now(ZoneInfo(tenant.timezone)).date(),
        territory=region_of(tenant.timezone),
        language=tenant.locale,
    )
    if not found:
        return None
    return faq_source([Question(*pair) for pair in found], title=_TITLES[tenant.locale])
