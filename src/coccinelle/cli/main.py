"""The `coccinelle` command: its subcommands, and what an error looks like."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

import coccinelle
from coccinelle.cli import (
    accounts,
    agents,
    chat,
    demo,
    evaluate,
    handoffs,
    keys,
    knowledge,
    onboarding,
    operate,
    serve,
    sources,
    tenants,
    widget,
)
from coccinelle.cli.words import explained, note, say

app = typer.Typer(
    name="coccinelle",
    help=say(
        "Un assistant pour les clients d'une petite entreprise, qui répond avec ce qu'elle sait.",
        "An assistant for a small business's customers, which answers from what it knows.",
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(
        False, "--version", help=say("Afficher la version.", "Show the version.")
    ),
) -> None:
    if version:
        typer.echo(coccinelle.__version__)
        raise typer.Exit


serve.register(app)
operate.register(app)
tenants.register(app)
agents.register(app)
keys.register(app)
widget.register(app)
knowledge.register(app)
sources.register(app)
chat.register(app)
evaluate.register(app)
handoffs.register(app)
accounts.register(app)
onboarding.register(app)
demo.register(app)


def main() -> NoReturn:
    """Run the command of this process's arguments, and exit: 0 done, 1 failed, 2 asked wrongly.

    An error that can be expected is one sentence on stderr; any other is a defect, and raises.
    """
    try:
        app(prog_name="coccinelle")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone, and with them the point of an error
        sys.exit(141)
    except Exception as error:
        refused = explained(error)
        if refused is None:
            raise
        note(str(refused))
        sys.exit(refused.exit_code)
    sys.exit(0)


if __name__ == "__main__":
    main()
