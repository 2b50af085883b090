"""popflip live: what cannot be shown, and the file to share. (The page: scripts/live/tests.)"""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from popflip.scripts.live.recording import playbacks


def live(popflip, *words):
    return popflip("live", "--no-open", "--config", "tiny.toml", "--data", ".", *words)


def test_a_file_to_share(popflip, folder):
    words = ("--engine", "golden", "--learn", 150, "--export", "page.html")
    status, _, said = live(popflip, *words)
    assert status == 0, said
    text = (folder / "page.html").read_text()
    assert "150 samples learned" in text
    assert "test error" in text


def test_two_networks_in_a_file_to_share(popflip, folder):
    """Software needs no Verilator, whichever of the two it is."""
    words = ("--engine", "golden", "--learn", 60, "--beside", "wider.toml", "--export", "two.html")
    status, _, said = live(popflip, *words, "--record", "two.jsonl")
    assert status == 0, said
    text = (folder / "two.html").read_text()
    assert text.count("60 samples learned") == 2
    assert text.count("<h2>What happened</h2>") == 0
    assert popflip("live", "--replay", "two.jsonl", "--export", "again.html")[0] == 0
    text = (folder / "again.html").read_text()
    assert text.count("60 samples learned") == 2


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
    assert said == "popflip: mine/checkpoint.npz is of another network: its network differs\n"


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
    assert done.stderr.startswith(
        "popflip: no answer to IDENTIFY within 2 s from serial port /dev/"
    )
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.slow
def test_a_computer_without_a_browser(folder):
    command = [sys.executable, "-m", "popflip", "live", "--http-port", "0", "--engine", "golden"]
    bare = {name: text for name, text in os.environ.items() if name not in ("BROWSER", "DISPLAY")}
    done = subprocess.run(
        [*command, "--config", "tiny.toml", "--data", "."], cwd=folder, capture_output=True,
        text=True, timeout=200, check=False, env=bare | {"PATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("popflip: no browser was found: --no-open, and open http://127.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("default_signals")
def test_ctrl_c_ends_it_and_the_recording_is_whole(folder):
    command = [sys.executable, "-m", "popflip", "live", "--no-open", "--http-port", "0", "--json"]
    words = ["--config", "tiny.toml", "--data", ".", "--engine", "golden", "--record", "run.jsonl"]
    with subprocess.Popen(
        [*command, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any("address" in line for line in process.stdout)
        while not (folder / "run.jsonl").read_text().endswith("}\n"):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 0
    assert said == "stopping after the work in hand; Ctrl-C again ends at once\n"
    (played,) = playbacks(folder / "run.jsonl")
    played.close()


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
    for option, value in (
        ("--record", "y"), ("--engine", "fast"), ("--preset", "local-small"), ("--data", "x"),
        ("--beside", "local-small"), ("--samples", 3), ("--board", "virtual"),
    ):  # fmt: skip
        status, _, said = popflip("live", "--replay", "x", option, value)
        assert status == 2
        assert said == f"popflip: --replay plays a file: {option} goes without it\n"
