"""What a person does at the page, in the words of the tests."""

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains

PATIENCE_SECONDS = 120
PRESS_AGAIN_SECONDS = 8
VIEWS = {  # what is to be seen in it and in no other
    "overview": "[data-panel=jgb]", "who": "[data-panel=who]", "flows": "[aria-label=Window]",
    "institutions": "[data-panel=scatter]", "whatif": "[aria-label='What if']", "ensemble": "[aria-label=Ensemble]",
    "files": ".abm-downloads",
}  # fmt: skip


class DeskInBrowser:
    """The page in a browser tab."""

    def __init__(self, chrome: webdriver.Chrome, address: str, downloads: Path) -> None:
        self.chrome, self.address, self.downloads = chrome, address, downloads
        self.size(1280, 900)
        chrome.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads), "eventsEnabled": True}
        )

    def open(self) -> None:
        """Load the page and wait until its charts are drawn."""
        self.chrome.get(self.address)
        self.until("document.querySelector('.abm-board')?.dataset.drawn")

    def run(self, script: str, *arguments: Any) -> Any:
        """What a JavaScript expression gives; nothing while the page is not that far."""
        try:
            return self.chrome.execute_script(f"return {script}", *arguments)
        except JavascriptException:
            return None

    def until(self, script: str | Callable[[], Any], *arguments: Any) -> Any:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found = script() if callable(script) else self.run(script, *arguments)
            if found:
                return found
            time.sleep(0.02)
        return pytest.fail(f"still not so after {PATIENCE_SECONDS} s: {script}; the page says {self.message()!r}")

    def size(self, width: int, height: int) -> None:
        """Resize the window."""
        self.chrome.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def click(self, selector: str) -> None:
        """Press what the selector finds."""
        self.until(f"document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def do(self, button: str) -> None:
        """Press a button by what it does."""
        self.click(f"[data-do={button}]")

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        ActionChains(self.chrome).send_keys(key).perform()

    def view(self, name: str) -> None:
        """Choose a tab."""
        self.click(f"[data-tab={name}]")
        self.until(f"document.querySelector('[data-tab={name}]').ariaSelected === 'true'")
        self.until(
            "arguments[0].filter((s) => document.querySelector(s)).join() === arguments[1]",
            [*VIEWS.values()],
            VIEWS[name],
        )

    def theme(self, name: str) -> None:
        """Make the theme "light" or "dark"."""
        if not self.run(f"document.querySelector('.v-application.theme--{name}')"):
            self.do("theme")
        self.until(f"document.querySelector('.v-application.theme--{name}')")

    def settled(self) -> None:
        """Wait until every chart shown is drawn at the size that its place has."""
        self.until(
            "(() => { const charts = [...document.querySelectorAll('.abm-main .abm-chart')];"
            "return document.querySelector('.abm-main .abm-panel, .abm-main .abm-card') && charts.every((e) => "
            "e.abmChart && e.abmChart.getWidth() === e.clientWidth && e.abmChart.getHeight() === e.clientHeight); })()"
        )
        time.sleep(0.15)

    def pick(self, selector: str, value: Any) -> None:
        """Type into an input or choose an option."""
        self.until(f"document.querySelector({json.dumps(selector)})")
        self.run(
            "(() => { const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })()",
            selector,
            value,
        )

    @property
    def day(self) -> int:
        """The day shown at the top."""
        return int(self.run("document.querySelector('[data-now]').innerText.match(/· day (\\d+)/)[1]") or -1)

    @property
    def drawn(self) -> int:
        """Number of the last picture that the browser has drawn."""
        return int(self.run("document.querySelector('.abm-board').dataset.drawn") or 0)

    def play_to(self, day: int, speed: str = "fastest") -> None:
        """Play until a day is reached, then pause."""
        self.pick("[data-do=speed]", speed)
        self.do("play")
        self.until(lambda: self.day >= day)
        if self.playing():
            self.do("play")
        self.until(lambda: not self.playing())
        seen = -1
        while seen != self.day:  # the day that was being computed
            seen = self.day
            time.sleep(0.3)

    def playing(self) -> bool:
        """Whether the play button offers to pause."""
        return self.run("document.querySelector('[data-do=play]').ariaPressed") == "true"

    def message(self) -> str:
        """What the page says at the top."""
        return str(self.run("document.querySelector('.abm-message span')?.innerText") or "")

    def text(self, selector: str) -> str:
        """Text of an element, or nothing."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText") or "")

    def value(self, selector: str) -> str:
        """What a field says."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.value"))

    def fonts(self, selector: str) -> list[str]:
        """Names of the fonts that an element is drawn with."""
        cdp = self.chrome.execute_cdp_cmd
        cdp("DOM.enable", {})
        cdp("CSS.enable", {})
        root = cdp("DOM.getDocument", {})["root"]["nodeId"]
        node = cdp("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        return [font["familyName"] for font in cdp("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]]

    def colours(self, selector: str, behind: str = "") -> tuple[str, str]:
        """Colours of an element's text and of what is behind it, its own background unless told, as "#rrggbb"."""
        style = "getComputedStyle(document.querySelector(arguments[0]))"
        found = self.run(f"{style}.color", selector), self.run(f"{style}.backgroundColor", behind or selector)
        text, back = ("#" + "".join(f"{int(n):02x}" for n in re.findall(r"\d+", rgb)[:3]) for rgb in found)
        return text, back

    def chart(self, name: str) -> dict[str, Any]:
        """Series of a chart by name, as ECharts has them."""
        found = self.until(f"document.querySelector('[data-panel={name}] .abm-chart')?.abmChart?.getOption()?.series")
        return {series["name"]: series["data"] for series in found}

    def download(self, name: str) -> Path:
        """Press a download button and wait for the file."""
        return self._fetch(f"[data-file='{name}']", name)

    def save(self, panel: str, kind: str) -> Path:
        """Press the button under which a chart is saved, "png" or "svg", and wait for the file."""
        return self._fetch(f"[data-panel={panel}] [aria-label$={kind.upper()}]", f"{panel}.{kind}")

    def _fetch(self, button: str, name: str) -> Path:
        """Chromium drops a download that follows others too closely, so the button is pressed again after a while."""
        file, pressed = self.downloads / name, -math.inf

        def arrived() -> bool:
            nonlocal pressed
            if file.exists() and file.stat().st_size:
                return True
            if time.monotonic() > pressed + PRESS_AGAIN_SECONDS:
                self.click(button)
                pressed = time.monotonic()
            return False

        self.until(arrived)
        return file

    def close_other_tabs(self) -> None:
        """Leave one browser tab."""
        for handle in self.chrome.window_handles[1:]:
            self.chrome.switch_to.window(handle)
            self.chrome.close()
        self.chrome.switch_to.window(self.chrome.window_handles[0])

    def console_errors(self) -> list[str]:
        """Errors in the console since the last call."""
        return [entry["message"] for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """Addresses that were asked for over the network since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.chrome.get_log("performance")]
        sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        sent += [e["params"]["url"] for e in events if e["method"] == "Network.webSocketCreated"]
        return [url for url in sent if not url.startswith(("data:", "blob:", "chrome:"))]
