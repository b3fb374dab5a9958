"""What axe finds wrong with a page."""

from __future__ import annotations

from collections.abc import Sequence

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE = ("serious", "critical")
# What fades in has not its own colours yet; what never ends, such as waiting dots, is left alone.
AT_REST = """async () => {
  const roots = [document];
  for (const root of roots) {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
    }
  }
  const moving = roots.flatMap((root) => root.getAnimations());
  const ending = moving.filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
  await Promise.allSettled(ending.map((one) => one.finished));
}"""


async def findings(page: Page, *impacts: str) -> list[str]:
    """Findings of an impact among `impacts` (serious and critical ones, unless told), described.

    axe looks into open shadow roots, too, when all that moves has come to its end. What begins to
    move while it looks is looked at again: a fault is there the second time.
    """
    found = await _looked_at(page, impacts or GRAVE)
    return found and await _looked_at(page, impacts or GRAVE)


async def _looked_at(page: Page, impacts: Sequence[str]) -> list[str]:
    await page.evaluate(AT_REST)
    results = await Axe().run(page)
    return [
        f"{found['impact']} {found['id']}: {found['help']} at {_targets(found['nodes'])}"
        for found in results.response["violations"]
        if found["impact"] in impacts
    ]


def _targets(nodes: list[dict[str, object]]) -> str:
    return "; ".join(f"{node['target']} {node['failureSummary']}" for node in nodes)
