"""What is done to people and hours: said anew as a whole, and read."""

from __future__ import annotations

from collections.abc import Sequence

from coccinelle.appointments import store
from coccinelle.appointments.model import (
    Closure,
    NewMember,
    Opening,
    Schedule,
    checked_closures,
    checked_hours,
    checked_members,
)
from coccinelle.foundation.database import TenantTx


async def save_staff(tx: TenantTx, members: Sequence[NewMember]) -> None:
    """Let these people, in this order, be those who take appointments. Who was known by name stays.

    Raises:
        Invalid: two have one name.
    """
    wanted = checked_members(members)
    await store.delete_members_but(tx, [member.name for member in wanted])
    await store.save_members(tx, wanted)


async def save_schedule(
    tx: TenantTx,
    *,
    hours: Sequence[Opening],
    closures: Sequence[Closure] | None,
    closes_on_public_holidays: bool | None,
) -> None:
    """Let this be the week, and these the closures (None: those that are known stay).

    Raises:
        Invalid: ranges overlap, or a closure ends before it starts.
    """
    await store.replace_hours(tx, checked_hours(hours))
    if closures is not None:
        await store.replace_closures(tx, checked_closures(closures))
    await store.close_on_public_holidays(tx, closes_on_public_holidays)


async def schedule(tx: TenantTx) -> Schedule:
    """When the business is open."""
    return Schedule(
        tuple(await store.hours(tx)),
        tuple(await store.closures(tx)),
        await store.closes_on_public_holidays(tx),
    )
