"""A server of the page and a headless Chromium, for the tests and for measuring."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = "NO CHROMIUM OR CHROMEDRIVER: the page was not tested in a browser; `make browser-deps` installs them"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-client-side-phishing-detection",
    "--disable-features=OptimizationHints,MediaRouter,Translate", "--force-device-scale-factor=1",
)  # fmt: skip
FAILING = """
[scenario]
name = "failing"
title = "A third day that cannot be cleared, 第三日"
extends = "baseline"
days = 20

[set]
"dealers.capacity_scale" = 0.0
"arbitrageurs.capacity_scale" = 0.0
"switches.market_making" = false

[[event]]
day = 3
kind = "flow"
market = "USDJPY"
amount_usd_bn = -20000
"""
START_SECONDS = 120


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Address of a server that opens with a scenario that fails on day 3; its log must end without a traceback."""
    (folder / "failing.toml").write_text(FAILING)
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    command = [sys.executable, "-m", "abm", "browser", str(folder / "failing.toml"), "--port", str(port), "--no-show"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said
    assert url in said


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(START_SECONDS * 10):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not answer within {START_SECONDS} s: {log.read_text()}")


@contextmanager
def browsing(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser that keeps a log of its console and of every request."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()
