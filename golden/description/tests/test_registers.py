"""Registers: their order is what the host link addresses, so it is pinned here."""

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.registers import Field, Register, StandaloneState


def test_names_in_order_of_address():
    registers = Params.load("local-small").registers
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
    writable = [register.name for register in params.registers if register.writable]
    assert writable == ["seed", "clear", "tau0", "tau1"]


@pytest.mark.parametrize("preset", ["dense-wide", "local-small"])
def test_names_are_unique_and_explained(preset):
    registers = Params.load(preset).registers
    assert len({register.name for register in registers}) == len(registers)
    assert all(register.meaning for register in registers)


def test_words_become_values():
    params = Params.load("local-small")
    words = list(range(100, 100 + len(params.registers)))
    values = params.registers.decode(words)
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
    names = [register.name for register in params.registers]
    assert names[4:7] == ["tau0", "tau1", "tau2"]
    assert [name for name in names if name.startswith("flips")] == [
        f"flips{layer}_{half}" for layer in range(3) for half in ("lo", "hi")
    ]


# Entries by name, and what is in them ------------------------------------------------------------


def standalone():
    """Describe a machine with a flash: the only one with register ``standalone``."""
    return Params.load("local-small").replace(standalone={"flash": "quad"})


def test_registers_and_counters_by_name():
    registers = standalone().registers
    assert registers["batch"].index == 0
    assert registers.tau(1) is registers["tau1"]
    assert "standalone" in registers
    assert "standalone" not in Params.load("local-small").registers
    for counter in registers.counters:
        assert registers[counter.index].name == f"{counter.name}_lo"
        assert registers[counter.index + 1].name == f"{counter.name}_hi"
    assert registers.counters["samples"].index == registers["samples_lo"].index
    with pytest.raises(KeyError, match=r"register must be one of batch, .*, not 'batches'"):
        registers["batches"]


def test_register_standalone_holds_a_state_and_epochs():
    register = standalone().registers["standalone"]
    assert (register["state"].low, register["state"].bits) == (0, 3)
    assert (register["epochs"].low, register["epochs"].bits) == (16, 16)
    word = register.encode(state=StandaloneState.TESTING, epochs=65_535)
    assert word == 0xFFFF_0003
    assert register.decode(word) == {"state": StandaloneState.TESTING, "epochs": 65_535}
    assert isinstance(register.decode(word)["state"], StandaloneState)
    assert register.meaning == (
        "standalone training: a write starts it; bits 0 to 2: what it is doing; "
        "bits 16 to 31: complete epochs"
    )
    with pytest.raises(ValueError, match="7 is not a valid StandaloneState"):
        register.decode(7)
    with pytest.raises(ValueError, match=r"^epochs must be 0 to 65535, not 65536$"):
        register.encode(epochs=65_536)
    with pytest.raises(KeyError, match="register standalone has no field 'epoch'"):
        register["epoch"]


def test_fields_lie_apart_within_their_register():
    for register in standalone().registers:
        masks = [field.mask for field in register.fields]
        assert sum(masks) == sum(set(masks)) < 1 << register.bits
        assert sum(mask.bit_count() for mask in masks) == sum(masks).bit_count()


def test_a_field_by_hand():
    field = Field("middle", 3, 2, "two bits")
    assert (field.mask, field.place) == (0b11000, "bits 3 to 4")
    assert (field.get(0b10111), field.put(3)) == (2, 0b11000)
    assert Register("r", 0, True, "one", fields=(field,)).encode() == 0


def test_registers_begin_with_the_parameters():
    params = Params.load("local-small").replace(learning={"batch": 5, "reset_on_flip": True})
    reset = {register.name: register.reset for register in params.registers if register.reset}
    assert reset == {"batch": 5, "options": 1, "seed": 1, "tau0": 12, "tau1": 8}
    bits = {register.name: register.bits for register in params.registers[:8]}
    assert bits == {
        "batch": 16, "options": 1, "seed": 32, "clear": 0, "tau0": 7, "tau1": 7,
        "prediction": 4, "pending": 16,
    }  # fmt: skip
