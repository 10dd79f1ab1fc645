"""xopt nas: search for the network, simulate a search on a table, describe a network."""

import typer

from .search import commands as search

app = typer.Typer(no_args_is_help=True, help="Architecture search on measured quality and latency.")


@app.callback()
def _nas() -> None:
    """Architecture search on measured quality and latency."""


app.add_typer(search.app)
