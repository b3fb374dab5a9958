"""Where a page stands among the others: its section, and its tab in it."""

from __future__ import annotations

from dataclasses import dataclass

HOME = "/dashboard"
# The addresses under which each section's pages are; at the home there is one page only.
SECTIONS = {
    "activity": (HOME, "/dashboard/insights"),
    "assistant": (
        "/dashboard/agents",
        "/dashboard/knowledge",
        "/dashboard/knowledge/search",
        "/dashboard/knowledge/questions",
        "/onboarding",
    ),
    "customers": ("/dashboard/inbox", "/dashboard/conversations"),
    "settings": ("/dashboard/settings",),
}


@dataclass(frozen=True)
class Place:
    """A section of the navigation and the address of its nearest tab; both empty elsewhere."""

    section: str = ""
    tab: str = ""


def place_of(path: str) -> Place:
    """Where the page at `path` stands: under the longest address that it is at or below."""
    found = [
        Place(section, tab)
        for section, tabs in SECTIONS.items()
        for tab in tabs
        if path == tab or (tab != HOME and path.startswith(f"{tab}/"))
    ]
    return max(found, key=lambda place: len(place.tab), default=Place())
