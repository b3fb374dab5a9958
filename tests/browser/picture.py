"""Draws the README's picture: the demo's pages with a question asked, at a desk and on a phone.

python -m tests.browser.picture docs
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import font_lato
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from tests.browser import chromium
from tests.browser.site import opened
from tests.cli.conftest import Cli, Served

Draw = Callable[[Cli, Served, Browser], Awaitable[bytes]]

MOST_BYTES = 250_000
WHEN = "2026-11-03T14:05:00+01:00"
# Lato, which comes with the tests' packages, so that the picture is the same on any machine.
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>{fonts}</dir><cachedir>{cache}</cachedir>
<match><edit name="family" mode="assign" binding="strong"><string>Lato</string></edit></match>
</fontconfig>"""
FRAME = """<!doctype html><style>
body {{ margin: 0; padding: 48px; display: flex; gap: 44px; align-items: center; width: max-content;
  background: #f3e9ec; }}
img {{ display: block; }}
figure {{ margin: 0; overflow: hidden; box-shadow: 0 18px 44px #2e103033; }}
.desk {{ border-radius: 16px; }} .desk img {{ width: 1200px; }}
.phone {{ border: 10px solid #241726; border-radius: 44px; }} .phone img {{ width: 306px; }}
</style><figure class="desk"><img src="data:image/png;base64,{desk}"></figure>
<figure class="phone"><img src="data:image/png;base64,{phone}"></figure>"""


@dataclass(frozen=True)
class Scene:
    """A demo page on a kind of screen, and what is asked there."""

    host: str
    question: str
    screen: dict[str, Any] = field(default_factory=dict)


DESK = Scene(
    "localhost",
    "Comment automatiser mes emails de bienvenue ?",
    {"viewport": {"width": 1536, "height": 864}},
)
PHONE = Scene(
    "garage.localhost",
    "Combien coûte une vidange diesel pour une berline ?",
    {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
)


async def draw(_: Cli, served: Served, browser: Browser) -> bytes:
    """The picture, as PNG of at most 256 colours."""
    desk, phone = [await _scene(served, browser, scene) for scene in (DESK, PHONE)]
    frame = await browser.new_page(viewport={"width": 2000, "height": 1000})
    await frame.set_content(FRAME.format(desk=encoded(desk), phone=encoded(phone)))
    whole = await frame.locator("body").screenshot()
    return quantised(whole)


async def _scene(served: Served, browser: Browser, scene: Scene) -> bytes:
    context = await browser.new_context(
        locale="fr-FR",
        timezone_id="Europe/Paris",
        reduced_motion="reduce",
        device_scale_factor=2,
        **scene.screen,
    )
    page = await context.new_page()
    await page.clock.set_fixed_time(WHEN)
    await page.goto(f"http://{scene.host}:{served.port}/demo")
    await opened(page)
    await _ask(page, scene.question)
    shown = await page.screenshot()
    await context.close()
    return shown


async def _ask(page: Page, question: str) -> None:
    """Ask, wait for the whole answer, and leave the question in sight above it."""
    field_ = page.get_by_role("dialog").get_by_role("textbox")
    await field_.fill(question)
    await page.keyboard.press("Enter")
    said = page.get_by_role("region", name="Messages")
    await said.get_by_role("button", name="Copier la réponse").wait_for()
    await said.get_by_text(question).first.evaluate("element => element.scrollIntoView()")
    await said.evaluate("element => { element.scrollTop -= 16; }")
    await field_.blur()


def encoded(png: bytes) -> str:
    """As a page may have it in a `data:` address."""
    return base64.b64encode(png).decode("ascii")


def quantised(png: bytes) -> bytes:
    """In 256 colours: those that cover most of it, and the most distinct ones of its details."""
    whole = Image.open(io.BytesIO(png)).convert("RGB")
    common = whole.quantize(176, Image.Quantize.MEDIANCUT).getpalette() or []
    distinct = whole.quantize(80, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(common[: 176 * 3] + distinct[: 80 * 3])
    out = io.BytesIO()
    whole.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


async def _drawn(cli: Cli, served: Served, draws: Mapping[str, Draw]) -> dict[str, bytes]:
    folder = cli.data.parent
    fonts = folder / "fonts.conf"
    lato = Path(font_lato.__file__).parent / "files"
    fonts.write_text(FONTS.format(fonts=lato, cache=folder / "cache"), "utf-8")
    async with async_playwright() as playwright:
        path = chromium.found(playwright)
        if path is None:
            raise SystemExit(chromium.MISSING)
        env = {**os.environ, "FONTCONFIG_FILE": str(fonts)}
        browser = await chromium.launch(playwright, path, env=env)
        drawn = {name: await draw(cli, served, browser) for name, draw in draws.items()}
        await browser.close()
    return drawn


def main(draws: Mapping[str, Draw], about: str | None) -> None:
    """Serve the demo and write what each of `draws` draws of it, named so, into a folder."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as name:
        cli = Cli(Path(name) / "demo")
        with cli.serving("--demo") as served:
            served.until("/health")
            drawn = asyncio.run(_drawn(cli, served, draws))
        cli.forget()
    for name, png in drawn.items():
        if len(png) > MOST_BYTES:
            sys.exit(f"{name}: {len(png)} bytes are too many: {MOST_BYTES} at most")
        (folder / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main({"picture": draw}, __doc__)
