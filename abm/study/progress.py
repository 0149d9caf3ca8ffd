"""What a long computation says on the terminal: how far it is. Apart, because rich takes a while to load."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

DRAWN_EVERY_SECONDS: Final = 0.1


class _Rate(ProgressColumn):
    """Days per second so far."""

    def render(self, task: Task) -> Text:
        rate = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(f"{rate:,.0f} days/s", style="dim")


@contextmanager
def days_bar(total: int, compiling: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, drawn by hand so that no thread runs when workers are forked; silent elsewhere.

    Yields what is told how many more days are done. compiling: the loops must be compiled first, which is said.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda days: None
        return
    if compiling:
        console.print("Compiling the loops of the model, once after installation: about half a minute.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task, drawn = bar.add_task("days", total=total), 0.0

        def advance(days: int) -> None:
            nonlocal drawn
            bar.update(task, advance=days)
            now = time.monotonic()
            if now - drawn > DRAWN_EVERY_SECONDS:
                bar.refresh()
                drawn = now

        yield advance
        bar.refresh()
