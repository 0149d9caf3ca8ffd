"""How fast the page is on this machine: `python -m tests.browser.measure`, with nothing else running.

`--minutes 30` plays for so long instead, run after run of 240 days at 4 days a second, and prints the memory of server
and browser at the end of each; other work may go on beside it.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.browser.chromium import browsing, serving
from tests.browser.desk_in_browser import DeskInBrowser


def measure(desk: DeskInBrowser) -> None:
    """Print first paint, latency of a step, frames and days a second, and memory over runs of the same length."""
    begun = time.monotonic()
    desk.open()
    print(f"first paint                    {time.monotonic() - begun:6.2f} s")
    desk.pick("[aria-label=Run] select", "sanaenomics")
    _set_days(desk, 240)
    desk.until("document.querySelector('[data-now]').innerText.includes('of 240')")
    steps = sorted(_step(desk) for _ in range(9))
    print(f"step click to picture          {1000 * steps[4]:6.0f} ms (median of 9)")
    _set_days(desk, 1000)  # longer than any rate takes
    for speed, words in (("run", "every day drawn"), ("fastest", "every 10th day drawn")):
        rates = sorted(_rate(desk, speed) for _ in range(5))
        days, frames = rates[2]
        span = f"{rates[0][0]:.0f} to {rates[4][0]:.0f} in five runs"
        print(f"play, {words:24s} {frames:6.1f} frames/s, {days:6.1f} days/s ({span})")
    _set_days(desk, 240)
    for length in range(3):
        _start_anew(desk)
        desk.play_to(240)
        print(f"after {240 * (length + 1):4d} more days            {_heap_mb(desk):6.1f} MB in the browser")


def play_for(desk: DeskInBrowser, minutes: float, server: int) -> None:
    """Print memory after every run of 240 days until so many minutes have passed. server: its process."""
    desk.open()
    desk.pick("[aria-label=Run] select", "sanaenomics")
    _set_days(desk, 240)
    desk.pick("[data-do=speed]", "walk")
    begun, days = time.monotonic(), 0
    while time.monotonic() - begun < 60.0 * minutes:
        _start_anew(desk)
        desk.do("play")
        day = 0
        while day < 240:
            desk.until(lambda day=day: desk.day > day)
            day = desk.day
            time.sleep(1.0)
        days += 240
        passed = (time.monotonic() - begun) / 60.0
        memory = f"{_heap_mb(desk):6.1f} MB in the browser, {_resident_mb(server):6.1f} MB in the server"
        print(f"{passed:5.1f} min, {days:6d} days  {memory}", flush=True)


def _set_days(desk: DeskInBrowser, days: int) -> None:
    """Length of the next run."""
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", days)


def _start_anew(desk: DeskInBrowser) -> None:
    """Back to day 0 of a new run."""
    desk.do("reset")
    desk.until(lambda: desk.day == 0)


def _heap_mb(desk: DeskInBrowser) -> float:
    desk.chrome.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return float(desk.run("performance.memory.usedJSHeapSize")) / 1e6


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1e3


def _step(desk: DeskInBrowser) -> float:
    before, begun = desk.drawn, time.monotonic()
    desk.do("step")
    desk.until(lambda: desk.drawn > before)
    return time.monotonic() - begun


def _rate(desk: DeskInBrowser, speed: str, seconds: float = 4.0) -> tuple[float, float]:
    """Days and frames a second of a run from its start."""
    _start_anew(desk)
    desk.pick("[data-do=speed]", speed)
    desk.do("play")
    desk.until(desk.playing)
    time.sleep(0.5)
    day, drawn, begun = desk.day, desk.drawn, time.monotonic()
    time.sleep(seconds)
    days, frames, took = desk.day - day, desk.drawn - drawn, time.monotonic() - begun
    desk.do("play")
    desk.until(lambda: not desk.playing())
    return days / took, frames / took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, help="play for so long and watch the memory")
    minutes = parser.parse_args().minutes
    home = Path(tempfile.mkdtemp())
    with serving(home) as address:
        server = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0])
        with browsing(home / "chrome") as chrome:
            desk = DeskInBrowser(chrome, address, home)
            if minutes is None:
                measure(desk)
            else:
                play_for(desk, minutes, server)
