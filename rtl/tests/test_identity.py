import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.golden.support.errors import InputError
from popflip.rtl.identity import identity

TINY = {
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {"row_lanes": 12, "relax_lanes": 4, "latent_lanes": [6, 3]},
}
PARAMS = Params.build(TINY)
FLASH = PARAMS.replace(standalone={"flash": "quad", "order_bits": 4, "epochs": 2})

_PRINT = f"""
from popflip.golden.description.params import Params
from popflip.rtl.identity import identity, source_digest
print(identity(Params.build({TINY!r})).hex(), source_digest())
"""


class Checkout:
    """A copy of all that the identity could depend on, in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        package = folder / "popflip"
        for room in ("golden", "rtl"):
            source = Path(str(resources.files(f"popflip.{room}")))
            ignored = shutil.ignore_patterns("tests", "__pycache__")
            shutil.copytree(source, package / room, ignore=ignored)
        shutil.copy(Path(str(resources.files("popflip"))) / "__init__.py", package)

    def edit(self, path, old, new):
        """Replace the first place of a text in a source file."""
        source = self.folder / "popflip" / path
        text = source.read_text("utf-8")
        assert old in text, f"{path} no longer has {old!r}"
        source.write_text(text.replace(old, new, 1), "utf-8")

    def identity(self, seed="0"):
        """Return the identity and the digest of sources that this checkout computes."""
        run = subprocess.run(
            [sys.executable, "-c", _PRINT],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder),
                "PYTHONHASHSEED": seed,
                "POPFLIP_CACHE": str(self.folder / "cache"),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout.split()


def test_follows_from_the_netlist_alone(tmp_path):
    checkout = Checkout(tmp_path / "first")
    before, sources = checkout.identity(seed="1")
    assert before == identity(PARAMS).hex(), "it depends on the path of the checkout"

    for path in ("golden/training/loop.py", "golden/datasets/named/download.py", "golden/model.py"):
        checkout.edit(path, '"""', '"""Edited. ')
    assert checkout.identity(seed="2") == [before, sources]

    other = Checkout(tmp_path / "a folder of another name")
    # Comments, docstrings and blank lines move everything below them.
    other.edit("rtl/core/core.py", "from ", "# A remark.\n\nfrom ")
    other.edit("rtl/primitives/popcount.py", '"""', '"""Edited. ')
    after, edited = other.identity(seed="3")
    assert after == before
    assert edited != sources

    other.edit("rtl/primitives/uart.py", "(self.rx, line, init=1)", "(self.rx, line, init=0)")
    assert other.identity()[0] != before


def test_other_hardware_has_another():
    variants = [
        PARAMS,
        FLASH,
        PARAMS.replace(machine={"row_lanes": 6}),
        PARAMS.replace(network={"hidden": [6]}),
        PARAMS.replace(dynamics={"gains": [4, 7]}),
        # What the flash's own training begins with is part of the hardware.
        FLASH.replace(learning={"tau": [3, 4]}),
    ]
    found = [identity(params) for params in variants]
    assert {len(each) for each in found} == {IDENTITY_BYTES}
    assert len(set(found)) == len(variants)


def test_settings_of_a_run_do_not_alter_it():
    for sections in ({"learning": {"tau_growth": 1.2}}, {"network": {"thresholds": [9]}}):
        other = PARAMS.replace(name="another", **sections)
        assert other.digest != PARAMS.digest
        assert identity(other) == identity(PARAMS), sections


def test_needs_hardware():
    with pytest.raises(InputError, match=r"^network.pixel_bits must be 1 in hardware, not 8$"):
        identity(PARAMS.replace(network={"pixel_bits": 8}))
