"""Ensembles of which only closes are kept."""

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.study.paths import NothingLeft, PathModel, Trial, experiment, run_paths, with_events
from abm.world.errors import InputError
from abm.world.events import Flow

SCENARIO = load_scenario("sanaenomics", days=5)


def test_closes_are_those_of_the_full_model() -> None:
    model = MarketModel(SCENARIO, rng=3)
    model.run_for(5)
    paths = run_paths({"x": experiment(SCENARIO, [3])}, workers=1, progress=False)["x"]
    jgb30 = model.daily["yield_pct.JGB30"].to_numpy()
    np.testing.assert_allclose(paths.series("JGB30")[0] / 100.0, jgb30, rtol=1e-12)
    np.testing.assert_allclose(paths.series("AUDJPY")[0], 100.0 * np.log(model.daily["fx.AUDJPY"]), rtol=1e-12)
    assert paths.called_pct.shape == (1, 6)
    assert paths.change("USDJPY", 5)[0] == pytest.approx(paths.series("USDJPY")[0, 5] - paths.series("USDJPY")[0, 0])


def test_results_do_not_depend_on_workers_and_keep_their_names() -> None:
    pushed = with_events(SCENARIO, Flow(market="UST10", amount_usd_bn=-50.0, day=1))
    plan = {"plain": experiment(SCENARIO.shortened(2), 3), "pushed": experiment(pushed.shortened(2), 3)}
    one, two = (run_paths(plan, workers=workers, progress=False) for workers in (1, 2))
    for name in plan:
        np.testing.assert_array_equal(one[name].log_price, two[name].log_price)
        assert one[name].seeds == (1, 2, 3)
    assert (one["pushed"].change("UST10", 1) > one["plain"].change("UST10", 1)).all()


def test_a_shortened_run_is_the_beginning_of_the_long_one() -> None:
    short = load_scenario("sanaenomics").shortened(3)
    assert short.days == 3
    assert len(short.dates) == 4
    assert not short.events
    plan = {"short": experiment(short, [2]), "long": experiment(SCENARIO, [2])}
    runs = run_paths(plan, workers=1, progress=False)
    np.testing.assert_array_equal(runs["short"].log_price[0], runs["long"].log_price[0][:4])


def test_poor_dealers_start_with_part_of_their_capital() -> None:
    model = PathModel(Trial(SCENARIO, dealer_wealth=0.5))
    dealers = model.sectors["dealers"]
    np.testing.assert_allclose(dealers.wealth, 0.5 * dealers.capital)


def break_on_day(monkeypatch: pytest.MonkeyPatch, day: int, seeds: tuple[int, ...]) -> None:
    step = PathModel.step

    def broken(self: PathModel) -> None:
        if self.day + 1 == day and self.seed_number in seeds:
            raise ValueError("broken on purpose")
        step(self)

    monkeypatch.setattr(PathModel, "step", broken)


def test_failed_seeds_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    break_on_day(monkeypatch, 2, (2,))
    paths = run_paths({"x": experiment(SCENARIO.shortened(3), 3)}, workers=1, progress=False)["x"]
    assert paths.seeds == (1, 3)
    assert paths.log_price.shape[:2] == (2, 4)
    [failure] = paths.failures
    assert (failure.seed, failure.day) == (2, 2)
    assert "broken on purpose" in failure.error


def test_an_experiment_without_any_seed_left_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    break_on_day(monkeypatch, 1, (1, 2))
    with pytest.raises(NothingLeft, match="every seed failed, seed 1 on day 1: ValueError: broken on purpose"):
        run_paths({"x": experiment(SCENARIO.shortened(2), 2)}, workers=1, progress=False)


def test_no_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        experiment(SCENARIO, 0)
