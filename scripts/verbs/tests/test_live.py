"""popflip live: what cannot be shown, and the file to share. (The page: scripts/live/tests.)"""

import os
import socket
import subprocess
import sys

import pytest


def live(popflip, *words):
    return popflip("live", "--no-open", "--config", "tiny.toml", "--data", ".", *words)


def test_a_file_to_share(popflip, folder):
    words = ("--engine", "golden", "--learn", 150, "--export", "page.html")
    status, _, said = live(popflip, *words)
    assert status == 0, said
    text = (folder / "page.html").read_text()
    assert "150 samples learned" in text
    assert "test error" in text


def test_a_port_that_is_taken(popflip):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status, _, said = live(popflip, "--engine", "golden", "--http-port", port)
    assert status == 2
    assert said.startswith(f"popflip: cannot listen at 127.0.0.1, port {port}: ")
    assert len(said.splitlines()) == 1


def test_a_checkpoint_of_another_network(popflip, folder):
    words = ("train", "--config", "tiny.toml", "--data", ".", "--engine", "golden")
    assert popflip(*words, "--samples", 50, "--out", "mine")[0] == 0
    status, _, said = popflip(
        "live", "--no-open", "--http-port", 0, "--config", "wider.toml", "--data", ".",
        "--engine", "golden", "--checkpoint", "mine/checkpoint.npz",
    )  # fmt: skip
    assert status == 2
    assert said == "popflip: mine/checkpoint.npz is of another network: its network differ\n"


def test_a_missing_extra(popflip, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("popflip.scripts.live.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    status, _, said = live(popflip, "--engine", "golden", "--http-port", 0)
    assert status == 2
    assert (
        said == "popflip: live needs nicegui, which is not installed: pip install 'popflip[live]'\n"
    )


@pytest.mark.slow
def test_a_board_that_does_not_talk_popflip(folder):
    # In a process of its own, as the page's library serves once in one.
    command = [sys.executable, "-m", "popflip", "live", "--no-open", "--http-port", "0"]
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [*command, "--config", "tiny.toml", "--data", ".", "--board", os.ttyname(theirs)],
            cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("popflip: ")
    assert "Traceback" not in done.stderr


def test_a_server_that_does_not_start(popflip, monkeypatch):
    def fails(self, sockets=None):
        sys.exit(3)  # as uvicorn's does

    monkeypatch.setattr("uvicorn.Server.run", fails)
    status, _, said = live(popflip, "--engine", "golden", "--http-port", 0)
    assert status == 2
    assert said.splitlines()[-1] == "popflip: the page's server did not start"


@pytest.mark.parametrize("content", ["", "no recording"])
def test_what_is_no_recording(popflip, folder, content):
    (folder / "run.jsonl").write_text(content)
    status, _, said = popflip("live", "--no-open", "--http-port", 0, "--replay", "run.jsonl")
    assert status == 2
    assert said == "popflip: run.jsonl is not a recorded run of popflip, or is damaged\n"


def test_words_that_do_not_go_together(popflip):
    status, _, said = popflip("live", "--replay", "x", "--record", "y")
    assert status == 2
    assert said.startswith("popflip: --replay plays a file: ")
