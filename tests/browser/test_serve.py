"""Starting the page from the command line: what is wrong is said before anything starts."""

import socket

import pytest

from abm import cli
from abm.browser import serve


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "unknown scenario 'nosuch'"),
        (["missing.toml"], "there is no such file"),
        (["--port", "0"], "--port = '0'"),
        (["--port", "70000"], "--port = '70000'"),
        (["--host", "no.such.host.invalid"], "cannot be used"),
        (["--host", "no..host"], "on no..host cannot be used"),
        (["--host", "\udcff"], r"on \udcff cannot be used"),
    ],
)
def test_bad_input_ends_with_one_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["browser", "--no-show", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert cli.main(["browser", "--no-show", "--port", str(port)]) == 2
    assert f"--port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_it_says_so_when_others_can_reach_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import uvicorn

    started = []
    monkeypatch.setattr(uvicorn, "run", lambda *_, **options: started.append(options["host"]))
    monkeypatch.setattr(serve.os, "environ", dict(serve.os.environ))
    for host in ("127.0.0.1", "0.0.0.0"):
        serve.serve("baseline", host, 0, open_browser=False)
    assert started == ["127.0.0.1", "0.0.0.0"]
    said = capsys.readouterr().out
    assert said.count("there is no password") == 1
    assert "0.0.0.0 can be reached from other machines" in said
