"""`python -m benchmarks [chat start search …]`: measure, and write RESULTS.md."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

from benchmarks import results
from benchmarks.results import Section


def _chat() -> Sequence[Section]:
    from benchmarks import chat  # noqa: PLC0415

    return chat.run()


def _start() -> Sequence[Section]:
    from benchmarks import start  # noqa: PLC0415

    return start.run()


def _search() -> Sequence[Section]:
    from benchmarks import others  # noqa: PLC0415

    return others.search()


def _ingestion() -> Sequence[Section]:
    from benchmarks import others  # noqa: PLC0415

    return others.ingestion()


def _growth() -> Sequence[Section]:
    from benchmarks import growth  # noqa: PLC0415

    return growth.run()


def _widget() -> Sequence[Section]:
    from benchmarks import widget  # noqa: PLC0415

    return widget.run()


def _onboarding() -> Sequence[Section]:
    from benchmarks import onboarding  # noqa: PLC0415

    return onboarding.run()


def _dashboard() -> Sequence[Section]:
    from benchmarks import dashboard  # noqa: PLC0415

    return dashboard.run()


def _large() -> Sequence[Section]:
    from benchmarks import growth, others  # noqa: PLC0415

    return [*growth.run(large=True), *others.search(large=True)]


BENCHMARKS: dict[str, Callable[[], Sequence[Section]]] = {
    "chat": _chat,
    "start": _start,
    "search": _search,
    "ingestion": _ingestion,
    "growth": _growth,
    "widget": _widget,
    "onboarding": _onboarding,
    "dashboard": _dashboard,
    "large": _large,
}
BY_DEFAULT = ("start", "chat", "search", "ingestion", "widget", "onboarding", "dashboard")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what performance is promised for, and write benchmarks/RESULTS.md.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(BENCHMARKS)}; default: {', '.join(BY_DEFAULT)}",
    )
    names = parser.parse_args().names or BY_DEFAULT
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    for name in names:
        _measure(name)


def _measure(name: str) -> None:
    """Run one, and keep its figures even if the next one fails."""
    print(f"{name} …", flush=True)
    began = time.perf_counter()
    sections = [results.section(found) for found in BENCHMARKS[name]()]
    results.write(sections)
    print("\n\n".join(sections))
    print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
