"""`coccinelle chat`: a conversation in the terminal, with who answers, from what, and how fast."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import explained, note, plain, refusal, say

if TYPE_CHECKING:
    from coccinelle.engine.model import Inbound, TurnEvent, TurnResult
    from coccinelle.foundation.database import Database
    from coccinelle.foundation.ids import TenantId
    from coccinelle.house import House


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        help=say(
            "Parler à l'assistant dans le terminal, ou lui donner une question par ligne.",
            "Talk to the assistant in the terminal, or give it one question a line.",
        )
    )(chat)


def chat(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    agent: Annotated[
        str | None, typer.Option(help=say("Toujours cet agent.", "Always this agent."))
    ] = None,
) -> None:
    """Ends with Ctrl-D, or with the last line of what was piped in."""

    async def work(house: House) -> int:
        found = await ground.chosen(house.db, tenant)
        await _check_agents(house.db, found.id, agent)
        if sys.stdin.isatty():
            note(
                say(
                    f"{found.company_name} vous écoute. Ctrl-D pour finir.",
                    f"{found.company_name} is listening. Ctrl-D to end.",
                )
            )
        return await _Talk(house, found.id, agent).run()

    if ground.with_house(work):
        raise typer.Exit(1)


async def _check_agents(db: Database, tenant_id: TenantId, key: str | None) -> None:
    """That somebody can answer. Raises `NotFound` or `Refused`."""
    from coccinelle.agents import store
    from coccinelle.foundation.errors import NotFound

    async with db.tenant(tenant_id) as tx:
        keys = [agent.key for agent in await store.live_agents(tx)]
    if not keys:
        raise NotFound("no_agent")
    if key is not None and key not in keys:
        names = ", ".join(keys)
        raise refusal(
            f"Il n'y a pas d'agent « {key} ». Il y a : {names}.",
            f"There is no agent “{key}”. There are: {names}.",
        )


class _Talk:
    """One conversation of this terminal."""

    def __init__(self, house: House, tenant_id: TenantId, agent_key: str | None) -> None:
        self._house = house
        self._tenant_id = tenant_id
        self._agent_key = agent_key
        self._conversation_id = f"cli-{uuid4()}"

    async def run(self) -> int:
        """How many messages got no answer."""
        failed = 0
        while (text := await _read()) is not None:
            if text.strip():
                failed += not await self._ask(text.strip())
        return failed

    async def _ask(self, text: str) -> bool:
        import asyncio

        from coccinelle.foundation.errors import CoccinelleError, TooMany

        if len(text) > self._house.settings.message_chars:
            most = self._house.settings.message_chars
            note(say(f"Au plus {most} caractères.", f"At most {most} characters."))
            return False
        try:
            return await self._answer(self._inbound(text))
        except TooMany as error:
            wait = error.retry_after_seconds
            note(f"{explained(error)} " + say(f"Reprise dans {wait} s.", f"Going on in {wait} s."))
            await asyncio.sleep(wait)
            return await self._ask(text)
        except CoccinelleError as error:
            note(str(explained(error)))
            return False

    def _inbound(self, text: str) -> Inbound:
        from coccinelle.engine.model import Inbound

        return Inbound(
            tenant_id=self._tenant_id,
            channel="cli",
            user_id=self._conversation_id,
            conversation_id=self._conversation_id,
            text=text,
            agent_key=self._agent_key,
        )

    async def _answer(self, inbound: Inbound) -> bool:
        from coccinelle.engine.model import TurnFailed

        live = await self._house.engine.start(inbound)
        async for _, event in live.events():
            _show(event)
            if isinstance(event, TurnFailed):
                note(str(explained(event.error)))
                return False
        return True


async def _read() -> str | None:
    """The next message; None at the end.

    It is waited for in a thread that nothing waits for, so that Ctrl-C ends us before Enter does.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def heard(said: str | None) -> None:
        if not line.done():
            line.set_result(said)

    def read() -> None:
        said = _line()
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody listens any more.
            loop.call_soon_threadsafe(heard, said)

    if sys.stdin.isatty():
        _out("\n> ")
    threading.Thread(target=read, daemon=True).start()
    return await line


def _line() -> str | None:
    """A line of standard input, without a lock that the end of the process would wait for."""
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        said = stdin.readline()
    return said.decode(errors="replace") if said else None


def _show(event: TurnEvent) -> None:
    from coccinelle.engine.model import AgentSelected, TextDelta, TextReset, TurnFinished

    if isinstance(event, AgentSelected):
        _out(f"\n{event.name or event.agent} ({event.confidence:.2f}) · {plain(event.reason)}\n\n")
    elif isinstance(event, TextDelta):
        _out(plain(event.text))
    elif isinstance(event, TextReset):
        _out(say("\n[un autre modèle reprend]\n", "\n[another model starts again]\n"))
    elif isinstance(event, TurnFinished):
        _out(f"{plain(event.result.notice)}\n\n{_footer(event.result)}\n")


def _footer(result: TurnResult) -> str:
    lines = [f"  [{n}] {_source(s.title, s.url)}" for n, s in enumerate(result.sources, start=1)]
    steps = ", ".join(f"{step.step} {step.duration_ms} ms" for step in result.steps)
    first = "-" if result.first_text_ms is None else f"{result.first_text_ms} ms"
    cost = f"{result.cost_microeur / 1_000_000:.6f} €"
    lines.append(
        f"  {say('premier texte', 'first text')} {first}, {say('en tout', 'in all')}"
        f" {result.latency_ms} ms ({steps}) · {result.model or say('sans modèle', 'no model')}"
        f" · {cost} · {result.outcome}"
    )
    return "\n".join(lines)


def _source(title: str, url: str | None) -> str:
    return plain(f"{title} — {url}" if url else title)


def _out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
