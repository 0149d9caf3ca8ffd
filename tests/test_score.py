"""The published scorecard is whole, small, and what the README says."""

import json
import re
from pathlib import Path

import pytest

from experiments import score

ROOT = Path(__file__).parents[1]


PUBLISHED = sorted(score.PUBLISHED.glob("scorecard.json"))


def test_the_readme_says_what_the_published_scorecard_says() -> None:
    text = (ROOT / "README.md").read_text()
    if PUBLISHED:
        assert score.with_scores(text, json.loads(PUBLISHED[0].read_text())) == text, "run make validate"
    else:
        assert "No scorecard of the present rules has been published" in text


@pytest.mark.parametrize("path", PUBLISHED)
def test_the_published_scorecard_is_whole(path: Path) -> None:
    text = path.read_text()
    published = json.loads(text)
    assert [bar["name"] for bar in published["bars"]] == [
        "A_lines", "B_experiments", "C_signs", "C_factor_two", "C_bands", "S_lines"]  # fmt: skip
    assert min(published["seeds"][name] for name in ("calm", "2024-08")) >= 20
    assert (published["calm_days"], published["overrides"], published["failures"]) == (250, {}, [])
    assert not re.search(r'"[^"\n]*(/home|/root|/tmp|/Users|/work|[A-Z]:\\)', text)
    assert len(text) < 1_500_000
    assert (path.parent / score.FIGURE).stat().st_size < 700_000


def test_publishing_in_miniature(tmp_path: Path) -> None:
    readme, target = tmp_path / "README.md", tmp_path / "published"
    readme.write_text(f"before\n{score.BEGIN}\nwhat stood here\n{score.END}\nafter\n")
    score.publish(1, 5, ("A",), target, readme, workers=1)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stood" not in text
    assert "1 seeds of 5 days without a shock" in text
    assert re.search(r"^\| A, calm: lines passed \| \d+ \| 85 % \|", text, flags=re.MULTILINE)
    assert re.search(r"^\| A: .* \| news\.", text, flags=re.MULTILINE)
    assert {path.name for path in target.iterdir()} == {"scorecard.json", "figures"}
    assert score.with_scores(text, json.loads((target / "scorecard.json").read_text())) == text
