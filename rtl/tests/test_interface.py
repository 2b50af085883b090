"""What there is no hardware for; the other refusals are tested where they come from."""

import re

import pytest

from popflip.golden.description.params import Params
from popflip.rtl.interface import check_hardware

STANDALONE = "in standalone training"
LOCAL = Params.load("local-small").replace(standalone={"flash": "quad"})
DENSE = Params.load("dense-wide").replace(standalone={"flash": "single"})


def test_leaky_dynamics_and_overlap():
    leaky = LOCAL.replace(dynamics={"kind": "leaky"})
    check_hardware(leaky)
    message = (
        "machine.overlap must be false with leaky dynamics in hardware, which relaxes a sample "
        "before the next one is driven, not true"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_hardware(leaky.replace(machine={"overlap": True}))


@pytest.mark.parametrize(
    ("params", "changes", "message"),
    [
        (
            DENSE, {"learning": {"shift": 1}},
            f"learning.shift must be 0 for a dense first layer {STANDALONE}, not 1",
        ),
        (
            LOCAL, {"learning": {"shift": 9}},
            f"learning.shift must be at most 8 {STANDALONE}, which moves a row by at most 8 bits, "
            "not 9",
        ),
        (
            LOCAL, {"network": {"thresholds": [60, 120, 180]}, "learning": {"shift": 3}},
            f"learning.shift must be at most 2 {STANDALONE}, which moves a row by at most 8 bits, "
            "not 3",
        ),
        (
            LOCAL, {"machine": {"training": False}},
            "machine.training must be true for standalone training, not false",
        ),
        (
            LOCAL, {"network": {"image": [200, 200]}},
            f"samples must have at most 4095 bytes {STANDALONE}, not 5001",
        ),
    ],
    ids=["dense", "far", "far-in-planes", "infers", "large"],
)  # fmt: skip
def test_what_a_machine_that_trains_alone_cannot_do(params, changes, message):
    changed = params.replace(**changes)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_hardware(changed)
    check_hardware(params)
    # The same with a host, which moves the images.
    check_hardware(changed.replace(standalone={"flash": "none"}))
