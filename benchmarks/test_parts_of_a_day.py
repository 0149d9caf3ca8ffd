"""Timings of single parts of the main scenario's days, for whoever makes one of them faster.

    make benchmarks                                                # keeps the figures in .benchmarks
    python -m pytest benchmarks -o addopts= --benchmark-compare    # and sets them beside the last ones

`abm bench` holds whole days, runs and ensembles against their targets; here one part is called many times with the
arguments of a day in the turbulence after the announcement.
"""

from typing import Any

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.agents import REGISTRY
from abm.world import auction
from abm.world.orders import join

DAY = 6  # trading days into the main scenario, two after the announcement


@pytest.fixture(scope="module")
def model() -> MarketModel:
    """The main scenario after six days."""
    world = MarketModel(load_scenario("sanaenomics"), rng=7)
    world.run_for(DAY)
    return world


def test_building(benchmark: Any) -> None:
    """A model from a loaded scenario: books, depth of day 0, recorder."""
    scenario = load_scenario("sanaenomics")
    benchmark(MarketModel, scenario)


def test_day(benchmark: Any, model: MarketModel) -> None:
    """A whole day of a copy of the world; every round is the same day."""
    benchmark.pedantic(lambda copy: copy.run_for(1), setup=lambda: ((model.fork(),), {}), rounds=50)


def test_fork(benchmark: Any, model: MarketModel) -> None:
    """A copy of the world."""
    benchmark(model.fork)


def test_clearing(benchmark: Any, model: MarketModel) -> None:
    """The auction from the quote: Newton steps over all schedules."""
    benchmark(auction.clear, model.orders, model.schedules)


def test_attribution(benchmark: Any, model: MarketModel) -> None:
    """The day's move split by sector and reason."""
    benchmark(auction.attribute, model.orders, model.schedules, model.clearing, len(model.sectors))


def test_joining_orders(benchmark: Any, model: MarketModel) -> None:
    """One table of orders from the sectors' blocks."""
    cuts = np.flatnonzero(np.diff(model.orders["sector"])) + 1
    benchmark(join, np.split(model.orders, cuts))


def test_ledger_check(benchmark: Any, model: MarketModel) -> None:
    """All identities of the books."""
    benchmark(model.ledger.check, model.day)


@pytest.mark.parametrize("sector", REGISTRY)
def test_decision(benchmark: Any, model: MarketModel, sector: str) -> None:
    """Schedules of one sector on the day's screen."""
    benchmark.pedantic(
        lambda copy: copy.sectors[sector].decide(copy.view), setup=lambda: ((model.fork(),), {}), rounds=30
    )
