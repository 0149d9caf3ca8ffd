"""What the page draws from: an immutable picture of one run up to a day, taken from the recorder's day records.

The arrays of a run grow by one row a day and are never written again, so that a picture only holds views of them.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from abm.browser.words import Told, told
from abm.model import MarketModel
from abm.output.recorder import DayRecord
from abm.world.instruments import BANK_CCY, INDEX, IS_BOND, level_of_log_price

COLUMNS: Final[dict[str, Callable[[DayRecord], Any]]] = {
    "level": lambda r: level_of_log_price(r.log_price),  # (markets,) per cent of yield, or price
    "depth": lambda r: r.depth,  # (markets,) USD bn per unit of log price
    "stress": lambda r: r.stress_index,
    "ladder": lambda r: r.public.ladder,
    "boj_rate_pct": lambda r: r.public.policy_rate_pct[BANK_CCY["BOJ"]],
    "margin_calls_usd_bn": lambda r: r.margin_calls_usd_bn,  # (sectors,)
    "liquidations_usd_bn": lambda r: r.liquidations_usd_bn,  # (sectors,)
    "equity_usd_bn": lambda r: r.equity_usd_bn,  # (sectors,)
    "leverage": lambda r: r.leverage,  # (sectors,)
    "open_interest_usd_bn": lambda r: r.open_interest_usd_bn,
    "carry_gross_usd_bn": lambda r: r.carry_gross_usd_bn,
    "intervention_jpy_tn": lambda r: r.intervention_jpy_tn,
}


@dataclass(frozen=True)
class Snapshot:
    """A run up to one day. columns: `COLUMNS` by day, (day + 1,) or (day + 1, markets or sectors), read-only.

    ended: there is no further day.
    """

    name: str
    title: str
    seed: int
    day: int
    last_day: int
    dates: tuple[dt.date, ...]
    sectors: tuple[str, ...]
    columns: Mapping[str, np.ndarray]
    events: tuple[Told, ...]
    ended: bool

    def level(self, market: str) -> np.ndarray:
        """Yields in per cent or prices of one market, (day + 1,)."""
        return self.columns["level"][:, INDEX[market]]

    def change(self, market: str) -> np.ndarray:
        """Move since day 0, (day + 1,): bp of yield for bonds, per cent for the rest."""
        level = self.level(market)
        if IS_BOND[INDEX[market]]:
            return np.asarray(100.0 * (level - level[0]))
        return np.asarray(100.0 * (level / level[0] - 1.0))

    def of_sector(self, column: str, sector: str) -> np.ndarray:
        """A column of one sector, (day + 1,)."""
        return self.columns[column][:, self.sectors.index(sector)]


class Tape:
    """Grows with a model and hands out snapshots."""

    def __init__(self, model: MarketModel) -> None:
        self._columns: dict[str, np.ndarray] = {}
        self._events: list[Told] = []
        self.day = -1
        self.follow(model)

    def follow(self, model: MarketModel) -> None:
        """Take over the days and events that the model's recorder has gained."""
        for record in model.recorder.records(self.day + 1):
            for name, of in COLUMNS.items():
                value = np.asarray(of(record), dtype=float)
                if name not in self._columns:
                    self._columns[name] = np.empty((model.plan.days + 1, *value.shape))
                self._columns[name][record.day] = value
            self.day = record.day
        for day, date, kind, cause, text, details in model.recorder.told(len(self._events)):
            self._events.append(told(day, date, kind, cause, text, json.loads(details)))

    def snapshot(self, model: MarketModel) -> Snapshot:
        """The run up to the last day taken over."""
        columns = {name: values[: self.day + 1] for name, values in self._columns.items()}
        for view in columns.values():
            view.setflags(write=False)
        plan = model.plan
        return Snapshot(
            name=plan.name,
            title=plan.title,
            seed=model.seed_number,
            day=self.day,
            last_day=plan.days,
            dates=plan.dates[: self.day + 1],
            sectors=tuple(model.sectors),
            columns=columns,
            events=tuple(self._events),
            ended=self.day >= plan.days,
        )
