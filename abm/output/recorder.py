"""What a run writes down each day, and the four tables it becomes.

The model hands over one `DayRecord` a day; only what is not zero of the flows and of the attribution is kept. Tables
are built when somebody asks for them.
"""

import copy
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from abm.output.tables import (
    CONVERGED,
    CROSSES,
    EVENTS_SCHEMA,
    NEWS,
    attribution_schema,
    daily_schema,
    flows_schema,
)
from abm.world.economy import Public
from abm.world.events import Event
from abm.world.instruments import BANK_CCY, FX, IDS, IS_BOND, N_CCY, N_MARKETS, TO_QUOTED, level_of_log_price
from abm.world.orders import REASON, REASONS

SMALLEST: Final = 1e-15  # USD bn or log price: parts below are rounding noise and not kept


@dataclass
class DayRecord:
    """One trading day. S sectors in the recorder's order, R reasons, M markets.

    log_price: (M,) closes. depth: (M,) USD bn per unit of log price. public: policy and macro state at the close.
    margin_calls_usd_bn, liquidations_usd_bn, equity_usd_bn, leverage: (S,). intervention_jpy_tn: yen bought,
    positive. boj_purchases_jpy_tn: bonds bought by the Bank of Japan today. stress_index: 0 is calm.
    open_interest_usd_bn: bitcoin longs on margin. funding_pct: what longs paid shorts today, per cent of notional.
    carry_gross_usd_bn: carry funds' assets. flows_usd_bn: (S, R, M) net purchases. attribution_log: (S, R, M)
    parts of the day's log price change; news_log, policy_news_log: (M,) the public parts. rounds: margin rounds.
    status: how the clearing ended, `tables.CONVERGED` or what failed.
    """

    day: int
    date: dt.date
    log_price: np.ndarray
    depth: np.ndarray
    public: Public
    margin_calls_usd_bn: np.ndarray
    liquidations_usd_bn: np.ndarray
    equity_usd_bn: np.ndarray
    leverage: np.ndarray
    intervention_jpy_tn: float
    boj_purchases_jpy_tn: float
    stress_index: float
    open_interest_usd_bn: float
    funding_pct: float
    carry_gross_usd_bn: float
    flows_usd_bn: np.ndarray
    attribution_log: np.ndarray
    news_log: np.ndarray
    policy_news_log: np.ndarray
    rounds: int = 0
    status: str = CONVERGED


@dataclass(frozen=True)
class Sparse:
    """Entries of a (S, R, M) array that are not zero: positions in the flattened array, and values."""

    index: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, dense: np.ndarray) -> "Sparse":
        """Keep what exceeds `SMALLEST`."""
        flat = dense.ravel()
        index = np.flatnonzero(np.abs(flat) > SMALLEST).astype(np.int32)
        return cls(index, flat[index])


class Recorder:
    """Collects days and events of one seed and makes tables of them.

    sectors: ids in the order of the records' first axis. seed: written into every row.
    """

    def __init__(self, sectors: tuple[str, ...], seed: int = 0) -> None:
        self.sectors = tuple(sectors)
        self.seed = int(seed)
        self._records: list[DayRecord] = []
        self._flows: list[Sparse] = []
        self._attribution: list[Sparse] = []
        self._events: list[tuple[int, dt.date | None, str, str, str, str]] = []
        self._tables: tuple[tuple[int, int], dict[str, pa.Table]] | None = None
        n = len(self.sectors)
        self._shapes = {
            "log_price": (N_MARKETS,),
            "depth": (N_MARKETS,),
            "news_log": (N_MARKETS,),
            "policy_news_log": (N_MARKETS,),
            **dict.fromkeys(("margin_calls_usd_bn", "liquidations_usd_bn", "equity_usd_bn", "leverage"), (n,)),
            **dict.fromkeys(("flows_usd_bn", "attribution_log"), (n, len(REASONS), N_MARKETS)),
        }

    def __len__(self) -> int:
        return len(self._records)

    @property
    def last_day(self) -> int:
        """Day of the last record, -1 before the opening is recorded."""
        return self._records[-1].day if self._records else -1

    def add(self, record: DayRecord) -> None:
        """Keep one day. ValueError for a wrong shape or a day out of order."""
        for name, shape in self._shapes.items():
            got = np.shape(getattr(record, name))
            if got != shape:
                raise ValueError(f"day record {record.day}: {name} has shape {got}, expected {shape}")
        if record.day != self.last_day + 1:
            raise ValueError(f"day record {record.day} follows {self.last_day}, expected {self.last_day + 1}")
        self._flows.append(Sparse.of(record.flows_usd_bn))
        self._attribution.append(Sparse.of(record.attribution_log))
        kept = {f.name: getattr(record, f.name) for f in fields(DayRecord)}
        kept["flows_usd_bn"] = kept["attribution_log"] = np.empty(0)
        self._records.append(DayRecord(**kept))

    def event(self, day: int, date: dt.date, event: Event) -> None:
        """Keep a scheduled or emergent event with its fields as details."""
        values = event.model_dump(mode="json", exclude={"kind", "date", "day", "note", "cause", "keeps_meeting"})
        self.note(day, date, event.kind, event.cause, event.note or in_words(event.kind, values), values)

    def note(
        self, day: int, date: dt.date | None, kind: str, cause: str, text: str, values: Mapping[str, Any] | None = None
    ) -> None:
        """Keep something that came about: what, who caused it, in words and in numbers."""
        details = json.dumps(dict(values or {}), sort_keys=True, default=_plain)
        self._events.append((day, date, kind, cause, text, details))

    # -- what happened so far ----------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> "Recorder":
        """A copy with the same history, which is shared: records are never changed once they are kept."""
        twin = copy.copy(self)
        for name in ("_records", "_flows", "_attribution", "_events"):
            setattr(twin, name, list(getattr(self, name)))
        return twin

    def records(self, first: int = 0) -> list[DayRecord]:
        """Records from a day on, without flows and attribution, which `flows_between` and `parts_of` give."""
        return self._records[first:]

    def told(self, first: int = 0) -> list[tuple[int, dt.date | None, str, str, str, str]]:
        """Events from a position on: day, date, kind, cause, text, details as JSON."""
        return self._events[first:]

    def flows_between(self, first: int, last: int) -> np.ndarray:
        """Net purchases over some days, both included, USD bn, (sectors, reasons, markets)."""
        shape = (len(self.sectors), len(REASONS), N_MARKETS)
        days = self._flows[max(first, 0) : last + 1]
        total = np.zeros(int(np.prod(shape)))
        for day in days:
            total[day.index] += day.value
        return total.reshape(shape)

    def parts_of(self, market: int) -> dict[tuple[str, str], np.ndarray]:
        """Parts of a market's moves by sector and reason, (days,), day 0 first: bp for bonds, per cent for the rest."""
        days = len(self._records)
        parts: dict[int, np.ndarray] = {}
        for day, kept in enumerate(self._attribution):
            mine = kept.index % N_MARKETS == market
            for cell, value in zip(kept.index[mine] // N_MARKETS, kept.value[mine], strict=True):
                parts.setdefault(int(cell), np.zeros(days))[day] = value
        found = {}
        for name in ("news", "policy_news"):
            public = np.array([getattr(record, f"{name}_log")[market] for record in self._records])
            if np.abs(public).max(initial=0.0) > SMALLEST:
                found[NEWS, name] = public * TO_QUOTED[market]
        for cell, values in sorted(parts.items()):
            sector, reason = divmod(cell, len(REASONS))
            found[self.sectors[sector], REASONS[reason]] = values * TO_QUOTED[market]
        return found

    # -- tables ------------------------------------------------------------------------------------------------

    def tables(self, seed: int | None = None) -> dict[str, pa.Table]:
        """The tables daily, flows, attribution and events, every row marked with the seed."""
        seed = self.seed if seed is None else int(seed)
        return {
            "daily": self._daily_table(seed),
            "flows": self._flows_table(seed),
            "attribution": self._attribution_table(seed),
            "events": self._events_table(seed),
        }

    @property
    def daily(self) -> pd.DataFrame:
        """One row a day, day 0 the opening; columns as in daily.parquet."""
        return self._frame("daily")

    @property
    def flows(self) -> pd.DataFrame:
        """Net purchases by day, sector, market and reason, USD bn; what is zero has no row."""
        return self._frame("flows")

    @property
    def attribution(self) -> pd.DataFrame:
        """Parts of every day's move by market, sector and reason: bp for bonds, per cent for the rest."""
        return self._frame("attribution")

    @property
    def events(self) -> pd.DataFrame:
        """One row per event."""
        return self._frame("events")

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self._cached()[name].to_pandas()
        return frame

    def _cached(self) -> dict[str, pa.Table]:
        state = (len(self._records), len(self._events))
        if self._tables is None or self._tables[0] != state:
            self._tables = state, self.tables()
        return self._tables[1]

    def _stack(self, name: str) -> np.ndarray:
        return np.array([getattr(r, name) for r in self._records], dtype=float)

    def _daily_table(self, seed: int) -> pa.Table:
        schema = daily_schema(self.sectors)
        n = len(self._records)
        columns: dict[str, Any] = {
            "seed": np.full(n, seed),
            "day": np.array([r.day for r in self._records], dtype=np.int16),
            "date": np.array([r.date for r in self._records], dtype="datetime64[ms]"),
            "status": [r.status for r in self._records],
            "margin_rounds": np.array([r.rounds for r in self._records], dtype=np.int16),
            **self._market_columns(n),
            **self._public_columns(n),
        }
        for name in ("margin_calls_usd_bn", "liquidations_usd_bn", "equity_usd_bn", "leverage"):
            values = self._stack(name).reshape(n, len(self.sectors))
            columns |= {f"{name}.{sector}": values[:, i] for i, sector in enumerate(self.sectors)}
        for name in ("intervention_jpy_tn", "boj_purchases_jpy_tn", "stress_index", "carry_gross_usd_bn"):
            columns[name] = self._stack(name)
        columns["open_interest_usd_bn.BTC"] = self._stack("open_interest_usd_bn")
        columns["funding_pct.BTC"] = self._stack("funding_pct")
        return pa.Table.from_arrays([pa.array(columns[f.name], type=f.type) for f in schema], schema=schema)

    def _market_columns(self, n: int) -> dict[str, np.ndarray]:
        log_price = self._stack("log_price").reshape(n, N_MARKETS)
        level = level_of_log_price(log_price)
        depth = self._stack("depth").reshape(n, N_MARKETS) / 100.0
        columns: dict[str, np.ndarray] = {}
        for i, name in enumerate(IDS):
            columns[f"depth_usd_bn_per_pct.{name}"] = depth[:, i]
            if i in FX:
                columns[f"fx.{name}"] = level[:, i]
            elif IS_BOND[i]:
                columns[f"yield_pct.{name}"] = level[:, i]
                columns[f"price.{name}"] = 100.0 * np.exp(log_price[:, i])
            else:
                columns[f"price.{name}"] = level[:, i]
        rate = {name: columns[f"fx.{name}"] for name in (IDS[i] for i in FX)}
        columns |= {f"fx.{cross}": rule(rate) for cross, rule in CROSSES.items()}
        return columns

    def _public_columns(self, n: int) -> dict[str, np.ndarray]:
        public = [r.public for r in self._records]
        rates = np.array([p.policy_rate_pct for p in public], dtype=float).reshape(n, N_CCY)
        columns = {f"policy_rate_pct.{bank}": rates[:, c] for bank, c in BANK_CCY.items()}
        for column, attribute in (
            ("inflation_pct.JP", "inflation_pct"),
            ("interest_to_revenue_pct.JP", "interest_to_revenue_pct"),
            ("debt_to_gdp_pct.JP", "debt_to_gdp_pct"),
            ("unfunded_pct_gdp.JP", "unfunded_pct_gdp"),
            ("ladder", "ladder"),
            ("intervention_risk", "intervention_risk"),
            ("hike_risk", "hike_risk"),
            ("exceptional_purchases_jpy_tn", "exceptional_purchases_jpy_tn"),
        ):
            columns[column] = np.array([getattr(p, attribute) for p in public])
        return columns

    def _long(self, days: list[Sparse]) -> tuple[np.ndarray, ...]:
        """Day, sector, reason, market and value of all kept entries, ordered by day and position."""
        shape = (len(self.sectors), len(REASONS), N_MARKETS)
        index = np.concatenate([np.empty(0, np.int32), *(s.index for s in days)])
        value = np.concatenate([np.empty(0), *(s.value for s in days)])
        day = np.repeat(np.array([r.day for r in self._records], np.int16), [s.index.size for s in days])
        sector, reason, market = np.unravel_index(index, shape)
        return day, sector, reason, market, value

    def _flows_table(self, seed: int) -> pa.Table:
        day, sector, reason, market, value = self._long(self._flows)
        return pa.Table.from_arrays(
            [
                pa.array(np.full(day.size, seed)),
                pa.array(day),
                _coded(sector, self.sectors),
                _coded(market, IDS),
                _coded(reason, REASONS),
                pa.array(value),
            ],
            schema=flows_schema(),
        )

    def _news(self) -> tuple[np.ndarray, ...]:
        """Day, reason, market and value of the public parts of the moves."""
        blocks = np.stack([self._stack("news_log"), self._stack("policy_news_log")], axis=1)
        codes = np.array([REASON["news"], REASON["policy_news"]])
        day, kind, market = np.nonzero(np.abs(blocks.reshape(len(self._records), 2, N_MARKETS)) > SMALLEST)
        days = np.array([r.day for r in self._records], np.int16)
        return days[day], codes[kind], market, blocks[day, kind, market]

    def _attribution_table(self, seed: int) -> pa.Table:
        """News first, then orders; sorted by day."""
        names = (*self.sectors, NEWS)
        day, sector, reason, market, value = self._long(self._attribution)
        if self._records:
            n_day, n_reason, n_market, n_value = self._news()
            n_sector = np.full(n_day.size, len(self.sectors))
            parts = ((n_day, day), (n_sector, sector), (n_reason, reason), (n_market, market), (n_value, value))
            day, sector, reason, market, value = (np.concatenate(pair) for pair in parts)
            order = np.argsort(day, kind="stable")
            day, sector, reason, market, value = (a[order] for a in (day, sector, reason, market, value))
        quoted = value * TO_QUOTED[market]
        is_bond = IS_BOND[market]
        return pa.Table.from_arrays(
            [
                pa.array(np.full(day.size, seed)),
                pa.array(day),
                _coded(market, IDS),
                _coded(sector, names),
                _coded(reason, REASONS),
                pa.array(quoted, mask=~is_bond),
                pa.array(quoted, mask=is_bond),
            ],
            schema=attribution_schema(),
        )

    def _events_table(self, seed: int) -> pa.Table:
        rows = [(seed, *event) for event in self._events]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(EVENTS_SCHEMA)
        arrays = [
            pa.array(np.array(c, dtype="datetime64[ms]") if f.name == "date" else list(c), type=f.type)
            for f, c in zip(EVENTS_SCHEMA, columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=EVENTS_SCHEMA)


def _coded(codes: np.ndarray, names: tuple[str, ...]) -> pa.DictionaryArray:
    """Strings stored as positions in a fixed list of names."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(names))


def in_words(kind: str, values: Mapping[str, Any]) -> str:
    """An event in one line: its kind, then its fields."""
    words = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values.items()}
    fields_text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in words.items())
    return kind.replace("_", " ") + (f": {fields_text}" if fields_text else "")


def _plain(value: Any) -> Any:
    """Dates and NumPy numbers as JSON knows them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
