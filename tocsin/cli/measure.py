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
    beside: Annotated[
        Path | None, typer.Option(help="RSigma's program: files to matches, beside it, in place of the matcher alone.")
    ] = None,
) -> None:
    """The matcher: events a second a core, warm, cold, and with half of the command lines never seen."""
    from tocsin.bench import detect as bench
    from tocsin.bench import rsigma

    if beside is not None:
        rsigma.run([events], rules, beside, most=most)
    else:
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


@commands.command()
def store(
    events: Annotated[list[Path], typer.Argument(help="Files of NDJSON, archives of it, or folders.")],
    number: Annotated[int, typer.Option(help="So many events, made of those of the files.")] = 1_000_000,
    data: Annotated[Path | None, typer.Option(help="Keep the store in this folder.")] = None,
    originals: Annotated[bool, typer.Option(help="Keep event.original.")] = True,
) -> None:
    """The store alone: microseconds an insert takes an event, memory, and disk once merges have come to rest."""
    from tocsin.bench import store as bench

    bench.run(events, events=number, data=data, originals=originals)


@commands.command()
def search(
    events: Annotated[list[Path], typer.Argument(help="Files of NDJSON, archives of it, or folders.")],
    number: Annotated[int, typer.Option(help="So many events, made of those of the files.")] = 1_000_000,
    data: Annotated[
        Path | None, typer.Option(help="Search the store in this folder; it is made where it's not.")
    ] = None,
    times: Annotated[int, typer.Option(help="How often each search runs.")] = 20,
) -> None:
    """Searches: filters, histograms, top values, pages, look-ups; by the clock, of the processor, and their indexes."""
    from tocsin.bench import search as bench

    bench.run(events, events=number, data=data, times=times)
