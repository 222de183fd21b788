"""`rag-app`: results on stdout, all else on stderr; exit code 0 done, 1 failed, 2 wrong use, 130 interrupted."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from rag_app.cli.frame import Call, Group
from rag_app.errors import RagAppError

COMMANDS = {
    "ingest": "rag_app.cli.ingest:ingest",
    "ask": "rag_app.cli.ask:ask",
    "chat": "rag_app.cli.chat:chat",
    "serve": "rag_app.cli.serve:serve",
    "search": "rag_app.cli.search:search",
    "describe": "rag_app.cli.describe:describe",
    "retry": "rag_app.cli.describe:retry",
    "caption": "rag_app.cli.caption:caption",
    "status": "rag_app.cli.library:status",
    "remove": "rag_app.cli.library:remove",
    "repair": "rag_app.cli.library:repair",
    "check": "rag_app.cli.library:check",
    "backup": "rag_app.cli.library:backup",
    "vacuum": "rag_app.cli.library:vacuum",
    "export": "rag_app.cli.exchange:export",
    "import": "rag_app.cli.exchange:import_",
    "doctor": "rag_app.cli.doctor:doctor",
    "models": "rag_app.cli.models:models",
    "medical": "rag_app.cli.medical:medical",
    "eval": "rag_app.cli.evaluation:evaluation",
}


@click.group(
    name="rag-app",
    cls=Group,
    members=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: rag-app ingest papers/ ; then rag-app ask 'Which data was used?' --html answer.html",
)
@click.version_option(package_name="rag-app", message="rag-app %(version)s")
def cli() -> None:
    """Ask your own scientific papers questions, on your own machine.

    Answers come from the papers' text, tables, formulas and figures, each cited to its page and box.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. `arguments` without the program's name, default sys.argv's."""
    call = Call(words=tuple(sys.argv[1:] if arguments is None else arguments))
    try:
        code = cli.main(arguments, prog_name="rag-app", obj=call, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message(), err=True)
        return 2
    except click.ClickException as exc:
        return _failed(call, exc.format_message(), 2, ctx=getattr(exc, "ctx", None))
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"\n{call.interrupted}", err=True)
        return 130
    except RagAppError as exc:
        return _failed(call, str(exc), exc.exit_code)
    except Exception as exc:  # the last stop: anything else is a defect of this program, said in one sentence
        what = " ".join(f"{type(exc).__name__}: {exc}".split())
        return _failed(call, f"Unexpected {what}. This is a defect; add --debug to see where.", 1)
    return code if isinstance(code, int) else 0


def _failed(call: Call, message: str, code: int, *, ctx: click.Context | None = None) -> int:
    if call.debug:
        traceback.print_exc()
    from rag_app.render.terminal import printable  # here, so that --help does not wait for it

    click.echo(f"Error: {printable(message)}", err=True)  # it may quote a file's name or what a paper says
    if ctx is not None:
        click.echo(f"Help: {ctx.command_path} --help", err=True)
    return code


def main() -> NoReturn:
    """The console script. Output is UTF-8 whatever the locale says; what cannot be encoded is shown as "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(run())
