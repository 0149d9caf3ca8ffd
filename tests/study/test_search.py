"""The search finds what it should, and goes on after an interrupt or a kill as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time

import pytest

from abm.study.free import Free
from abm.study.search import JOURNAL, best, search

FREE = (Free("dealers.jgb30_depth_per_pct_usd_bn", 0.5, 8.0, "", log=True), Free("news.variance_share", 0.0, 1.0, ""))
TRUTH = {"dealers.jgb30_depth_per_pct_usd_bn": 1.2, "news.variance_share": 0.8}
START = {"dealers.jgb30_depth_per_pct_usd_bn": 4.0, "news.variance_share": 0.3}


def bowl(values):
    miss = {name: (one.unit_value(values[name]) - one.unit_value(TRUTH[name])) for one in FREE for name in [one.name]}
    return sum(10.0 * x**2 for x in miss.values()), miss


def proposals(trials):
    return [(t.number, t.values, t.loss) for t in trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search nobody interrupted."""
    return search(FREE, START, bowl, 40, tmp_path_factory.mktemp("whole"))


def test_the_first_trial_is_the_start_and_the_best_is_near_the_truth(whole):
    assert whole[0].values == pytest.approx(START)
    found = best(whole)
    for one in FREE:
        assert abs(one.unit_value(found.values[one.name]) - one.unit_value(TRUTH[one.name])) < 0.1
    assert found.results.keys() == TRUTH.keys()


@pytest.mark.parametrize("after", [1, 7, 23])
def test_an_interrupted_search_goes_on_with_the_same_proposals(whole, tmp_path, after):
    calls = 0

    def interrupted(values):
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return bowl(values)

    with pytest.raises(KeyboardInterrupt):
        search(FREE, START, interrupted, 40, tmp_path)
    assert proposals(search(FREE, START, bowl, 40, tmp_path)) == proposals(whole)


def test_more_trials_are_added_to_a_finished_search(whole, tmp_path):
    search(FREE, START, bowl, 10, tmp_path)
    assert proposals(search(FREE, START, bowl, 40, tmp_path)) == proposals(whole)


def test_half_a_line_is_mended(whole, tmp_path):
    search(FREE, START, bowl, 10, tmp_path)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 5, "worker_')
    assert proposals(search(FREE, START, bowl, 40, tmp_path)) == proposals(whole)


SCRIPT = """
import sys, time
from pathlib import Path
from abm.study.search import search
from tests.study.test_search import FREE, START, bowl

def slow(values):
    time.sleep(0.05)
    return bowl(values)

def told(done):
    print(len(done), flush=True)

search(FREE, START, slow, 40, Path(sys.argv[1]), told)
"""


def test_a_killed_search_goes_on_with_the_same_proposals(whole, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 8:
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    (tmp_path / f"{JOURNAL}.lock").unlink(missing_ok=True)
    trials = search(FREE, START, bowl, 40, tmp_path)
    assert proposals(trials) == proposals(whole)
