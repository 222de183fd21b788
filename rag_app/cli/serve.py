"""`rag-app serve`."""

from __future__ import annotations

import json
import sys

import click

from rag_app.cli.frame import Call, Command, pass_call, stdout_to_stderr

PORT = 8765


class Serving(Command):
    """A command that says where it is and then works until it is ended; it has no other result."""

    def invoke(self, ctx: click.Context) -> int:
        return click.Command.invoke(self, ctx)


@click.command(
    "serve",
    cls=Serving,
    example="rag-app serve\nrag-app serve --port 0 --library thesis",
    context_settings={"max_content_width": 100},
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Where the page is; 0 takes any port that is free.",
)
@click.option("--open", "browse", is_flag=True, help="Open the page in the browser.")
@pass_call
def serve(call: Call, *, port: int, browse: bool) -> int:
    """Show the library on a web page of this machine: ask, look at cited pages, search figures, add papers.

    Nobody else can reach it: it listens on 127.0.0.1, and its address holds a token that is new each time. Ctrl-C ends
    it; what was read is kept.
    """
    from rag_app.library import Library
    from rag_app.serve.server import serve as run

    def ready(address: str) -> None:
        if call.json:
            click.echo(json.dumps({"url": address, "library": str(call.library)}))
        else:
            click.echo(f"Open {address}\nOnly this machine can. Ctrl-C ends it.")
        sys.stdout.flush()
        if browse:
            import webbrowser

            with stdout_to_stderr():
                webbrowser.open(address)

    with Library.open(call.library) as library:
        run(library, port=port, on_ready=ready)
    click.echo("Ended. What was read is kept.", err=True)
    return 0
