"""What the hardware refuses so far."""

import re

import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import most_cycles
from popflip.golden.description.params import Params
from popflip.golden.description.software_only import check_network
from popflip.golden.support.errors import InputError

SHARED = {
    "row_lanes": 100, "relax_lanes": 40, "latent_lanes": [10, 10], "weight_slice": 10,
    "shared_update": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": {"pool": 3}, "dynamics": {"kind": "leaky"}},
            "network.pool must be 1 with leaky dynamics in hardware, not 3",
        ),
        (
            {"network": {"pool": [1, 3]}, "dynamics": {"kind": "leaky"}},
            "network.pool must be 1 with leaky dynamics in hardware, not [1, 3]",
        ),
        (
            {"network": {"sharing": "full"}, "dynamics": {"kind": "leaky"}},
            "network.sharing must be 'none' with leaky dynamics in hardware, not 'full'",
        ),
        (
            {"network": {"sharing": "full"}, "learning": {"batch": 1}, "machine": SHARED},
            "network.sharing must be 'none' with machine.shared_update in hardware, not 'full'",
        ),
        (
            {
                "learning": {"first_latent_bits": 8, "batch": 1},
                "machine": SHARED,
            },
            "learning.first_latent_bits must be left out with machine.shared_update in hardware, "
            "not 8",
        ),
        (
            {"learning": {"hold_nudge": True}},
            "learning.hold_nudge must be left out in hardware, not True",
        ),
    ],
)
def test_what_there_is_no_hardware_for(changes, message):
    params = Params.load("local-small").replace(**changes)
    for refuse in (check_network, CycleModel, most_cycles):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            refuse(params)


def test_what_there_is_hardware_for():
    check_network(Params.load("local-small"))
    check_network(Params.load("dense-wide"))
    check_network(
        Params.load("local-small").replace(
            network={"pool": 3, "sharing": "full"},
            learning={"first_latent_bits": 8},
            machine={"pool_lanes": 3},
        )
    )
