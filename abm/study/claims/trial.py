"""All claims or some of them: run what is missing, judge, write claims.json, figures and the report."""

import argparse
import datetime as dt
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from abm.output.claims_report import CHANNELS_TABLE, DOCUMENT, FIGURES, REPORT, page, show
from abm.output.files import ASIDE, write_aside
from abm.output.tables import as_json, read_json
from abm.study.claims import channels, dependence
from abm.study.claims.arms import DAYS, Arm
from abm.study.claims.budget import ahead
from abm.study.claims.claim import Claim
from abm.study.claims.dependence import wanted
from abm.study.claims.looks import is_plain, looks
from abm.study.claims.runs import RUNS, Runs, Store, model_hash
from abm.study.free import Free
from abm.study.run import PACKAGE, git_revision, package_versions
from abm.world.errors import InputError, unknown_name, wrong_value

SCRIPTS: Final = PACKAGE.parent / "experiments"
SEEDS: Final = 200
OUT: Final = Path("results") / "claims"
SCRIPT: Final = re.compile(r"c(\d\d)_\w+\.py")


def load_claims(names: Iterable[str] = (), scripts: Path = SCRIPTS) -> dict[str, Claim]:
    """Claims of the scripts cNN_*.py, in order; those named ("C7"), or all. InputError for an unknown one."""
    found = {f"C{int(match[1])}": file for file in sorted(scripts.glob("c*.py")) if (match := SCRIPT.match(file.name))}
    if not found:
        raise InputError(
            f"{scripts}: has no scripts cNN_*.py of claims; they are in experiments/ of a checkout, and abm must be "
            "installed from one (make setup does it)"
        )
    wanted = [name.upper() for name in names]
    for name in wanted:
        if name not in found:
            raise unknown_name("command line", "claim", name, found)
    return {name: _script(found[name]).CLAIM for name in found if not wanted or name in wanted}


def _script(file: Path) -> ModuleType:
    name = f"{file.parent.name}.{file.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def try_claims(
    claims: Mapping[str, Claim],
    seeds: int = SEEDS,
    *,
    days: int | None = None,
    moves: dependence.Moves | None = None,
    workers: int | None = None,
    out: Path = OUT,
    progress: bool = True,
    with_channels: bool = False,
) -> dict[str, Any]:
    """Put claims on trial; returns what `claims.json` holds.

    seeds: the most a claim may take; it stops with fewer where its verdict is plain (`looks`). days: break every arm
    off there, to look whether all works. moves: parameters and choices tried, by default all. with_channels: also the
    table and heat map of channels by markets. out: earlier runs there are used again, and entries of claims that are
    not asked for stay. KeyboardInterrupt, in words, keeps what is done.
    """
    require_own(out)
    entries = earlier(out)
    chosen = {name: _shortened(claim, days) for name, claim in claims.items()}
    court = Court(Store(out), seeds, moves or dependence.Moves(), workers, progress, out)
    settled = court.settle(chosen.values())
    influential = court.vary(chosen.values())
    if with_channels:
        arms = channels.worlds(min(days or DAYS, DAYS))
        court.fill(wanted(arms, seeds))
        channels.told(court.store, arms, seeds, out)
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for name, claim in chosen.items():
        entries[name] = court.judge(claim, settled[claim.id], influential[claim.id])
        _keep(entries, out)
        (out / REPORT).write_text(page({"claims": earlier(out)}, out), encoding="utf-8")
    return {"claims": {name: entry for name, entry in earlier(out).items() if name in chosen}}


def ahead_in_words(claims: Mapping[str, Claim], seeds: int, out: Path, with_channels: bool) -> str:
    """How many runs and days a trial takes at most, and at least, what is done there not counted."""
    further = channels.worlds().values() if with_channels else ()
    at_first = dict.fromkeys((claim.id for claim in claims.values()), looks(seeds)[0])
    most, least = (
        ahead(claims.values(), seeds, dependence.Moves(), Store(out), used, further) for used in ({}, at_first)
    )
    sooner = f"; {least.runs:,} and {least.days:,} if every verdict is plain with {looks(seeds)[0]} seeds"
    return f"{most.runs:,} runs, {most.days:,} simulated days, are ahead at most{sooner if least != most else ''}."


@dataclass(frozen=True)
class Settled:
    """A claim that has been run on enough seeds. arms: all of it, those a search asked for included."""

    seeds: int
    arms: dict[str, Arm]


@dataclass(frozen=True)
class Court:
    """What claims are judged with. seeds: the most of a claim."""

    store: Store
    seeds: int
    moves: dependence.Moves
    workers: int | None
    progress: bool
    out: Path

    def fill(self, wanted: Iterable[tuple[Arm, range]]) -> None:
        """Run what is missing of some arms."""
        self.store.fill(wanted, self.workers, self.progress)

    def settle(self, claims: Iterable[Claim]) -> dict[str, Settled]:
        """Seeds are added to every claim until its verdict is plain or no more are allowed.

        Whether it is plain is asked of its core arms first, and again once all its arms are run.
        """
        settled: dict[str, Settled] = {}
        waiting = list(claims)
        for seeds in looks(self.seeds):
            last = seeds == self.seeds
            self.fill(row for claim in waiting for row in wanted(claim.core_arms, seeds))
            ready = [claim for claim in waiting if last or self._is_plain(claim, claim.core_arms, seeds)]
            for claim, arms in zip(ready, self.completed(ready, seeds), strict=True):
                if last or self._is_plain(claim, arms, seeds):
                    settled[claim.id] = Settled(seeds, arms)
            waiting = [claim for claim in waiting if claim.id not in settled]
        return settled

    def _is_plain(self, claim: Claim, arms: Mapping[str, Arm], seeds: int) -> bool:
        return is_plain(claim, claim.effects(Runs(self.store, arms, seeds)))

    def completed(self, claims: Sequence[Claim], seeds: int) -> list[dict[str, Arm]]:
        """All arms of claims, with those that follow from what others gave; all are run."""
        complete = [dict(claim.arms) for claim in claims]
        further = complete
        while any(further):
            self.fill(row for arms in further for row in wanted(arms, seeds))
            further = [self._asked(claim, arms, seeds) for claim, arms in zip(claims, complete, strict=True)]
            for arms, more in zip(complete, further, strict=True):
                arms.update(more)
        return complete

    def _asked(self, claim: Claim, arms: Mapping[str, Arm], seeds: int) -> dict[str, Arm]:
        asked = claim.refine(Runs(self.store, arms, seeds)) if claim.refine else {}
        return {name: arm for name, arm in asked.items() if name not in arms}

    def vary(self, claims: Iterable[Claim]) -> dict[str, list[Free]]:
        """Run what dependence on parameters and robustness are read from; parameters of every claim as screened."""
        claims = list(claims)
        self.fill(row for claim in claims for row in dependence.to_screen(claim, self.seeds, self.moves))
        found = {claim.id: dependence.screened(claim, self.store, self.seeds, self.moves) for claim in claims}
        self.fill(row for claim in claims for row in self._to_vary(claim, found[claim.id]))
        return found

    def _to_vary(self, claim: Claim, order: Sequence[Free]) -> dependence.Wanted:
        return dependence.to_vary(claim, self.seeds, self.moves, order[: dependence.SHOWN])

    def judge(self, claim: Claim, settled: Settled, order: Sequence[Free]) -> dict[str, Any]:
        """The entry of one claim; its figure is drawn. order: its parameters as screened."""
        seeds, arms = settled.seeds, settled.arms
        runs = Runs(self.store, arms, seeds)
        effects = claim.effects(runs)
        verdict = claim.verdict(effects)
        figure = f"{FIGURES}/c{int(claim.id[1:]):02d}.png"
        claim.draw(self.out / figure, runs, effects)
        moved = dependence.parameters(claim, self.store, self.seeds, order)
        varied = [*dependence.to_screen(claim, self.seeds, self.moves), *self._to_vary(claim, order)]
        kept = {self.store.file(arm, seed) for arm, some in (*wanted(arms, seeds), *varied) for seed in some}
        return {
            **{name: getattr(claim, name) for name in ("id", "claim", "question", "design", "rule", "reality")},
            "verdict": verdict.label,
            "because": verdict.because,
            "effect": dependence.headline(effects).document(),
            "effects": {name: estimate.document() for name, estimate in effects.items()},
            "more": {name: estimate.document() for name, estimate in claim.more(runs).items()},
            "seeds": seeds,
            "stopped": f"plain with {seeds} seeds" if seeds < self.seeds else f"{seeds} seeds, the most allowed",
            "depends_on": moved[: dependence.SHOWN],
            "parameters_tried": moved,
            "robustness": dependence.robustness(claim, self.store, self.seeds, self.moves),
            "record": [row.document() for row in claim.record(runs)],
            "figure": figure,
            "arms": {name: _about(arm, seeds) for name, arm in arms.items()},
            "runs": len(kept),
            "failures": [said for name in arms for said in runs[name].failures],
            "commit": git_revision(),
            "model": model_hash(),
            "packages": package_versions(),
            "time": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        }


def _about(arm: Arm, seeds: int) -> dict[str, Any]:
    return {"scenario": arm.name, "hash": arm.hash, "days": arm.days, "seeds": len(arm.seeds(seeds))}


def _shortened(claim: Claim, days: int | None) -> Claim:
    if days is None:
        return claim
    return replace(claim, arms={name: arm.shortened(days) for name, arm in claim.arms.items()}, searched=())


def _keep(entries: Mapping[str, Any], out: Path) -> None:
    text = as_json({"claims": in_order(entries)})
    write_aside(out / DOCUMENT, lambda file: file.write(text.encode()))


def earlier(out: Path) -> dict[str, Any]:
    """Entries that are there already."""
    path = out / DOCUMENT
    found = read_json(path, "what abm claims found").get("claims") if path.is_file() else {}
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no claims, but what abm claims found is needed")
    return found


def in_order(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries by the number of their claim."""
    return dict(sorted(entries.items(), key=lambda item: int(item[0][1:])))


def require_own(out: Path) -> None:
    """InputError if the directory holds something other than claims."""
    if out.is_dir():
        own = (RUNS, FIGURES, DOCUMENT, REPORT, CHANNELS_TABLE)
        foreign = [path.name for path in out.iterdir() if path.name not in own and path.suffix != ASIDE]
        if foreign:
            allowed = f"a new or empty directory or one of claims, and {foreign[0]} is not of claims"
            raise wrong_value("claims", "--out", str(out), allowed)


def main(claim: Claim) -> None:
    """A script on its own: its options, its runs, its answer."""
    options = argparse.ArgumentParser(description=f"{claim.id}: {claim.question}")
    options.add_argument("--seeds", type=int, default=SEEDS, help="the most; fewer where the verdict is plain")
    options.add_argument("--workers", type=int)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    print(ahead_in_words({claim.id: claim}, chosen.seeds, chosen.out, False))
    show(try_claims({claim.id: claim}, chosen.seeds, workers=chosen.workers, out=chosen.out))
    print(f"\nFiles: {chosen.out}")
