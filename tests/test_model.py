"""The world as a whole: identities at every step, exact attribution, common random numbers, one golden path."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import mesa
import numpy as np
import pytest

from abm import MarketModel, agents, load_scenario
from abm.agents.base import Sector
from abm.scenarios import scenario_names
from abm.world import auction
from abm.world.errors import MarketFailure
from abm.world.instruments import CURRENCIES, IDS, N_MARKETS, TO_QUOTED

GOLDEN = Path(__file__).parent / "golden" / "sanaenomics_seed_7.json"


@pytest.fixture(scope="module")
def shocked() -> MarketModel:
    model = MarketModel(load_scenario("sanaenomics"), rng=7)
    model.prices = [model.log_price]
    for _ in range(15):
        model.run_for(1)
        model.prices.append(model.log_price)
    return model


@pytest.mark.parametrize("name", ["sanaenomics", "carry_unwind_2024"])
def test_holdings_cash_loans_and_contracts_add_up_every_day(name: str) -> None:
    model = MarketModel(load_scenario(name), rng=3)
    government = list(model.sectors).index("government")
    issued = model.ledger.issued.copy()
    for _ in range(12):
        model.run_for(1)
        ledger = model.ledger
        sold = np.zeros(N_MARKETS)
        mine = model.orders["sector"] == government
        np.add.at(sold, model.orders["market"][mine], model.clearing.filled[mine])
        issued -= sold / np.exp(model.quote) / _usd_per_unit_of_quote(model)
        for m in range(N_MARKETS):
            total = sum(float(s.book.units[:, m].sum()) for s in model.sectors.values())
            assert total == pytest.approx(issued[m], rel=1e-9, abs=1e-9), IDS[m]
            assert abs(ledger.contracts[:, m].sum()) <= 1e-9 * max(np.abs(ledger.contracts[:, m]).sum(), 1.0), IDS[m]
        for c, currency in enumerate(CURRENCIES):
            for owed in (ledger.cash[:, c], ledger.loans[:, c]):
                assert abs(owed.sum()) <= 1e-9 * max(np.abs(owed).sum(), 1.0), currency


def _usd_per_unit_of_quote(model: MarketModel) -> np.ndarray:
    from abm.world.instruments import QUOTE_CCY, usd_per_currency

    return usd_per_currency(model.quote)[QUOTE_CCY]


def test_every_move_is_news_plus_the_parts_of_sectors(shocked: MarketModel) -> None:
    parts = shocked.attribution.groupby(["day", "market"], observed=True)[["bp", "pct"]].sum().sum(axis=1)
    prices = shocked.prices
    for day in range(1, 16):
        moved = (prices[day] - prices[day - 1]) * TO_QUOTED
        for m, market in enumerate(IDS):
            assert parts.get((day, market), 0.0) == pytest.approx(moved[m], abs=1e-9), (day, market)


def test_same_seed_same_bits_and_live_models_do_not_touch_each_other() -> None:
    scenario = load_scenario("sanaenomics", days=8)
    one, two = MarketModel(scenario, rng=5), MarketModel(scenario, rng=5)
    for _ in range(8):
        one.run_for(1)
        two.run_for(1)
        assert np.array_equal(one.log_price, two.log_price)
    assert not np.array_equal(one.log_price, _run(scenario, 6, 8).log_price)


def _run(scenario, seed: int, days: int) -> MarketModel:
    model = MarketModel(scenario, rng=seed)
    model.run_for(days)
    return model


class Idle(Sector):
    """A sector that does nothing."""

    id = "idle"


def test_an_idle_sector_changes_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _run(load_scenario("sanaenomics", days=8), 4, 8)
    registry = {"idle": Idle, **agents.REGISTRY}
    monkeypatch.setattr(agents, "REGISTRY", registry)
    monkeypatch.setattr("abm.model.REGISTRY", registry)
    watched = _run(load_scenario("sanaenomics", days=8), 4, 8)
    assert "idle" in watched.sectors
    assert np.array_equal(plain.log_price, watched.log_price)


def test_a_later_shock_leaves_earlier_prices_alone(tmp_path: Path) -> None:
    later = tmp_path / "later.toml"
    later.write_text(
        '[scenario]\nname = "later"\nextends = "sanaenomics"\n'
        '[[event]]\nday = 9\nkind = "policy_rate"\nbank = "BOJ"\nchange_bp = 50\n'
    )
    plain, shocked = MarketModel(load_scenario("sanaenomics"), rng=2), MarketModel(load_scenario(str(later)), rng=2)
    for day in range(1, 10):
        plain.run_for(1)
        shocked.run_for(1)
        assert np.array_equal(plain.log_price, shocked.log_price) == (day < 9), day


@pytest.mark.parametrize("name", scenario_names())
def test_every_packaged_scenario_runs(name: str) -> None:
    model = _run(load_scenario(name, days=30), 1, 12)
    assert np.isfinite(model.log_price).all()
    assert len(model.daily) == 13


def test_a_copy_continues_like_the_original() -> None:
    model = _run(load_scenario("sanaenomics"), 11, 6)
    fork = copy.deepcopy(model)
    model.run_for(5)
    fork.run_for(5)
    assert np.array_equal(model.log_price, fork.log_price)


def test_it_is_a_mesa_model() -> None:
    model = MarketModel(load_scenario("baseline"), rng=1)
    collector = mesa.DataCollector(model_reporters={"yen": lambda m: float(m.daily["fx.USDJPY"].iloc[-1])})
    model.run_for(2)
    collector.collect(model)
    assert model.time == 2
    assert len(model.agents) == len(model.sectors)
    assert np.isfinite(model.sectors["life_insurers"][0].equity)
    assert 50 < collector.get_model_vars_dataframe()["yen"].iloc[0] < 400


def test_golden_path() -> None:
    """One path, to six digits; when a rule changes on purpose, run `python -m tests.golden.write` and look at it."""
    golden = json.loads(GOLDEN.read_text())
    model = MarketModel(load_scenario("sanaenomics"), rng=7)
    for day in (1, 5, 20):
        model.run_for(day - model.day)
        expected = golden[str(day)]
        assert dict(zip(IDS, model.log_price, strict=True)) == pytest.approx(expected, rel=1e-6), day


def test_a_price_that_has_lost_all_meaning_is_refused_before_trades_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _run(load_scenario("baseline"), 1, 1)
    clear = auction.clear

    def bottomless(*schedules, **options):
        clearing = clear(*schedules, **options)
        clearing.log_change[IDS.index("USDJPY")] = -26.0
        return clearing

    monkeypatch.setattr(auction, "clear", bottomless)
    before = model.ledger.units.copy()
    with pytest.raises(MarketFailure, match=r"USDJPY would clear only at exp\(-2\d(\.\d)?\) .* switches.market_making"):
        model.run_for(1)
    assert np.array_equal(model.ledger.units, before)


def test_a_run_does_not_go_on_beyond_its_scenario() -> None:
    model = _run(load_scenario("baseline", days=2), 1, 2)
    with pytest.raises(ValueError, match="baseline ends on day 2; load it with more days"):
        model.run_for(1)
    assert model.day == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "extreme",
    [
        {"news.scale": 50.0},
        {"carry_traders.gross_usd_bn": 0.0},
        {"crypto_longs.open_interest_usd_bn": 0.0},
        {"life_insurers.liability_share": 1.0},  # no solvency to lose
        {"life_insurers.esr_target_low": 1.0},  # above the highest
        {"dealers.concern_speed_low": 1.0},
        {"dealers.capacity_scale": 0.0},
    ],
)
def test_extremes_leave_finite_numbers(extreme: dict[str, float]) -> None:
    model = _run(load_scenario("baseline", overrides=extreme, days=12), 1, 12)
    assert np.isfinite(model.daily.select_dtypes("number").to_numpy()).all()


def test_a_price_beyond_any_number_is_told_as_a_failed_market() -> None:
    model = MarketModel(load_scenario("baseline", days=1), rng=1)
    model.quote = model.log_price
    for change in (1000.0, -1000.0):
        model.clearing = SimpleNamespace(log_change=np.full(N_MARKETS, change))
        with pytest.raises(MarketFailure, match="would clear only at"):
            model._cleared_price()
