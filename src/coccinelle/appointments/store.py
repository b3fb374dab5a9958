"""Rows of staff, opening hours and closures."""

from __future__ import annotations

from collections.abc import Sequence

from coccinelle.appointments.model import Closure, NewMember, Opening, StaffMember
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import uuid7


async def delete_members_but(tx: TenantTx, names: Sequence[str]) -> None:
    await tx.run(
        "DELETE FROM staff WHERE tenant_id = %s AND name <> ALL (%s)", [tx.tenant_id, list(names)]
    )


async def save_members(tx: TenantTx, members: Sequence[NewMember]) -> None:
    """New ones are added, known ones (by name) are changed."""
    await tx.run(
        "INSERT INTO staff (id, tenant_id, name, email, phone, position)"
        " SELECT m.id, %s, m.name, m.email, m.phone, m.place - 1 FROM unnest(%s::uuid[],"
        " %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS m (id, name, email, phone, place)"
        " ON CONFLICT (tenant_id, name) DO UPDATE"
        " SET email = excluded.email, phone = excluded.phone, position = excluded.position",
        [tx.tenant_id, [uuid7() for _ in members], [m.name for m in members]]
        + [[m.email for m in members], [m.phone for m in members]],
    )


async def members(tx: TenantTx) -> list[StaffMember]:
    return await tx.all(
        StaffMember,
        "SELECT id, name, email, phone FROM staff WHERE tenant_id = %s ORDER BY position, name",
        [tx.tenant_id],
    )


async def replace_hours(tx: TenantTx, hours: Sequence[Opening]) -> None:
    await tx.run("DELETE FROM opening_hours WHERE tenant_id = %s", [tx.tenant_id])
    await tx.run(
        "INSERT INTO opening_hours (tenant_id, weekday, opens, closes)"
        " SELECT %s, * FROM unnest(%s::smallint[], %s::time[], %s::time[])",
        [tx.tenant_id, [o.weekday for o in hours]]
        + [[o.opens for o in hours], [o.closes for o in hours]],
    )


async def replace_closures(tx: TenantTx, closures: Sequence[Closure]) -> None:
    await tx.run("DELETE FROM closures WHERE tenant_id = %s", [tx.tenant_id])
    await tx.run(
        "INSERT INTO closures (tenant_id, starts_on, ends_on, reason)"
        " SELECT %s, * FROM unnest(%s::date[], %s::date[], %s::text[])",
        [tx.tenant_id, [c.starts_on for c in closures]]
        + [[c.ends_on for c in closures], [c.reason for c in closures]],
    )


async def close_on_public_holidays(tx: TenantTx, closes: bool | None) -> None:
    await tx.run(
        "UPDATE tenants SET closes_on_public_holidays = %s WHERE id = %s", [closes, tx.tenant_id]
    )


async def hours(tx: TenantTx) -> list[Opening]:
    return await tx.all(
        Opening,
        "SELECT weekday, opens, closes FROM opening_hours WHERE tenant_id = %s"
        " ORDER BY weekday, opens",
        [tx.tenant_id],
    )


async def closures(tx: TenantTx) -> list[Closure]:
    return await tx.all(
        Closure,
        "SELECT starts_on, ends_on, reason FROM closures WHERE tenant_id = %s ORDER BY starts_on",
        [tx.tenant_id],
    )


async def closes_on_public_holidays(tx: TenantTx) -> bool | None:
    found: bool | None = await tx.value(
        "SELECT closes_on_public_holidays FROM tenants WHERE id = %s", [tx.tenant_id]
    )
    return found
