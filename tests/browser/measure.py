"""How fast the page is on this machine: `python -m tests.browser.measure`, with nothing else running."""

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
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", 240)
    desk.until("document.querySelector('[data-now]').innerText.includes('of 240')")
    steps = sorted(_step(desk) for _ in range(9))
    print(f"step click to picture          {1000 * steps[4]:6.0f} ms (median of 9)")
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", 1000)  # longer than any rate takes
    desk.do("reset")
    desk.until("document.querySelector('[data-now]').innerText.includes('of 1000')")
    for speed, words in (("run", "every day drawn"), ("fastest", "every 10th day drawn")):
        days, frames = _rate(desk, speed)
        print(f"play, {words:24s} {frames:6.1f} frames/s, {days:6.1f} days/s")
    desk.pick("[aria-label=Run] .abm-field:nth-of-type(3) input", 240)
    for length in range(3):
        desk.do("reset")
        desk.until(lambda: desk.day == 0)
        desk.play_to(240)
        desk.chrome.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        heap = float(desk.run("performance.memory.usedJSHeapSize")) / 1e6
        print(f"after {240 * (length + 1):4d} more days            {heap:6.1f} MB in the browser")


def _step(desk: DeskInBrowser) -> float:
    before, begun = desk.drawn, time.monotonic()
    desk.do("step")
    desk.until(lambda: desk.drawn > before)
    return time.monotonic() - begun


def _rate(desk: DeskInBrowser, speed: str, seconds: float = 4.0) -> tuple[float, float]:
    """Days and frames a second."""
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
    home = Path(tempfile.mkdtemp())
    with serving(home) as address, browsing(home / "chrome") as chrome:
        measure(DeskInBrowser(chrome, address, home))
