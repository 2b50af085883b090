import re
import subprocess

import numpy as np
import pytest

from popflip.boards.driver.image import ImageError, NetworkImage, c_array, image_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.random_params import random_params
from popflip.golden.training.state import NetworkState, differences

IDENTITY = bytes(range(16))


def network(params, seed=1):
    rng = np.random.default_rng(seed)
    shapes = [params.synapses(layer) for layer in range(params.depth)]
    most = params.learning.latent_max if params.machine.training else 0
    state = NetworkState(
        [rng.random((s.rows, s.row_bits)) < 0.5 for s in shapes],
        [rng.integers(-most, most + 1, (s.rows, s.row_bits)).astype(np.int16) for s in shapes],
        12345,
    )
    return NetworkImage(state, 3, True, tuple(range(1, params.depth + 1)))


@pytest.mark.parametrize("seed", range(8))
def test_what_is_packed_is_unpacked(seed):
    params = random_params(np.random.default_rng(seed))
    if seed == 7:
        params = params.replace(machine={"training": False})
    image = network(params)
    data = image.pack(params, IDENTITY)
    assert len(data) == image_bytes(params)
    again = NetworkImage.unpack(params, IDENTITY, data)
    assert differences(again.state, image.state) == []
    assert (again.batch, again.reset_on_flip, again.tau) == (3, True, image.tau)


def test_what_is_no_image_is_refused():
    params = Params.load("ice40hx8k")
    data = network(params).pack(params, IDENTITY)
    other = bytes(16)
    for bad, message in (
        (b"", "this is no image of a network, or one of another popflip"),
        (b"P" + data[1:], "this is no image of a network, or one of another popflip"),
        (data[:-1], f"the image must have {len(data)} bytes, not {len(data) - 1}"),
        (data[:100] + b"\xff" + data[101:], "the image is damaged: its CRC is wrong"),
    ):
        with pytest.raises(ImageError, match=f"^{re.escape(message)}$"):
            NetworkImage.unpack(params, IDENTITY, bad)
    message = (
        f"the image is of design {IDENTITY.hex()}, not {other.hex()}: of another network, or "
        "behind another front end"
    )
    with pytest.raises(ImageError, match=f"^{message}$"):
        NetworkImage.unpack(params, other, data)


def test_an_array_in_c_has_the_bytes(tmp_path):
    data = bytes(range(256)) + b"end"
    text = c_array("weights", data, "a test")
    (tmp_path / "user.c").write_text(
        f"#include <stdio.h>\n{text}\n"
        "int main(void) { return fwrite(weights, 1, sizeof weights, stdout) != sizeof weights; }\n"
    )
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Werror", "user.c", "-o", "user"], cwd=tmp_path,
                   check=True, timeout=100)  # fmt: skip
    run = subprocess.run([tmp_path / "user"], capture_output=True, check=True, timeout=100)
    assert run.stdout == data
