"""Pictures of every view, at four widths and in both themes: `python -m tests.browser.screenshots OUTDIR`."""

import base64
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import browsing, serving
from tests.browser.desk_in_browser import VIEWS, DeskInBrowser

WIDTHS = {390: 844, 1280: 800, 1920: 1080, 2560: 1440}
DAYS = 25


def prepare(desk: DeskInBrowser) -> None:
    """Play, fork, pick an institution and run an ensemble, so that no view is empty."""
    desk.open()
    desk.pick("[aria-label=Run] select", "sanaenomics")
    desk.until("document.querySelector('h1').innerText.startsWith('Unfunded stimulus')")
    desk.play_to(DAYS, "run")
    desk.view("whatif")
    desk.do("compare")
    desk.until("document.querySelector('[data-panel=both]')")
    desk.view("ensemble")
    desk.pick("[aria-label=Ensemble] input", 4)
    desk.do("start")
    desk.until(lambda: "4 of 4 seeds" in desk.text("[data-panel=bands] .abm-note"))


def shoot(desk: DeskInBrowser, out: Path) -> None:
    """One PNG for every view, width and theme, the whole page however long."""
    for theme in ("light", "dark"):
        desk.theme(theme)
        for width, height in WIDTHS.items():
            desk.size(width, height)
            for view in VIEWS:
                desk.view(view)
                desk.settled()
                if view == "institutions":
                    desk.click(".abm-tablebox tbody tr:nth-child(3)")
                    desk.settled()
                (out / f"{view}-{width}-{theme}.png").write_bytes(whole_page(desk))


def whole_page(desk: DeskInBrowser) -> bytes:
    """A PNG of the page, what is below the window included."""
    size = desk.chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    how = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(desk.chrome.execute_cdp_cmd("Page.captureScreenshot", how)["data"])


if __name__ == "__main__":
    out, home = Path(sys.argv[1]), Path(tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    with serving(home) as address, browsing(home / "chrome") as chrome:
        desk = DeskInBrowser(chrome, address, home)
        prepare(desk)
        shoot(desk, out)
        print(*desk.console_errors(), sep="\n")
