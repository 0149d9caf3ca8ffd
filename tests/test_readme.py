"""The README is true: its commands and code run, its links lead somewhere, its numbers are those published."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abm import cli
from abm.agents import REGISTRY
from abm.world.instruments import N_MARKETS
from experiments import publish, switch_off

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
SMALLER = {
    r"--seeds \d+": "--seeds 2",
    r"--days \d+": "--days 3",
    r"\bseeds=\d+": "seeds=2",
    r"\bdays=\d+": "days=3",
    r"run_for\(\d+\)": "run_for(3)",
    r"range\(\d+\)": "range(3)",
    r"\.loc\[jgb40\.index <= \d+\]": ".loc[jgb40.index <= 3]",
}


def in_miniature(text: str) -> str:
    """The same with few seeds and days."""
    for pattern, few in SMALLER.items():
        text = re.sub(pattern, few, text)
    return text


def commands(block: str) -> Iterator[list[str]]:
    """Command lines of a shell block, comments left out."""
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def run_command(words: list[str]) -> None:
    """A command of the README in miniature, in the current directory."""
    match words:
        case ["source", ".venv/bin/activate"]:
            return
        case ["solara", "run", page]:
            assert (ROOT / page).is_file()
        case ["make", target]:
            assert re.search(rf"^{target}:.*##", MAKEFILE, flags=re.MULTILINE), target
        case ["abm", "browser", *arguments]:  # serves until interrupted; tests/browser starts it
            assert cli.main(["browser", *arguments, "--help"]) == 0, words
        case ["abm", *arguments]:
            if arguments[0] in ("run", "compare") and "--days" not in arguments:
                arguments += ["--days", "3"]
            if arguments[0] in ("run", "compare") and "results/tour" not in arguments:
                arguments += ["--no-figures"]
            assert cli.main(arguments) == 0, words
        case ["python", script, *arguments]:
            # The scripts themselves are tested below; here, that they exist and take these options.
            assert (ROOT / script).is_file(), script
            done = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True)
            assert all(word in done.stdout for word in arguments if word.startswith("--")), words
        case _:
            pytest.fail(f"a test does not know how to run {words}")


def test_commands_and_code_run_in_the_order_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    known = dict(REGISTRY)
    names: dict[str, Any] = {}
    try:
        for language, block in BLOCKS:
            match language:
                case "sh":
                    for words in commands(in_miniature(block)):
                        run_command(words)
                case "python":
                    exec(compile(in_miniature(block), "README.md", "exec"), names)
                case "toml":
                    (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
                case _:
                    pytest.fail(f"a test does not know how to run {language}")
    finally:
        REGISTRY.clear()
        REGISTRY.update(known)
    assert (tmp_path / "results" / "tour" / "figures").is_dir()
    assert "yield_hunters" in names["model"].sectors


def test_there_is_something_of_every_language() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "python", "toml"}
    assert sum(len(list(commands(block))) for language, block in BLOCKS if language == "sh") >= 8


def test_links_and_paths_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    paths = re.findall(r"`((?:abm|tests|experiments|results/published)/[\w./-]+)`", TEXT)
    assert len(links) > 10 and len(paths) > 10
    assert [path for path in (*links, *paths) if not (ROOT / path).exists()] == []


def test_names_of_the_code_exist() -> None:
    """`NAME` in `path`: an upper-case constant is in the file that follows it."""
    pairs = re.findall(r"`([A-Z_]{3,})`[^`]{1,30}`((?:abm|tests)/[\w./]+\.py)`", TEXT)
    assert len(pairs) >= 6
    assert [(name, path) for name, path in pairs if name not in (ROOT / path).read_text()] == []


def test_counts_are_right() -> None:
    assert "sixteen\nsectors" in TEXT and len(REGISTRY) == 16
    assert set(re.findall(r"(\d+) markets", TEXT)) >= {str(N_MARKETS)}


def test_dependencies_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    runtime, development = project.split("[project.optional-dependencies]")
    name = re.compile(r'^    "([a-z0-9-]+)', flags=re.MULTILINE)
    section = TEXT.split("## Dependencies")[1]
    assert re.findall(r"^\| ([a-z0-9-]+) \|", section, flags=re.MULTILINE)[1:] == name.findall(runtime)
    in_words = section.split("For development:")[1]
    assert [
        package for package in name.findall(development.split("[project.scripts]")[0]) if package not in in_words
    ] == []


# -- what is published ---------------------------------------------------------------------------------------------


def test_the_findings_are_what_the_published_summary_says() -> None:
    summary = json.loads((publish.PUBLISHED / "summary.json").read_text())
    assert publish.with_findings(TEXT, summary) == TEXT, "run make publish"


def test_the_published_run_is_complete_and_small() -> None:
    manifest = (publish.PUBLISHED / "manifest.json").read_text()
    about = json.loads(manifest)
    assert (about["name"], about["status"], about["failures"]) == ("sanaenomics", "complete", [])
    assert about["seeds_done"] == list(range(1, 51))
    assert not re.search(r'"[^"\n]*(/home|/root|/tmp|/Users|/work|[A-Z]:\\)', manifest)
    figures = list((publish.PUBLISHED / "figures").glob("*.png"))
    assert len(figures) == 10
    assert max(figure.stat().st_size for figure in figures) < 250_000
    assert not list(publish.PUBLISHED.rglob("*.parquet"))


def test_publishing_in_miniature(tmp_path: Path) -> None:
    readme, target = tmp_path / "README.md", tmp_path / "published"
    readme.write_text(f"before\n{publish.BEGIN}\nwhat stood here\n{publish.END}\nafter\n")
    publish.publish(2, 5, target, readme, workers=1)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stood" not in text
    assert "2 seeds, 5 trading days" in text
    assert re.search(r"^\| JGB40: highest yield \| % \| \d", text, flags=re.MULTILINE)
    assert re.search(r"^\| JGB30 \| 13 Jan to 20 Jan \| \+30\.3 \|", text, flags=re.MULTILINE)
    assert re.search(r"^- \*\*JGB40 .* bp by day \d", text, flags=re.MULTILINE)
    assert {path.name for path in target.iterdir()} == {"summary.json", "manifest.json", "figures"}
    assert publish.with_findings(text, json.loads((target / "summary.json").read_text())) == text


def test_a_text_without_the_marks_is_refused() -> None:
    with pytest.raises(SystemExit, match="findings:begin"):
        publish.with_findings("nothing here", {})


def test_switching_off_in_miniature(tmp_path: Path) -> None:
    rows = switch_off.switch_off(2, 3, tmp_path / "switch_off.json", workers=1)
    saved = json.loads((tmp_path / "switch_off.json").read_text())
    assert (saved["seeds"], saved["days"], len(saved["rows"])) == (2, 3, len(rows))
    assert {row["question"] for row in rows} == set(switch_off.QUESTIONS)
    assert switch_off.drawn(rows, 2).row_count == len(rows)
    repatriation = next(row for row in rows if row["measure"] == "repatriation_usd_bn")
    assert repatriation["with"] > 0.0 and repatriation["without"] == 0.0
    assert {row["verdict"] for row in rows} == {"too few seeds"}


@pytest.mark.parametrize(
    ("low", "high", "predicted", "said"),
    [
        (0.1, 0.2, "rises", "as predicted"),
        (0.1, 0.2, "falls", "opposite sign"),
        (-0.2, -0.1, "falls", "as predicted"),
        (-0.1, 0.2, "rises", "interval includes zero"),
        (0.0, 0.0, "rises", "interval includes zero"),
        (float("nan"), float("nan"), "rises", "too few seeds"),
    ],
)
def test_verdicts(low: float, high: float, predicted: str, said: str) -> None:
    assert switch_off.verdict(low, high, predicted) == said
