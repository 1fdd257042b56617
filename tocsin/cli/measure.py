"""`tocsin bench`: speed and size on this machine, the figures of docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.errors import PluginError

commands = typer.Typer(help="Measure Tocsin on this machine.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="bench")


@commands.command()
def detect(
    events: Annotated[Path, typer.Argument(help="A folder with archives of Windows events.")],
    rules: Annotated[Path, typer.Option(help="A folder of Sigma rules.")],
    most: Annotated[int, typer.Option(help="At most so many events.")] = 100_000,
) -> None:
    """The matcher: events a second a core, warm, cold, and with half of the command lines never seen."""
    from tocsin.bench import detect as bench

    bench.run(events, rules, most=most)


@commands.command()
def ingest(
    events: Annotated[list[Path], typer.Argument(help="Files of NDJSON, archives of it, or folders.")],
    seconds: Annotated[float, typer.Option(help="How long events are sent.")] = 30.0,
    workers: Annotated[int, typer.Option(help="Processes that normalise and match.")] = 1,
    rate: Annotated[float, typer.Option(help="Events a second; as fast as they are taken without.")] = 0.0,
) -> None:
    """End to end through `_bulk`: durable, searchable, all shipped rules; microseconds by stage, peak memory."""
    try:
        from tocsin.bench import ingest as bench
    except ImportError as error:
        raise PluginError(str(error)) from error
    bench.run(events=events, seconds=seconds, workers=workers, rate=rate)
