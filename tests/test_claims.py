"""Every claim's script in miniature, and what keeps their runs, numbers and report honest."""

import csv
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from abm import cli
from abm.output.claims_report import page
from abm.study.claims import Runs, arm, channels, difference, mean, ratio, share
from abm.study.claims.claim import VERDICTS
from abm.study.claims.dependence import (
    AS_IS,
    CANDIDATES,
    POPULATIONS,
    ROBUSTNESS,
    SHOWN,
    Moves,
    changed,
    ends,
    few,
    is_tried,
    leading,
    screening,
    to_screen,
    to_vary,
)
from abm.study.claims.runs import ObservedModel, Store, observed_model
from abm.study.claims.trial import load_claims, try_claims
from abm.study.free import free_parameters
from abm.world.errors import InputError
from experiments import c16_how_fragile_is_the_equilibrium as c16
from experiments import publish_claims
from experiments.channels_which_channel_moves_which_market import channels as by_script

ROOT = Path(__file__).parents[1]
VARIED = ("C1", "C5", "C7")  # tried with other parameters and choices too
CLAIMS = {name: replace(c, few=1.0) if name in VARIED else c for name, c in load_claims().items()}
FEW = Moves(free_parameters(CANDIDATES[:1]), ROBUSTNESS[:1])
DAYS = 25


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """All claims on two seeds and a few days."""
    out = tmp_path_factory.mktemp("claims") / "claims"
    try_claims(CLAIMS, 2, days=DAYS, moves=FEW, workers=1, out=out, progress=False)
    return out, json.loads((out / "claims.json").read_text())["claims"]


class Ran(NamedTuple):
    """Runs of an arm, of which only the seeds are asked."""

    seeds: range


@pytest.mark.parametrize("name", CLAIMS)
def test_a_script_in_miniature(tried: tuple[Path, dict[str, Any]], name: str) -> None:
    out, entries = tried
    entry = entries[name]
    assert entry["verdict"] in VERDICTS and entry["because"]
    assert entry["failures"] == []
    assert entry["effect"] == next(iter(entry["effects"].values()))
    assert entry["seeds"] == 2 and entry["stopped"] == "2 seeds, the most allowed"
    tried_too = name in VARIED
    assert len(entry["robustness"]) == 2 * tried_too and len(entry["parameters_tried"]) == tried_too
    assert (out / entry["figure"]).stat().st_size > 10_000


def test_the_report_stands_alone(tried: tuple[Path, dict[str, Any]]) -> None:
    out, entries = tried
    html = (out / "report.html").read_text()
    assert html == page({"claims": entries}, out)
    assert html.count("data:image/png;base64,") == len(CLAIMS)
    assert not re.search(r'(src|href)="(?!data:|#)', html)


def test_nothing_is_run_twice(tried: tuple[Path, dict[str, Any]]) -> None:
    out, _ = tried
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.npz")}
    name = next(iter(CLAIMS))
    try_claims({name: CLAIMS[name]}, 2, days=DAYS, moves=FEW, workers=1, out=out, progress=False)
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.npz")} == before
    assert list(json.loads((out / "claims.json").read_text())["claims"]) == list(CLAIMS)


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.leading])
def test_a_headline_is_the_first_effect_and_needs_its_own_arms_alone(
    tried: tuple[Path, dict[str, Any]], name: str
) -> None:
    claim, store = CLAIMS[name], Store(tried[0])
    assert claim.headline is not None
    all_of_core, its_own = (
        Runs(store, {name: claim.arms[name].shortened(DAYS) for name in names}, 2)
        for names in (claim.core, claim.leading)
    )
    first, alone = next(iter(claim.effects(all_of_core).values())), claim.headline(its_own)
    assert alone.text == first.text
    assert alone.value == pytest.approx(first.value, nan_ok=True)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_script_says_what_it_does(name: str) -> None:
    claim = CLAIMS[name]
    assert claim.id == name
    assert all(len(words) > 20 for words in (claim.claim, claim.question, claim.design, claim.rule))
    assert set(claim.core) <= set(claim.arms)


def test_what_is_divided_by_another_size_has_its_seeds() -> None:
    """C16 pairs every size of the programme with half of it, seed by seed."""
    assert {len(one.seeds(200)) for one in CLAIMS["C16"].arms.values()} == {200}


def test_members_are_halved_and_not_set() -> None:
    baseline = arm("baseline", days=1).scenario
    assert {name: baseline.params[name].members for name in POPULATIONS} == POPULATIONS


def test_publishing_in_miniature(tried: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, entries = tried
    readme, target = tmp_path / "README.md", tmp_path / "published"
    readme.write_text(f"before\n{publish_claims.BEGIN}\nwhat stood here\n{publish_claims.END}\nafter\n")
    publish_claims.publish(2, DAYS, target, readme, 1, out, FEW)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stood" not in text
    assert all(f"| {name} | {entry['claim']} | **{entry['verdict']}** |" in text for name, entry in entries.items())
    assert {path.name for path in target.iterdir()} == {"claims.json", "report.html", "figures", "channels.csv"}
    assert (target / "figures" / "channels.png").exists() and "moves which market" in (
        target / "report.html"
    ).read_text()
    assert publish_claims.with_verdicts(text, json.loads((target / "claims.json").read_text())) == text
    publish_claims.publish(2, DAYS, target, readme, 1, out, FEW, ["C7"])
    assert readme.read_text() == text and (target / "figures" / "c08.png").exists()


def test_the_readme_says_what_the_published_verdicts_say() -> None:
    text, published = (ROOT / "README.md").read_text(), publish_claims.PUBLISHED / "claims.json"
    document = json.loads(published.read_text()) if published.exists() else None
    assert publish_claims.with_verdicts(text, document) == text, "run make publish-claims"


def test_channels_in_miniature(tmp_path: Path) -> None:
    out = tmp_path / "claims"
    cells = by_script(2, 1, out, days=6)
    rows = list(csv.DictReader((out / "channels.csv").read_text().splitlines()))
    assert len(rows) == len(cells) == (1 + len(channels.CHANNELS)) * len(channels.MARKETS)
    assert {row["seeds"] for row in rows} == {"2"}
    whole = {row["market"]: float(row["adds"]) for row in rows if row["channel"] == channels.WHOLE}
    assert whole["JGB40"] > 0.0
    assert (out / "figures" / "channels.png").stat().st_size > 10_000
    html = unescape(page({"claims": {}}, out))
    assert "Which channel moves which market" in html and html.count("data:image/png;base64,") == 1
    assert "mean of 2 paired seeds" in html and all(name in html for name in channels.CHANNELS)


# -- runs --------------------------------------------------------------------------------------------------------------


def test_what_is_kept_of_a_run_adds_up(tmp_path: Path) -> None:
    one = arm("baseline", days=7)
    store = Store(tmp_path)
    store.fill([(one, one.seeds(2))], 1, False)
    kept = store.ensemble(one, one.seeds(2))
    model = ObservedModel(one.scenario, rng=2)
    model.run_for(7)
    assert np.allclose(kept.level("JGB40")[1], model.daily["yield_pct.JGB40"], atol=1e-6)
    bought = model.flows.query("sector == 'dealers' and market == 'UST10'")
    assert kept.flows(["dealers"], ["UST10"])[1].sum() == pytest.approx(bought["usd_bn"].sum(), abs=1e-5)
    assert kept.flows(["dealers"], ["UST10"]).shape == (2, 2)
    for market in ("JGB40", "NIKKEI"):
        total = sum(part.sum(axis=1) for part in kept.parts(market).values())
        assert np.allclose(total, kept.series(market)[:, -1], atol=1e-3)


def test_differences_are_of_the_same_seeds(tmp_path: Path) -> None:
    a, b = arm("baseline", days=2), replace(arm("sanaenomics", days=2), share=0.5)
    store = Store(tmp_path)
    store.fill([(a, a.seeds(4)), (b, b.seeds(4))], 1, False)
    both = [store.ensemble(x, x.seeds(4)) for x in (b, a)]
    assert len(both[0].seeds) == 2
    assert np.array_equal(difference(*both, lambda runs: runs.level("BTC")), np.zeros((2, 3)))


def test_sectors_in_reverse_order_are_the_same_sectors() -> None:
    one = arm("baseline", days=2)
    plain, backwards = (observed_model(replace(one, world=world), 1) for world in ("", "backwards"))
    assert list(backwards.sectors) == list(reversed(list(plain.sectors)))
    for model in (plain, backwards):
        model.run_for(2)
    assert np.allclose(plain.log_price, backwards.log_price, atol=1e-6)


def test_a_variation_changes_every_core_arm() -> None:
    claim = CLAIMS["C7"]
    halved = next(variation for variation in ROBUSTNESS if "members" in variation.text)
    arms = changed(claim, claim.core, halved)
    assert set(arms) == set(claim.core)
    assert all(a.scenario.params["carry_traders"].members == 2500 for a in arms.values())


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("seeds", [20, 200])
def test_what_a_verdict_depends_on_is_read_from_runs_that_are_planned(name: str, seeds: int) -> None:
    claim, moves = load_claims()[name], Moves()
    if not is_tried(claim, seeds):
        return
    chosen = moves.parameters[:SHOWN]
    planned = [*to_screen(claim, seeds, moves), *to_vary(claim, seeds, moves, chosen)]
    kept = {(planned_arm.hash, seed) for planned_arm, numbers in planned for seed in numbers}
    for count, some in ((few(claim, seeds), chosen), (screening(claim, seeds), moves.parameters)):
        for variation in (AS_IS, *(end for free in some for end in ends(free))):
            for read in changed(claim, leading(claim), variation).values():
                assert {(read.hash, seed) for seed in read.seeds(count)} <= kept


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_the_line_from_which_shocks_are_amplified_is_found_by_doubling_and_bisection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fragile, run = c16.CONCERNS[0], {c16.point(0.0, c16.CONCERNS[0]): Ran(range(4))}
    monkeypatch.setattr(c16, "tips", lambda runs, size, concern: size >= 1.3)
    asked = []
    while (size := c16.search(run, fragile).wanted) is not None:
        asked.append(size)
        run[c16.point(size, fragile)] = Ran(range(4))
    found = c16.search(run, fragile)
    assert asked == [1.0, 2.0, 1.414, 1.189]
    assert (found.low, found.high, found.seeds) == (1.189, 1.414, 4)
    monkeypatch.setattr(c16, "tips", lambda runs, size, concern: False)
    for size in c16.SIZES:
        run[c16.point(size, fragile)] = Ran(range(4))
    beyond = c16.search(run, fragile)
    assert (beyond.low, beyond.within, np.isnan(beyond.value)) == (8.0, False, True)


def test_estimates() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 1.0, 400)
    found = mean("x", "bp", x)
    assert found.low < 2.0 < found.high and found.above() and not found.below()
    assert not mean("x", "bp", x[:3]).known
    half = share("x", x > 2.0)
    assert half.low < 50.0 < half.high and half.value == pytest.approx(100.0 * (x > 2.0).mean())
    assert ratio("x", 3.0 * x, x).value == pytest.approx(3.0)
    assert not ratio("x", x, np.zeros(400)).known


# -- the command -------------------------------------------------------------------------------------------------------


def test_an_unknown_claim_is_answered_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "C77", "--out", str(tmp_path / "out")]) == 2
    assert "C77" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    assert cli.main(["claims", "C7", "--seeds", "2", "--out", str(tmp_path)]) == 2
    assert "letter.txt" in capsys.readouterr().err and len(list(tmp_path.iterdir())) == 1


def test_without_scripts_it_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="checkout"):
        load_claims((), tmp_path)
