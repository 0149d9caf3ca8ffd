"""Starting the server of the page. It needs no internet: scripts and styles are in the environment (solara-assets)."""

import os
import socket
import threading
import warnings
import webbrowser
from typing import Final

from abm.scenarios import load_scenario
from abm.world.errors import InputError

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
SETTINGS: Final = {
    "SOLARA_APP": "abm.browser.page",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_TITLE": "Japan's money comes home",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_KERNEL_CULL_TIMEOUT": "10m",  # a session whose browser is gone
    "SOLARA_MODE": "production",
}


def serve(scenario: str, host: str, port: int, open_browser: bool) -> None:
    """Serve the page until interrupted. InputError if the scenario is wrong or the port is taken."""
    load_scenario(scenario)
    _require_free(host, port)
    os.environ.update(SETTINGS)
    os.environ["ABM_BROWSER_SCENARIO"] = os.path.abspath(scenario) if scenario.endswith(".toml") else scenario
    import uvicorn  # settings are read when Solara is imported

    from abm.model import MarketModel

    MarketModel(load_scenario("baseline", days=1)).run_for(1)  # loads the compiled loops before the first visitor
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"abm: the page is at {address} (Ctrl-C ends it)", flush=True)
    if host not in LOOPBACK:
        print(f"abm: {host} can be reached from other machines, and there is no password", flush=True)
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address]).start()
    warnings.filterwarnings("ignore", "Cookies with samesite=none require https")  # of Solara; lax it is
    uvicorn.run("solara.server.starlette:app", host=host, port=port, log_level="error", access_log=False)


def _require_free(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except (OSError, ValueError) as error:  # a ValueError for what cannot be the name of a machine
        why = getattr(error, "strerror", None) or error
        raise InputError(f"--port {port} on {host} cannot be used ({why}); give another one") from None
