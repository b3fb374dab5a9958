"""What is done to a widget: its business says how it looks, greets and promises."""

from __future__ import annotations

from coccinelle.channels.widget import store
from coccinelle.channels.widget.model import WidgetSettings, checked
from coccinelle.foundation.database import TenantTx


async def change(tx: TenantTx, **changes: str) -> WidgetSettings:
    """Change what is given, and say what is chosen now; a blank value is left to us again.

    Widgets know within five minutes: their pages keep the configuration for that long.

    Args:
        changes: fields of `WidgetSettings`, as an owner types them.

    Raises:
        Invalid: what cannot be a colour, a side, a greeting or a delay; nothing is changed.
    """
    values = checked(changes)
    if values:
        await store.save_settings(tx, values)
    return await store.settings(tx) or WidgetSettings()
