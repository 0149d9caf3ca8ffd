"""How far is the model from reality? The scorecard for results/published and for the README, run afresh.

Everything the README says about it in numbers is written from results/published/validation/scorecard.json by
`scores`.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abm.output.scorecard import number, read, span
from abm.study.validate import SECTIONS, validate
from experiments.publish import ROOT, shrink, within

PUBLISHED, README = ROOT / "results" / "published" / "validation", ROOT / "README.md"
BEGIN, END = "<!-- scorecard:begin -->", "<!-- scorecard:end -->"
FIGURE = Path("figures") / "scorecard.png"
PICTURE = """![Scorecard](results/published/validation/figures/scorecard.png)

Every line: [scorecard.json](results/published/validation/scorecard.json)."""


def publish(
    seeds: int | None = None,
    days: int | None = None,
    sections: Sequence[str] = tuple(SECTIONS),
    target: Path = PUBLISHED,
    readme: Path = README,
    workers: int | None = None,
) -> None:
    """Run the scorecard, keep its numbers and figure in `target`, rewrite its block in `readme`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card"
        validate(sections, seeds=seeds, days=days, workers=workers, out=path)
        shutil.rmtree(target, ignore_errors=True)
        (target / "figures").mkdir(parents=True)
        shutil.copy(path / "scorecard.json", target)
        shrink(path / FIGURE, target / FIGURE)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_scores(text, read(target)), encoding="utf-8")


def with_scores(text: str, document: Mapping[str, Any]) -> str:
    """The text with everything between the two marks written anew."""
    return within(text, BEGIN, END, lambda: scores(document))


def scores(document: Mapping[str, Any]) -> str:
    """The scorecard in words: shares that decide, episodes one by one, then every line that is missed."""
    lines = document["lines"]
    parts = (_about(document), _bars(document["bars"]), _episodes(lines), PICTURE, _misses(lines))
    return "\n\n".join(part for part in parts if part)


def _about(document: Mapping[str, Any]) -> str:
    seeds, days = document["seeds"], document["calm_days"]
    calm = f"{seeds['calm']} seeds of {days} days without a shock" if "calm" in seeds else ""
    episodes = [n for name, n in seeds.items() if name[:2] == "20"]
    played = f"{max(episodes)} seeds per episode" if episodes else ""
    return "One set of parameters for everything; " + ", ".join(p for p in (calm, played) if p) + "."


def _bars(bars: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| share | of | wanted | reached |", "| --- | ---: | ---: | ---: |"]
    for bar in bars:
        reached = f"{bar['result_pct']:.0f} %"
        mark = reached if bar["passed"] else f"**{reached}**"
        rows.append(f"| {bar['text']} | {bar['count']} | {bar['least_pct']:.0f} % | {mark} |")
    return "\n".join(rows)


def _episodes(lines: Sequence[Mapping[str, Any]]) -> str:
    """Per cent of moves by episode."""
    found: dict[str, dict[str, float]] = {}
    for entry in lines:
        if entry["section"] == "C" and not entry["part_of"]:
            _, name, kind = entry["id"].split(".")
            found.setdefault(name, {})[kind] = entry["result"]
    if not found:
        return ""
    rows = ["| episode | sign | within factor two | inside band |", "| --- | ---: | ---: | ---: |"]
    for name, shares in found.items():
        cells = (f"{shares[kind]:.0f} %" if kind in shares else "-" for kind in ("sign", "factor_two", "band"))
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _misses(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines that are missed, of experiments the parts that are; episodes are counted above."""
    asked = [e for e in lines if e["section"] != "C" and bool(e["part_of"]) == (e["section"] == "B")]
    missed = [e for e in asked if not e["passed"]]
    if not missed:
        return ""
    rows = ["| missed | range | model | held responsible |", "| --- | ---: | ---: | --- |"]
    for entry in missed:
        unit = f" {entry['unit']}".rstrip()
        words = f"{entry['section']}: {_words(entry, lines)}"
        rows.append(f"| {words} | {span(entry)}{unit} | {number(entry['result'])} | {entry['responsible']} |")
    return "\n".join(rows)


def _words(entry: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """What was measured; a part of an experiment after the experiment."""
    whole = next((e["text"] for e in lines if e["id"] == entry["part_of"]), "")
    return f"{whole}: {entry['text']}" if whole else str(entry["text"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="at most so many seeds of everything")
    parser.add_argument("--days", type=int, help="days of the calm year")
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    publish(asked.seeds, asked.days, workers=asked.workers)


if __name__ == "__main__":
    main()
