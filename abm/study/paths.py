"""Many experiments on many seeds, of which only the closes are kept: what validation and calibration read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from abm.agents.intermediary import Intermediary
from abm.model import MarketModel
from abm.output.recorder import Recorder
from abm.scenarios import Scenario
from abm.study.ensemble import Failure, Job, run_jobs
from abm.world.errors import InputError, unknown_name
from abm.world.events import Event
from abm.world.instruments import CCY, FX, FX_FOREIGN, FX_TO_USD, IDS, INDEX, IS_BOND, TO_QUOTED

FUTURE: Final = "_fut"  # ending of a bond future: the bond's price, in per cent


class _EventsOnly(Recorder):
    """Keeps what happened, no day's figures. closes: the model's own list, day 0 first."""

    def __init__(self, sectors: tuple[str, ...], seed: int, closes: list[np.ndarray]) -> None:
        super().__init__(sectors, seed)
        self.closes = closes

    @property
    def last_day(self) -> int:
        """Last day that was finished."""
        return len(self.closes) - 1


class PathModel(MarketModel):
    """The market model without its books of flows and attribution: closes and margin calls only.

    plan: a `Trial`. Prices are bit for bit those of `MarketModel`.
    """

    def __init__(self, trial: "Trial", rng: int = 1) -> None:
        self.closes: list[np.ndarray] = []
        self.called_pct: list[float] = []
        self.trial = trial
        super().__init__(trial.scenario, rng)
        if trial.dealer_wealth != 1.0:
            dealers = self.sectors["dealers"]
            assert isinstance(dealers, Intermediary)
            dealers.wealth = dealers.wealth * trial.dealer_wealth

    def sum_up(self) -> tuple[np.ndarray, np.ndarray]:
        """Log prices, (days + 1, markets), and margin called, % of carry and crypto positions, (days + 1,)."""
        return np.array(self.closes), np.array(self.called_pct)

    def _record_opening(self) -> None:
        self.recorder = _EventsOnly(tuple(self.sectors), self.seed_number, self.closes)
        self.margin_calls = np.zeros(len(self.sectors))
        self._record()

    def _record(self) -> None:
        carry = float(self.sectors["carry_traders"].gross_usd_bn(self.log_price))
        leveraged = carry + self._gross_contracts("crypto_longs", INDEX["BTC"])
        self.closes.append(self.log_price)
        self.called_pct.append(100.0 * float(self.margin_calls.sum()) / max(leveraged, 1e-9))


@dataclass(frozen=True)
class Trial:
    """A scenario as an ensemble runs it. dealer_wealth: dealers' wealth on day 0 as a multiple of their capital."""

    scenario: Scenario
    dealer_wealth: float = 1.0

    @property
    def name(self) -> str:
        """That of the scenario."""
        return self.scenario.name

    @property
    def title(self) -> str:
        """That of the scenario."""
        return self.scenario.title

    @property
    def days(self) -> int:
        """Trading days after day 0."""
        return self.scenario.days

    @property
    def hash(self) -> str:
        """That of the scenario."""
        return self.scenario.hash

    def resolved(self) -> dict[str, Any]:
        """That of the scenario."""
        return self.scenario.resolved()


@dataclass(frozen=True)
class Paths:
    """Closes of one experiment.

    log_price: (seeds, days + 1, markets). called_pct: (seeds, days + 1), margin called in per cent of the positions
    of carry traders and leveraged bitcoin accounts. failures: seeds that broke off and are left out.
    """

    scenario: Scenario
    seeds: tuple[int, ...]
    log_price: np.ndarray
    called_pct: np.ndarray
    failures: tuple[Failure, ...] = ()

    def series(self, name: str) -> np.ndarray:
        """A series in the unit of its changes, bp for bonds and 100 x logarithm otherwise, (seeds, days + 1)."""
        return quoted(self.log_price, name)

    def change(self, name: str, to: int, since: int = 0) -> np.ndarray:
        """Change between two closes, (seeds,): bp for bonds, per cent otherwise."""
        path = self.series(name)
        return np.asarray(path[:, to] - path[:, since])


def quoted(log_price: np.ndarray, name: str) -> np.ndarray:
    """A market, currency pair or bond future out of log prices (..., markets): bp of yield or 100 x logarithm.

    name: instrument id; two currencies such as AUDJPY; bond id with _fut for the bond's price. InputError otherwise.
    """
    if name in INDEX:
        return np.asarray(log_price[..., INDEX[name]] * TO_QUOTED[INDEX[name]])
    if name.removesuffix(FUTURE) in bonds():
        return np.asarray(100.0 * log_price[..., INDEX[name.removesuffix(FUTURE)]])
    base, quote = name[:3], name[3:]
    if base not in CCY or quote not in CCY or base == quote:
        raise unknown_name("", "series", name, series_names())
    return np.asarray(100.0 * (_log_usd(log_price, base) - _log_usd(log_price, quote)))


def _log_usd(log_price: np.ndarray, currency: str) -> np.ndarray | float:
    """Logarithm of what a unit of the currency is worth in US dollars."""
    for market, code, sign in zip(FX, FX_FOREIGN, FX_TO_USD, strict=True):
        if code == CCY[currency]:
            return np.asarray(sign * log_price[..., market])
    return 0.0


def bonds() -> tuple[str, ...]:
    """Ids of all bond markets."""
    return tuple(name for i, name in enumerate(IDS) if IS_BOND[i])


def series_names() -> tuple[str, ...]:
    """Every series that may be observed: markets, pairs of currencies, bond futures."""
    pairs = [a + b for a in CCY for b in CCY if a != b and a + b not in IDS]
    return (*IDS, *pairs, *(name + FUTURE for name in bonds()))


def unit_of(name: str) -> str:
    """Unit of a series' changes."""
    return "bp" if name in bonds() else "%"


def with_events(scenario: Scenario, *events: Event) -> Scenario:
    """The scenario with further events, each of which names its day."""
    dated = [e.model_copy(update={"date": scenario.dates[e.day or 0]}) for e in events]
    return replace(scenario, events=tuple(sorted([*scenario.events, *dated], key=lambda e: e.day or 0)))


class NothingLeft(RuntimeError):
    """Every seed of an experiment failed."""


@dataclass(frozen=True)
class Experiment:
    """What to run: a trial on seeds."""

    trial: Trial
    seeds: tuple[int, ...]


def experiment(scenario: Scenario, seeds: int | Iterable[int], dealer_wealth: float = 1.0) -> Experiment:
    """A scenario on seeds 1 ... n, or on the given ones."""
    wanted = tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(seeds)
    if not wanted:
        raise InputError("seeds: got none, expected at least one")
    return Experiment(Trial(scenario, dealer_wealth), wanted)


def run_paths(
    experiments: Mapping[str, Experiment], *, workers: int | None = None, progress: bool = True
) -> dict[str, Paths]:
    """Closes of every experiment, all run by one pool of workers. KeyboardInterrupt if interrupted, nothing kept.

    `NothingLeft` if every seed of an experiment fails.
    """
    names = list(experiments)
    jobs = [Job(i, seed) for i, name in enumerate(names) for seed in experiments[name].seeds]
    found: dict[str, list[Any]] = {name: [] for name in names}
    trials = [experiments[name].trial for name in names]
    for result in run_jobs(trials, jobs, workers=workers, build=PathModel, progress=progress):
        found[names[result.job.scenario]].append(result)
    return {name: _gathered(experiments[name], found[name]) for name in names}


def _gathered(experiment: Experiment, results: list[Any]) -> Paths:
    done = [r for r in results if r.failure is None]
    failures = tuple(r.failure for r in results if r.failure is not None)
    scenario = experiment.trial.scenario
    if not done:
        first = failures[0]
        raise NothingLeft(f"{scenario.name}: every seed failed, seed {first.seed} on day {first.day}: {first.error}")
    return Paths(
        scenario,
        tuple(r.job.seed for r in done),
        np.array([r.summary[0] for r in done]),
        np.array([r.summary[1] for r in done]),
        failures,
    )
