"""Where the program comes from: every dependency has a reason and the licence that is said; the lock has its hash."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text()
RUNTIME, DEVELOPMENT = PROJECT.split("[project.scripts]")[0].split("[project.optional-dependencies]")
ENTRY = re.compile(r'^    "([a-z0-9-]+)[^"]*",(.*)$', flags=re.MULTILINE)
LICENCES = dict(re.findall(r"^\| ([a-z0-9-]+) \| .+ \| (.+) \|$", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
FAMILIES = {
    "Apache-2.0": r"apache",
    "BSD-2-Clause": r"bsd",
    "BSD-3-Clause": r"bsd|redistribution and use in source and binary forms",
    "BSD-3-Clause and others": r"bsd",
    "MIT": r"mit\b",
    "PSF-like": r"python software foundation",
}
PERMISSIVE = r"apache|bsd|\bmit\b|mpl|python software foundation"


def said_by(package: str) -> str:
    """What the installed package says of its licence."""
    about = importlib.metadata.metadata(package)
    fields = [about.get("License-Expression"), about.get("License"), *(about.get_all("Classifier") or [])]
    return "\n".join(field for field in fields if field and ("::" not in field or "License ::" in field)).lower()


def test_every_dependency_has_a_reason() -> None:
    entries = ENTRY.findall(RUNTIME) + ENTRY.findall(DEVELOPMENT)
    assert len(entries) > 30
    assert [name for name, rest in entries if len(rest.partition("#")[2].strip()) < 5] == []


@pytest.mark.parametrize("package", [name for name, _ in ENTRY.findall(RUNTIME)])
def test_the_licence_is_the_one_said_in_the_readme(package: str) -> None:
    assert re.search(FAMILIES[LICENCES[package]], said_by(package)), said_by(package)[:200]


@pytest.mark.parametrize("package", sorted({name for name, _ in ENTRY.findall(DEVELOPMENT)}))
def test_tools_are_free_to_use(package: str) -> None:
    assert re.search(PERMISSIVE, said_by(package)), said_by(package)[:200]


def test_the_lock_pins_every_package_by_hash_and_is_what_is_installed() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)
    pinned = {}
    for block in blocks:
        if match := re.match(r"([a-zA-Z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", block):
            pinned[match[1].lower()] = match[2]
            assert "--hash=sha256:" in block, match[1]
    declared = {name for name, _ in ENTRY.findall(RUNTIME) + ENTRY.findall(DEVELOPMENT)}
    assert declared - set(pinned) == set()
    installed = {name: importlib.metadata.version(name) for name in declared}
    assert {name: pinned[name] for name in declared} == installed


def test_no_network_is_needed_to_run(tmp_path: Path) -> None:
    """Neither a name nor a connection is asked for by a run with figures."""
    script = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise RuntimeError('the network was asked for')\n"
        "socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse\n"
        "from abm import cli\n"
        "sys.exit(cli.main(['run', 'baseline', '--days', '2', '--workers', '1', '--out', 'out']))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "figures").is_dir()


def test_warnings_are_errors_here() -> None:
    assert 'filterwarnings = ["error"]' in PROJECT
