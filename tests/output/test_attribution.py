"""Who moved the market."""

import numpy as np
import pytest

from abm.output.attribution import Contributions, contributions, label, sentence
from abm.output.tables import RunDirectory
from tests.output.conftest import DAYS


def test_mean_parts_add_up_to_the_mean_move_of_the_complete_seeds(saved: RunDirectory) -> None:
    found = contributions(saved, ("JGB40", "USDJPY"), DAYS)
    daily = saved.daily.set_index(["seed", "day"])
    jgb = daily["yield_pct.JGB40"].unstack("seed").mean(axis=1).to_numpy()
    yen = np.log(daily["fx.USDJPY"].unstack("seed")).mean(axis=1).to_numpy()
    np.testing.assert_allclose(found["JGB40"].total, 100.0 * (jgb - jgb[0]), atol=1e-9)
    np.testing.assert_allclose(found["USDJPY"].total, 100.0 * (yen - yen[0]), atol=1e-9)
    assert found["JGB40"].seeds == 3


def test_parts_belong_to_sector_and_reason(saved: RunDirectory) -> None:
    found = contributions(saved, ("UST30",), DAYS)["UST30"]
    table = saved.frame("attribution").query("market == 'UST30' and day <= 5")
    sums = table.groupby(["sector", "reason"], observed=True)["bp"].sum() / 3
    for name, value in found.at(5).items():
        assert value == pytest.approx(sums.loc[name], abs=1e-12)


def test_the_sentence_names_the_largest_parts_first() -> None:
    parts = np.array([[0.0, 1.0, 2.0], [0.0, -1.0, -0.5], [0.0, 7.0, 3.0]])
    names = (("life_insurers", "repatriation"), ("banks", "valuation"), ("news", "news"))
    move, who = sentence(Contributions("JGB40", names, parts, 2), named=2)
    assert move == "JGB40 +7.0 bp by day 1:"
    assert who == "public news +7.0, life insurers: repatriation +1.0"


def test_contributors_are_named_in_words() -> None:
    assert label(("ministry_of_finance", "intervention_funding")) == "MoF: intervention funding"
    assert label(("news", "policy_news")) == "policy news"
