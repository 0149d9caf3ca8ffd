"""Who moved the market, and why: the recorded parts of every move, added up over days and averaged over seeds."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abm.output.tables import NEWS, RunDirectory
from abm.world.instruments import IDS, IS_BOND

SHORT = {
    "jgb_fast_money": "fast money",
    "bank_of_japan": "BoJ",
    "ministry_of_finance": "MoF",
    "federal_reserve": "Fed",
    "european_central_bank": "ECB",
}
BANK_WORDS = {"BOJ": "BoJ", "FED": "Fed", "ECB": "ECB", "BOE": "BoE", "RBA": "RBA", "BANXICO": "Banxico"}


def short(sector: str) -> str:
    """A sector in few words."""
    return SHORT.get(sector, sector.replace("_", " "))


@dataclass(frozen=True)
class Contributions:
    """Cumulated parts of one market's move, mean over seeds.

    parts: (contributors, days), day 0 first, bp of yield for bonds and per cent for the rest. names: (sector, reason).
    """

    market: str
    names: tuple[tuple[str, str], ...]
    parts: np.ndarray
    seeds: int

    @property
    def unit(self) -> str:
        """What the parts are measured in."""
        return "bp" if IS_BOND[IDS.index(self.market)] else "%"

    @property
    def total(self) -> np.ndarray:
        """The mean move since day 0, (days,)."""
        return np.asarray(self.parts.sum(axis=0))

    @property
    def turning_day(self) -> int:
        """Day on which the mean move was largest in size."""
        return int(np.abs(self.total).argmax())

    def at(self, day: int) -> dict[tuple[str, str], float]:
        """Parts on one day, largest in size first."""
        order = np.argsort(-np.abs(self.parts[:, day]), kind="stable")
        return {self.names[i]: float(self.parts[i, day]) for i in order}


def contributions(run: RunDirectory, markets: Iterable[str], last_day: int) -> dict[str, Contributions]:
    """Mean cumulated contributions to the moves of some markets over the complete seeds of a run."""
    markets = tuple(markets)
    sums: dict[tuple[str, str, str], np.ndarray] = {}
    file = pq.ParquetFile(run.path / "attribution.parquet")
    for group in range(file.num_row_groups):
        _accumulate(file.read_row_group(group), markets, run.failed_seeds, last_day, sums)
    seeds = len(run.manifest["seeds_done"])
    found = {}
    for market in markets:
        names = tuple((sector, reason) for m, sector, reason in sums if m == market)
        daily = np.array([sums[market, *name] for name in names]).reshape(len(names), last_day + 1)
        found[market] = Contributions(market, names, daily.cumsum(axis=1) / max(seeds, 1), seeds)
    return found


def _accumulate(
    table: pa.Table,
    markets: tuple[str, ...],
    failed: tuple[int, ...],
    last_day: int,
    sums: dict[tuple[str, str, str], np.ndarray],
) -> None:
    """Add one row group's parts to the sums over seeds, by (market, sector, reason) and day."""
    keep = pc.is_in(table.column("market").cast(pa.string()), pa.array(markets))
    if failed:
        keep = pc.and_(keep, pc.invert(pc.is_in(table.column("seed"), pa.array(failed, pa.int64()))))
    table = table.filter(keep).unify_dictionaries().combine_chunks()
    if table.num_rows == 0:
        return
    day = table.column("day").to_numpy().astype(np.int64)
    value = pc.coalesce(table.column("bp"), table.column("pct")).to_numpy()
    columns = [table.column(name).chunk(0) for name in ("market", "sector", "reason")]
    codes = [c.indices.to_numpy().astype(np.int64) for c in columns]
    names = [c.dictionary.to_pylist() for c in columns]
    sizes = [len(n) for n in names]
    cell = (codes[0] * sizes[1] + codes[1]) * sizes[2] + codes[2]
    present, position = np.unique(cell, return_inverse=True)
    n_days = last_day + 1
    daily = np.bincount(position * n_days + day, value, present.size * n_days).reshape(-1, n_days)
    for row, where in zip(daily, present, strict=True):
        market, rest = divmod(int(where), sizes[1] * sizes[2])
        sector, reason = divmod(rest, sizes[2])
        key = (names[0][market], names[1][sector], names[2][reason])
        sums[key] = sums.get(key, 0.0) + row


def label(name: tuple[str, str]) -> str:
    """A contributor in words: "life insurers: repatriation"."""
    sector, reason = name
    words = reason.replace("_", " ")
    if sector == NEWS:
        return "public news" if reason == "news" else "policy news"
    return f"{short(sector)}: {words}"


def signed(value: float, unit: str) -> str:
    """A part with its sign: one decimal for bp, two for per cent."""
    text = f"{value:+.{1 if unit == 'bp' else 2}f}"
    return text if float(text) else text[1:]


def sentence(c: Contributions, named: int = 4) -> tuple[str, str]:
    """The largest move of the mean path, and those who made most of it."""
    if not c.parts.size:
        return f"{c.market} did not move", ""
    day = c.turning_day
    parts = [f"{label(name)} {signed(value, c.unit)}" for name, value in list(c.at(day).items())[:named]]
    return f"{c.market} {signed(c.total[day], c.unit)} {c.unit} by day {day}:", ", ".join(parts)
