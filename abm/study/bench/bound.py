"""How far a day is from what memory alone allows: ledger bytes that a day touches over measured copy bandwidth."""

from typing import Any, Final

import numpy as np

from abm.model import MarketModel
from abm.study.bench.timing import timed

COPIES: Final = 5
TABLES: Final = {"units": "owns", "contracts": "open_in", "cash": "money", "loans": "money"}


def copy_bandwidth(megabytes: int) -> float:
    """Bytes read and written per second when an array far larger than the caches is copied; the best of some copies.

    McCalpin's STREAM copy: each byte counts once as read and once as written.
    """
    source = np.ones(megabytes * 1_000_000 // 8)
    target = np.zeros_like(source)
    copies = [timed(lambda: np.copyto(target, source))[1].wall_s for _ in range(COPIES + 1)]
    return 2.0 * source.nbytes / min(copies[1:])


def touched_bytes(model: MarketModel) -> int:
    """Bytes of ledger tables that one more day has to touch at least: columns in use read once, changed ones written
    once. A column is a market or currency of one sector; those a sector never uses are never touched."""
    before = _columns(model)
    model.run_for(1)
    after = _columns(model)
    read = sum(column.nbytes for column in after.values())
    changed = [key for key, column in after.items() if key not in before or not np.array_equal(column, before[key])]
    return int(read + sum(after[key].nbytes for key in changed))


def _columns(model: MarketModel) -> dict[tuple[str, str, int], Any]:
    """Copies of all columns in use."""
    ledger = model.ledger
    return {
        (table, name, int(column)): getattr(ledger, table)[rows, column].copy()
        for table, used in TABLES.items()
        for s, (name, rows) in enumerate(ledger.rows.items())
        for column in np.flatnonzero(getattr(ledger, used)[s])
    }
