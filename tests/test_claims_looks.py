"""When a claim stops, on claims made up for it, and how many runs are ahead."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from abm.study.claims import (
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    Claim,
    Estimate,
    Runs,
    Verdict,
    arm,
    mean,
    ratio,
    share,
)
from abm.study.claims.arms import Arm
from abm.study.claims.budget import Budget, ahead
from abm.study.claims.dependence import Moves, few, is_tried, screened, screening, to_screen, to_vary
from abm.study.claims.looks import LEVEL, is_plain, looks
from abm.study.claims.runs import Store
from abm.study.claims.trial import Court, ahead_in_words, try_claims
from abm.study.free import Free, free_parameters

RNG = np.random.default_rng(5)
ZERO_MEAN = RNG.normal(size=200)
ZERO_MEAN -= np.concatenate([np.full(n, ZERO_MEAN[a : a + n].mean()) for a, n in ((0, 40), (40, 60), (100, 100))])
ZERO_MEAN /= ZERO_MEAN.std()
NOTHING = Moves((), ())
ONE = arm("baseline", days=1)

type Draws = Mapping[str, np.ndarray]


class Recorded(Store):
    """Runs nothing; remembers what it was asked for."""

    def __init__(self) -> None:
        self.root = Path("nowhere")
        self.seeds: list[int] = []

    def fill(self, wanted: Iterable[tuple[Arm, range]], workers: int | None, progress: bool) -> None:
        self.seeds += [len(some) for _, some in wanted]

    def ensemble(self, arm: Arm, seeds: range) -> Any:
        return SimpleNamespace(arm=arm, seeds=tuple(seeds), failures=())


def positive(found: Mapping[str, Estimate]) -> Verdict:
    """Supported if every effect is above zero."""
    return Verdict(SUPPORTED if all(e.above() for e in found.values()) else NOT_SUPPORTED, "so it is")


def made_up(draws: Draws, verdict: Callable[[Any], Verdict] = positive, **changes: Any) -> Claim:
    """A claim whose effects are means of given numbers, one for each seed."""

    def effects(runs: Runs) -> dict[str, Estimate]:
        return {name: mean(name, "bp", x[: len(runs["one"].seeds)]) for name, x in draws.items()}

    told = {name: f"{name} of a claim made up" for name in ("claim", "question", "design", "rule")}
    settings = {"arms": {"one": ONE}, "core": ("one",), "draw": lambda *_: None, "effects": effects, **changes}
    return Claim(id="C1", **told, verdict=verdict, **settings)


def settled(claim: Claim, allowed: int = 200) -> tuple[int, list[int]]:
    """Seeds used, and those asked for in turn."""
    store = Recorded()
    court = Court(store, allowed, NOTHING, 1, False, Path())
    return court.settle([claim])[claim.id].seeds, store.seeds


def test_looks_are_a_fifth_half_and_all() -> None:
    assert looks(200) == (40, 100, 200)
    assert looks(20) == (8, 20)
    assert [looks(n) for n in (1, 2, 8, 10, 30)] == [(1,), (2,), (8,), (10,), (8, 15, 30)]


@pytest.mark.parametrize(
    ("mean_in_sd", "seeds"), [(1.0, 40), (-1.0, 40), (0.38, 100), (0.2, 200), (0.0, 200), (-0.02, 200)]
)
def test_a_claim_stops_once_its_effect_is_three_standard_errors_off(mean_in_sd: float, seeds: int) -> None:
    used, asked = settled(made_up({"effect": ZERO_MEAN + mean_in_sd}))
    assert used == seeds
    assert set(asked) == {n for n in looks(200) if n <= seeds}


def test_two_effects_near_the_line_do_not_hide_one_another() -> None:
    both = made_up({"a": ZERO_MEAN, "b": -ZERO_MEAN})
    assert settled(both)[0] == 200
    assert settled(made_up({"a": ZERO_MEAN, "b": ZERO_MEAN - 1.0}))[0] == 40


def test_what_cannot_be_decided_or_has_no_interval_is_never_plain() -> None:
    undecided = made_up({"effect": ZERO_MEAN + 1.0}, lambda found: Verdict(UNDECIDED, "nobody knows"))
    assert settled(undecided)[0] == 200
    assert settled(made_up({"effect": ZERO_MEAN + 1.0, "short": np.array([1.0, 1.0])}))[0] == 200


def test_a_search_that_changes_the_verdict_keeps_a_claim_going() -> None:
    """Whether it is plain is asked again with the arms of the search."""

    def verdict(found: Mapping[str, Estimate]) -> Verdict:
        return Verdict(SUPPORTED, "without the search") if len(found) == 1 else positive(found)

    def effects(runs: Runs) -> dict[str, Estimate]:
        n = len(runs["one"].seeds)
        found = {"clear": mean("", "bp", ZERO_MEAN[:n] + 1.0)}
        return found | ({"searched": mean("", "bp", ZERO_MEAN[:n])} if "two" in runs else {})

    claim = made_up({}, verdict, effects=effects, refine=lambda runs: {"two": arm("baseline", days=2)})
    assert settled(claim)[0] == 200


def test_intervals_widen_with_the_level() -> None:
    for found in (mean("", "", ZERO_MEAN + 1.0), share("", ZERO_MEAN > 0.5), ratio("", ZERO_MEAN, ZERO_MEAN + 9.0)):
        low, high = found.interval(LEVEL)
        assert low < found.low < found.value < found.high < high
        assert (high - low) / (found.high - found.low) == pytest.approx(3.0 / 1.96, rel=0.15)
        assert found.interval(0.95) == (found.low, found.high)
    exactly = mean("", "", ZERO_MEAN).exactly(2.0)
    assert exactly.known and exactly.above(1.9) and exactly.below(2.1)


def test_plain_means_the_same_verdict_all_over_the_wider_interval() -> None:
    claim = made_up({})
    effects = {"effect": mean("", "bp", ZERO_MEAN[:40] + 0.35)}
    assert claim.verdict(effects).label == SUPPORTED and effects["effect"].interval(LEVEL)[0] < 0.0
    assert not is_plain(claim, effects)


# -- with runs -------------------------------------------------------------------------------------------------------


def test_a_trial_that_is_resumed_comes_to_the_same(tmp_path: Path) -> None:
    def effects(runs: Runs) -> dict[str, Estimate]:
        return {"yen": mean("USDJPY on day 1", "yen", runs["one"].level("USDJPY")[:, 1])}

    claim = made_up({}, effects=effects)
    court = Court(Store(tmp_path), 12, NOTHING, 1, False, tmp_path)
    court.fill([(ONE, range(1, 4))])  # where it was stopped
    assert ahead([claim], 12, NOTHING, Store(tmp_path)) == Budget(9, 9)
    found = []
    for _ in range(2):
        try_claims({"C1": claim}, 12, moves=NOTHING, workers=1, out=tmp_path, progress=False)
        found.append(json.loads((tmp_path / "claims.json").read_text())["claims"]["C1"] | {"time": ""})
    assert found[0] == found[1]
    assert found[0]["seeds"] == 8 and found[0]["stopped"] == "plain with 8 seeds"
    assert len(list(tmp_path.rglob("*.npz"))) == 8
    assert "plain with 8 seeds" in (tmp_path / "report.html").read_text()


# -- dependence in two stages, and what is ahead ---------------------------------------------------------------------


def two_arms(**changes: Any) -> Claim:
    """A claim with a long arm beside those of its headline."""
    arms = {"a": arm("baseline", days=6), "b": arm("baseline", days=4), "c": arm("baseline", days=9)}
    return made_up({}, **{"arms": arms, "core": ("a", "b", "c"), "leading": ("a", "b"), **changes})


def test_parameters_are_screened_on_few_seeds_of_the_arms_of_the_headline() -> None:
    moves = Moves(free_parameters()[:4], ())
    claim = two_arms()
    assert not is_tried(claim, 20) and to_screen(claim, 20, moves) == []
    assert (screening(claim, 200), few(claim, 200), few(claim, 100)) == (3, 8, 8)
    tried = to_screen(claim, 200, moves)
    assert {(arm.days, len(seeds)) for arm, seeds in tried} == {(4, 3)}
    assert len(tried) == 2 * (1 + 2 * 4)
    varied = to_vary(claim, 200, moves, moves.parameters[:3])
    assert {(arm.days, len(seeds)) for arm, seeds in varied[: 2 * 2 * 3]} == {(4, 8)}
    assert {(arm.days, len(seeds)) for arm, seeds in varied[2 * 2 * 3 :]} == {(6, 8), (4, 8), (9, 8)}
    assert {arm.days for arm, _ in to_vary(two_arms(horizon=3), 200, moves, ())} == {3}


def test_the_parameters_that_move_the_headline_most_come_first() -> None:
    chosen: tuple[Free, ...] = free_parameters(("carry_traders.leverage_median", "crypto_longs.leverage_median"))

    def headline(runs: Runs) -> Estimate:
        params = runs["a"].arm.scenario.params
        return mean("", "bp", np.full(3, params["crypto_longs"].leverage_median))

    claim = two_arms(headline=headline)
    assert [free.name for free in screened(claim, Recorded(), 200, Moves(chosen, ()))] == [
        "crypto_longs.leverage_median",
        "carry_traders.leverage_median",
    ]


def test_what_is_ahead_is_counted(tmp_path: Path) -> None:
    claim = two_arms(searched=(ONE, ONE))
    said = ahead_in_words({"C1": claim}, 20, tmp_path, False)
    assert said == "100 runs, 420 simulated days, are ahead at most; 40 and 168 if every verdict is plain with 8 seeds."
    assert ahead([claim], 10, NOTHING, Store(tmp_path)) == Budget(50, 10 * (6 + 4 + 9 + 1 + 1))
    assert ahead([claim, claim], 10, NOTHING, Store(tmp_path), {"C1": 8}) == Budget(24 + 32, 8 * (6 + 4 + 9) + 4 * 8)
    more = [arm("baseline", days=6, share=0.5), arm("baseline", days=2)]
    further = ahead([claim], 10, NOTHING, Store(tmp_path), further=more)
    assert further == Budget(60, 10 * (6 + 4 + 9 + 1 + 1 + 2))
