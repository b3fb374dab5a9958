"""Rows of the widget's settings, and what its panel shows first."""

from __future__ import annotations

from collections.abc import Mapping

from coccinelle.channels.widget.model import Shopfront, Spokesperson, Value, WidgetSettings
from coccinelle.foundation.database import TenantTx


async def settings(tx: TenantTx) -> WidgetSettings | None:
    """What the tenant chose; None when it never did."""
    return await tx.maybe(
        WidgetSettings,
        "SELECT color, position, greeting_fr, greeting_en, reply_within_minutes"
        " FROM widget_settings WHERE tenant_id = %s",
        [tx.tenant_id],
    )


async def save_settings(tx: TenantTx, changes: Mapping[str, Value]) -> None:
    """`changes` are columns of ours and their new values; the others stay."""
    columns = ", ".join(changes)
    values = ", ".join(f"%({column})s" for column in changes)
    changed = ", ".join(f"{column} = excluded.{column}" for column in changes)
    await tx.run(
        f"INSERT INTO widget_settings (tenant_id, {columns}) VALUES (%(tenant)s, {values})"
        f" ON CONFLICT (tenant_id) DO UPDATE SET {changed}, updated_at = now()",
        {**changes, "tenant": tx.tenant_id},
    )


async def shopfront(tx: TenantTx) -> Shopfront | None:
    """The tenant, its settings and its first live agent; None when there is no such tenant."""
    found = await tx.records(
        "SELECT t.company_name, t.locale, t.website, t.offer_url, w.color, w.position,"
        " w.greeting_fr, w.greeting_en, w.reply_within_minutes, a.key, a.name, a.greeting,"
        " a.language"
        " FROM tenants t LEFT JOIN widget_settings w ON w.tenant_id = t.id"
        " LEFT JOIN LATERAL (SELECT agents.key, v.name, v.greeting, v.language"
        "   FROM agents JOIN agent_versions v"
        "   ON v.tenant_id = agents.tenant_id AND v.id = agents.live_version_id"
        "   WHERE agents.tenant_id = t.id ORDER BY agents.position, agents.key LIMIT 1) a ON true"
        " WHERE t.id = %s",
        [tx.tenant_id],
    )
    if not found:
        return None
    row = found[0]
    fields = ("color", "position", "greeting_fr", "greeting_en", "reply_within_minutes")
    agent = Spokesperson(row["key"], row["name"], row["greeting"], row["language"])
    return Shopfront(
        company_name=row["company_name"],
        locale=row["locale"],
        website=row["website"],
        offer_url=row["offer_url"],
        settings=WidgetSettings(**{field: row[field] for field in fields}),
        agent=agent if row["key"] else None,
    )
