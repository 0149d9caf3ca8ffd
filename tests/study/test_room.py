"""Runs that a machine has no room for are refused before anything is computed, with the estimate."""

import re
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from abm import cli, load_scenario
from abm.study import room
from abm.world.errors import InputError


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not list(Path().iterdir())
    return said


@pytest.mark.parametrize("command", [["run", "baseline"], ["compare", "baseline", "sanaenomics"]])
def test_too_many_institutions_are_refused_with_the_estimate(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "free_memory_bytes", lambda: 1.0e9)
    many = [*command, "--seeds", "4", "--workers", "4", "--set", "carry_traders.members=200000"]
    said = refused(many, capsys)
    told = r"212,\d\d\d institutions in 4 processes need about \d\.\d GB of memory, but 1\.0 GB are free"
    assert re.search(told, said)


def test_too_many_seeds_are_refused_with_the_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=3.0e9))
    said = refused(["run", "baseline", "--seeds", "100000", "--days", "5000"], capsys)
    assert "100,000 seeds of 5000 days write about 5000.0 GB, but 3.0 GB are free" in said


def test_a_sweep_needs_memory_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(room, "free_memory_bytes", lambda: 1.0e6)
    file = Path(cli.__file__).parents[1] / "experiments" / "sweeps" / "sanaenomics.toml"
    assert "GB of memory" in refused(["sweep", str(file)], capsys)


def test_a_system_that_does_not_say_refuses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "", "MemAvailable:", "MemAvailable: many kB"):
        file = tmp_path / "meminfo"
        if content is not None:
            file.write_text(content)
        monkeypatch.setattr(room, "MEMORY", file)
        assert room.free_memory_bytes() is None
        room.require_room([load_scenario("baseline")], 1, 1)
    monkeypatch.setattr(room, "MEMORY", Path("/proc/meminfo"))
    assert room.free_memory_bytes() is None or room.free_memory_bytes() > 1e6


def test_the_estimate_is_not_below_what_a_run_takes() -> None:
    """Of the sector with the largest institutions. VmHWM: ru_maxrss would count the process that started this one."""
    settings = {"real_money.members": 60_000}
    script = (
        "from abm import MarketModel, load_scenario\n"
        f"MarketModel(load_scenario('baseline', {settings!r}, 3), rng=1).run_for(3)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    taken = 1024.0 * int(done.stdout)
    estimate = room.memory_bytes(load_scenario("baseline", settings, 3))
    assert taken <= estimate <= 3.0 * taken


def test_a_full_disk_is_a_failure_in_one_sentence(tmp_path: Path) -> None:
    """Files may grow to 20 kB here: the run ends with status 1, says so and leaves nothing."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    script = "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nfrom abm import cli\n"
    script += "sys.dont_write_bytecode = True\n"
    script += "sys.exit(cli.main(['run', 'baseline', '--days', '3', '--workers', '1', '--no-figures', '--out', 'out']))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=little_room,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "failed: OSError: [Errno 27] " in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_room_is_asked_for_before_the_directory_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory_bytes", lambda: 1.0)
    with pytest.raises(InputError, match="GB of memory"):
        room.require_room([load_scenario("baseline")], 1, 1, tmp_path / "gone" / "deeper")
    assert not (tmp_path / "gone").exists()
