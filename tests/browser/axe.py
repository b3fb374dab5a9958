"""What axe finds wrong with a page."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE = ("serious", "critical")


async def findings(page: Page, *impacts: str) -> list[str]:
    """Findings of an impact among `impacts` (serious and critical ones, unless told), described.

    axe looks into open shadow roots, too.
    """
    results = await Axe().run(page)
    return [
        f"{found['impact']} {found['id']}: {found['help']} at {_targets(found['nodes'])}"
        for found in results.response["violations"]
        if found["impact"] in (impacts or GRAVE)
    ]


def _targets(nodes: list[dict[str, object]]) -> str:
    return "; ".join(f"{node['target']} {node['failureSummary']}" for node in nodes)
