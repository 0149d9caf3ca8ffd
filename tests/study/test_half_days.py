"""Steps of half a day: the same world, the same news and plans, asked twice a day."""

from typing import Any

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.study.claims.half_days import HalfDays
from abm.world.instruments import IDS, JGBS
from abm.world.orders import REASON

DAYS = 8


class Watched(HalfDays):
    """Keeps what every session was asked with and what was posted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.screens, self.posted = [], []
        super().__init__(*args, **kwargs)

    def _clear_and_settle(self, orders: np.ndarray, schedules: list[Any]) -> None:
        super()._clear_and_settle(orders, schedules)
        self.screens.append((self.view, self.log_price))
        self.posted.append((orders.copy(), schedules))


@pytest.fixture(scope="module")
def plain() -> MarketModel:
    return run(MarketModel)


@pytest.fixture(scope="module")
def halved() -> Watched:
    return run(Watched)


def test_the_day_has_two_sessions_and_half_of_the_news_comes_at_noon(halved: Watched) -> None:
    assert len(halved.screens) == 2 * DAYS
    (morning, at_noon), (noon, close) = halved.screens[-2:]
    assert np.array_equal(close, halved.log_price)
    quoted = (noon.log_price - at_noon, morning.log_price - morning.close)
    assert np.allclose(quoted[0], 0.5 * halved.random_news) and halved.random_news.any()
    assert np.allclose(sum(quoted), halved.random_news + halved.policy_news)
    assert np.array_equal(noon.close, at_noon)


def test_parts_add_up_to_every_days_move(halved: Watched) -> None:
    attribution, daily = halved.attribution, halved.daily
    for market in ("JGB40", "UST10"):
        parts = attribution.query("market == @market").groupby("day")["bp"].sum()
        moved = 100.0 * daily[f"yield_pct.{market}"].diff().iloc[1:]
        assert np.allclose(parts.loc[1:], moved, atol=1e-6)


def test_what_is_bought_is_sold(halved: Watched) -> None:
    traded = halved.flows.groupby("market", observed=True)["usd_bn"].agg(["sum", lambda x: x.abs().sum()])
    assert (traded["sum"].abs() < 1e-6 * np.maximum(traded.iloc[:, 1], 1.0)).all()


def test_plans_and_clients_add_up_to_a_day(plain: MarketModel, halved: Watched) -> None:
    planned = [m.flows.query("sector == 'government'").groupby("day")["usd_bn"].sum() for m in (plain, halved)]
    assert np.allclose(*planned, rtol=0.02) and planned[0].abs().sum() > 1.0
    clients = [orders[orders["reason"] == REASON["client_flows"]]["quantity"] for orders, _ in halved.posted[-2:]]
    assert np.abs(clients[0]).sum() == pytest.approx(np.abs(clients[1]).sum(), rel=0.02)
    assert np.corrcoef(*clients)[0, 1] > 0.99


def test_intermediaries_shift_quotes_by_half_and_take_as_much(plain: MarketModel, halved: Watched) -> None:
    for schedule, whole in zip(halved.posted[0][1], run(MarketModel, days=1).schedules, strict=True):
        assert np.allclose(schedule.matrix, whole.matrix)
    assert halved.opening_depth[JGBS] == pytest.approx(plain.opening_depth[JGBS], rel=0.5)
    assert (halved.opening_depth[JGBS] < plain.opening_depth[JGBS]).all()


def test_a_bitcoin_account_trades_in_one_session_of_the_day(halved: Watched) -> None:
    number = list(halved.sectors).index("crypto_longs")
    acted = 0
    for k in range(0, 2 * DAYS, 2):
        sessions = [orders["member"][orders["sector"] == number] for orders, _ in halved.posted[k : k + 2]]
        assert not set(sessions[0]) & set(sessions[1])
        acted += sum(len(session) for session in sessions)
    assert acted > 0


def test_a_sector_itself_decides_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HalfDays(load_scenario("baseline", days=3), rng=1)
    asked: list[int] = []
    insurers = model.sectors["life_insurers"]
    monkeypatch.setattr(type(insurers), "decide", counted(type(insurers).decide, insurers, asked))
    model.run_for(3)
    assert asked == [1, 2, 3]


def test_without_a_shock_prices_stay_near_those_of_whole_days() -> None:
    whole, half = (run(kind, "baseline", seed=1) for kind in (MarketModel, HalfDays))
    apart = np.abs(half.log_price - whole.log_price)
    usual = np.sqrt(DAYS * np.diag(whole.calm_covariance))
    assert (apart < usual).all(), dict(zip(IDS, apart / usual, strict=True))
    assert (apart > 0.0).any()


def test_the_same_seed_gives_the_same_bits(halved: Watched) -> None:
    assert np.array_equal(run(HalfDays).log_price, halved.log_price)


def run[Model: MarketModel](kind: type[Model], scenario: str = "sanaenomics", seed: int = 3, days: int = DAYS) -> Model:
    model = kind(load_scenario(scenario), rng=seed)
    model.run_for(days)
    return model


def counted(decide: Any, sector: Any, asked: list[int]) -> Any:
    def counting(self: Any, view: Any) -> Any:
        if self is sector:
            asked.append(view.day)
        return decide(self, view)

    return counting
