"""A server and a headless Chromium for the tests of the page. Without Chromium they are skipped, loudly."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.browser.chromium import CHROMIUM, DRIVER, MISSING
from tests.browser.desk_in_browser import DeskInBrowser

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-client-side-phishing-detection",
    "--disable-features=OptimizationHints,MediaRouter,Translate", "--force-device-scale-factor=1",
)  # fmt: skip
FAILING = """
[scenario]
name = "failing"
title = "A third day that cannot be cleared"
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


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that opens with a scenario that fails on day 3."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("server")
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
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said
    assert url in said


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_SECONDS * 10):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server did not answer within {START_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="session")
def chrome(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that keeps a log of its console and of every request."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def desk(address: str, chrome: webdriver.Chrome, tmp_path: Path) -> Iterator[DeskInBrowser]:
    """The page, freshly opened on the main scenario; afterwards the console has no errors."""
    desk = DeskInBrowser(chrome, address, tmp_path)
    desk.open()
    desk.pick("[aria-label=Run] select", "sanaenomics")
    desk.until("document.querySelector('h1').innerText.startsWith('Unfunded stimulus')")
    yield desk
    desk.close_other_tabs()
    assert desk.console_errors() == []
    assert [url for url in desk.requests() if not url.startswith((address, address.replace("http", "ws")))] == []
