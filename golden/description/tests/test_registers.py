"""Registers: their order is what the host link addresses, so it is pinned here."""

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.registers import register_map, register_values


def test_names_in_order_of_address():
    registers = register_map(Params.load("local-small"))
    assert [register.index for register in registers] == list(range(len(registers)))
    writable = [register.name for register in registers if register.writable]
    assert writable == ["batch", "options", "seed", "clear", "tau0", "tau1"]
    read_only = [register.name for register in registers if not register.writable]
    assert read_only == [
        *["prediction", "pending"],
        *["samples_lo", "samples_hi", "correct_lo", "correct_hi", "changed_lo", "changed_hi"],
        *["restarts_lo", "restarts_hi", "flips0_lo", "flips0_hi", "flips1_lo", "flips1_hi"],
        *["cycles_drive_lo", "cycles_drive_hi", "cycles_free_lo", "cycles_free_hi"],
        *["cycles_nudged_lo", "cycles_nudged_hi", "cycles_update_lo", "cycles_update_hi"],
        *["cycles_wait_lo", "cycles_wait_hi"],
    ]
    # Those that may be written come first.
    assert [register.name for register in registers] == writable + read_only


def test_a_shared_update_engine_has_no_batches():
    params = Params.load("local-small").replace(
        machine={
            "row_lanes": 100, "relax_lanes": 40, "latent_lanes": [4, 4], "weight_slice": 8,
            "shared_update": True,
        }
    )  # fmt: skip
    writable = [register.name for register in register_map(params) if register.writable]
    assert writable == ["seed", "clear", "tau0", "tau1"]


@pytest.mark.parametrize("preset", ["dense-wide", "local-small"])
def test_names_are_unique_and_explained(preset):
    registers = register_map(Params.load(preset))
    assert len({register.name for register in registers}) == len(registers)
    assert all(register.meaning for register in registers)


def test_words_become_values():
    params = Params.load("local-small")
    words = list(range(100, 100 + len(register_map(params))))
    values = register_values(params, words)
    assert (values["batch"], values["tau1"]) == (100, 105)
    assert values["cycles_drive"] == 120 | 121 << 32
    assert list(values)[-5:] == [
        "cycles_drive", "cycles_free", "cycles_nudged", "cycles_update", "cycles_wait",
    ]  # fmt: skip
    assert len(values) == len(words) - 11


def test_each_weight_layer_has_a_threshold_and_a_counter():
    params = Params.load("local-small").replace(
        network={"hidden": [50]},
        dynamics={"gains": [26, 9, 9]},
        learning={"tau": [12, 8, 8]},
        machine={"latent_lanes": [10, 10, 10]},
    )
    names = [register.name for register in register_map(params)]
    assert names[4:7] == ["tau0", "tau1", "tau2"]
    assert [name for name in names if name.startswith("flips")] == [
        f"flips{layer}_{half}" for layer in range(3) for half in ("lo", "hi")
    ]
