"""``popflip verify``."""

import json
import os

import numpy as np
import pytest

from popflip.boards.host.machine import virtual_machine
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.description.params import Params

pytestmark = pytest.mark.usefixtures("default_signals")


def test_a_checkpoint_is_verified_from_scratch(popflip, trained, folder):
    out, _, _ = trained
    argv = ["--checkpoint", out / "checkpoint.npz", "--data", folder]
    status, stdout, err = popflip("verify", *argv, "--json")
    assert status == 0, err
    report = json.loads(stdout)
    assert (report["verified"], report["samples"]) == (True, 3000)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("weights0", "1 of 768 weights of layer 0 differ"),
        ("latents1", "1 of 36 latents of layer 1 differ"),
    ],
)
def test_one_wrong_bit_is_found(popflip, trained, folder, tmp_path, name, line):
    out, _, _ = trained
    with np.load(out / "checkpoint.npz") as file:
        arrays = dict(file)
    arrays[name][2, 1] ^= 1
    np.savez(tmp_path / "wrong.npz", **arrays)
    argv = ["--checkpoint", tmp_path / "wrong.npz", "--data", folder]
    status, stdout, err = popflip("verify", *argv, "--json")
    assert status == 1
    report = json.loads(stdout)
    assert (report["verified"], report["differences"]) == (False, [line])
    assert err.splitlines()[-1] == f"popflip: not verified: {line}"


def test_a_board_on_a_serial_port_is_verified(popflip, folder):
    params = Params.load(folder / "batches.toml")
    transport = virtual_machine(params).transport
    try:
        with pseudo_terminal(transport) as port:
            argv = ["--config", "batches.toml", "--data", folder, "--board", port]
            status, out, err = popflip("verify", *argv, "--samples", 40, "--json")
    finally:
        transport.close()
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert (report["compared_cycles"], report["compared_predictions"]) == (40, 100)
    assert os.path.basename(report["board"]).isdigit()
