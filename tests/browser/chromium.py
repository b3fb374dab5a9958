"""The browser of the tests: found on the machine, never fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from playwright.async_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no browser: install Debian's chromium, or name one in COCCINELLE_CHROMIUM"
# Every name but loopback's is unknown: no test can reach a network. `plain.test` is loopback
# under a name that browsers do not trust, hence an insecure context.
NAMES_KNOWN = (
    "MAP plain.test 127.0.0.1, MAP * ~NOTFOUND,"
    " EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost"
)
# The last switch of a name counts: what Playwright disables, and the renderer that Chromium starts
# beside each one in case another is needed, which is half of the processes that a test costs.
NOT_WANTED = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "SpareRendererForSitePerProcess",
    "ThirdPartyStoragePartitioning",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(NOT_WANTED)}",
    f"--host-resolver-rules={NAMES_KNOWN}",
]


def found(playwright: Playwright) -> str | None:
    """Path of the browser: the one that is named, the machine's, or Playwright's own."""
    named = os.environ.get("COCCINELLE_CHROMIUM")
    installed = (shutil.which(name) for name in NAMES)
    own = playwright.chromium.executable_path
    candidates = (named, *installed, own if Path(own).exists() else None)
    return next((path for path in candidates if path), None)


async def launch(
    playwright: Playwright, path: str, *, env: Mapping[str, str] | None = None
) -> Browser:
    """The browser at `path`, without a window; `env` is its environment, unless it is ours."""
    return await playwright.chromium.launch(
        executable_path=path, args=FLAGS, env={**env} if env else None
    )
