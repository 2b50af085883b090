#!/usr/bin/env python3
"""A RISC-V system that LiteX makes, with a popflip machine on its Wishbone bus.

``soc.py sim`` writes Verilog for a simulator, in which the flash is a model that holds what
``--flash`` names. ``soc.py board`` builds a bitstream for a ULX3S, whose flash holds the same from
byte ``DATA`` on. Both compile the firmware, and put it into the system's ROM.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from litespi.modules import IS25LP128
from litespi.opcodes import SpiNorFlashOpCodes
from litespi.phy.model import LiteSPIPHYModel
from litex.build.generic_platform import GenericPlatform, Pins, Subsignal
from litex.build.io import CRG
from litex.gen import ClockDomain, ClockSignal, Instance, LiteXModule, Open, ResetSignal, Signal
from litex.soc.cores.clock import ECP5PLL
from litex.soc.integration.builder import Builder
from litex.soc.integration.common import get_mem_data
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from litex_boards.platforms import radiona_ulx3s

HERE = Path(__file__).resolve().parent

#: Name of the machine, as in main.c.
NAME = "digits"

#: Where the flash has the network and the samples, behind the bitstream.
DATA = 1 << 20

#: Libraries of LiteX that the firmware uses; LiteX would compile all that it has.
LIBRARIES = ("libc", "libcompiler_rt", "libbase")


class Popflip(LiteXModule):
    """A machine that `popflip verilog --bus wishbone` has written into a folder.

    Accesses are classic ones, so ``wb_stall`` stays open. The interrupt is an event of LiteX's,
    which the firmware enables as it does any other.
    """

    def __init__(self, platform, folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        bits = manifest["bus_map"]["address_bits"]
        self.size = 1 << bits
        self.bus = wishbone.Interface(data_width=32, addressing="word")
        self.ev = EventManager()
        self.ev.run = EventSourceLevel(description="The machine's `irq`.")
        self.ev.finalize()
        bus = self.bus
        self.specials += Instance(
            NAME,
            i_clk=ClockSignal(), i_rst=ResetSignal(),
            i_wb_cyc=bus.cyc, i_wb_stb=bus.stb, i_wb_we=bus.we, i_wb_adr=bus.adr[: bits - 2],
            i_wb_sel=bus.sel, i_wb_dat_w=bus.dat_w,
            o_wb_dat_r=bus.dat_r, o_wb_ack=bus.ack, o_wb_err=bus.err, o_wb_stall=Open(),
            o_irq=self.ev.run.trigger,
        )  # fmt: skip
        platform.add_source(str(folder / f"{NAME}.v"), copy=True)


class System(SoCCore):
    """The system, on a platform that has a clock, a serial line and a flash."""

    def __init__(self, platform, folder, clock, uart, flash_phy=None):
        super().__init__(
            platform, clock,
            cpu_type="vexriscv", cpu_variant="standard",
            integrated_rom_size=0x8000, integrated_sram_size=0x8000,
            uart_name=uart, timer_uptime=True, ident="popflip", ident_version=False,
        )  # fmt: skip
        self.integrated_rom_initialized = True  # no BIOS: the firmware takes its place
        self.popflip = Popflip(platform, folder)
        region = SoCRegion(origin=0x9000_0000, size=self.popflip.size, cached=False)
        self.bus.add_slave("popflip", self.popflip.bus, region)
        self.irq.add("popflip")
        self.mem_map["spiflash"] = 0x2000_0000  # cached, unlike all from 0x80000000 on
        self.add_spi_flash(
            mode="1x", clk_freq=clock / 2, module=IS25LP128(SpiNorFlashOpCodes.READ_1_1_1_FAST),
            phy=flash_phy, with_master=False,
        )  # fmt: skip
        self.add_constant("DATA", self.mem_map["spiflash"] + DATA)
        self._folder = folder

    def init_mems(self, **_):
        """Compile the firmware; LiteX calls this when its libraries are there."""
        folder = Path(self.builder.software_dir) / "firmware"
        folder.mkdir(exist_ok=True)
        command = ["make", "-C", folder, "-f", HERE / "firmware.mk", f"POPFLIP={self._folder}"]
        subprocess.run(command, check=True)
        self.init_rom("rom", get_mem_data(str(folder / "firmware.bin"), 32, "little"))


class Simulated(GenericPlatform):
    """Ports for a simulator: a clock, and characters instead of a serial line."""

    def __init__(self):
        sides = ("source", "sink")
        wires = [(f"{side}_{wire}", n) for side in sides
                 for wire, n in (("valid", 1), ("ready", 1), ("data", 8))]  # fmt: skip
        super().__init__("sim", [
            ("clk", 0, Pins(1)),
            ("serial", 0, *(Subsignal(wire, Pins(n)) for wire, n in wires)),
        ], name="sim")  # fmt: skip

    def build(self, fragment, build_dir, build_name, **_):
        """Write the Verilog."""
        self.finalize(fragment)
        os.chdir(build_dir)
        verilog = self.get_verilog(fragment, name=build_name)
        verilog.write(f"{build_name}.v")
        files = [f"{build_name}.v", *(str(source[0]) for source in self.sources)]
        Path("sources.f").write_text("\n".join(files) + "\n")
        return verilog.ns


class Clock(LiteXModule):
    """The ULX3S's clock of 25 MHz, turned into the system's."""

    def __init__(self, platform, frequency):
        self.cd_sys = ClockDomain()
        self.rst = Signal()
        self.pll = ECP5PLL()
        self.pll.register_clkin(platform.request("clk25"), 25e6)
        self.pll.create_clkout(self.cd_sys, frequency)
        self.comb += self.pll.reset.eq(self.rst)
        self.comb += platform.request("wifi_gpio0").eq(1)  # else the ESP32 resets the FPGA


def simulated(arguments):
    """Make the system for a simulator."""
    platform = Simulated()
    flash = IS25LP128(SpiNorFlashOpCodes.READ_1_1_1_FAST)
    content = [0] * (DATA // 4) + get_mem_data(str(arguments.flash), 32, "big")
    phy = LiteSPIPHYModel(flash, init=content)
    system = System(platform, arguments.machine, 50e6, "sim", phy)
    system.spiflash_phy = phy
    system.crg = CRG(platform.request("clk"))
    return system, {}


def on_board(arguments):
    """Make the system for a ULX3S, and names of tools that LiteX knows."""
    platform = radiona_ulx3s.Platform(device=arguments.device, toolchain="trellis")
    system = System(platform, arguments.machine, arguments.mhz * 1e6, "serial")
    system.crg = Clock(platform, arguments.mhz * 1e6)
    tools = arguments.out / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for tool in ("yosys", "nextpnr-ecp5", "ecppack"):
        packaged = shutil.which(f"yowasp-{tool}")
        if packaged and not shutil.which(tool) and not (tools / tool).exists():
            (tools / tool).symlink_to(packaged)
    os.environ["PATH"] += f":{tools}"
    return system, {"seed": arguments.seed}


def main():
    """Build what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["sim", "board"])
    parser.add_argument("--machine", type=Path, required=True, help="folder of `popflip verilog`")
    parser.add_argument("--flash", type=Path, help="sim: content of the flash")
    parser.add_argument("--device", default="LFE5U-25F", help="board: its FPGA")
    parser.add_argument("--mhz", type=float, default=50, help="board: the system's clock")
    parser.add_argument("--seed", type=int, default=1, help="board: of placement")
    parser.add_argument("--out", type=Path, required=True, help="folder to build in")
    arguments = parser.parse_args()
    arguments.machine, arguments.out = arguments.machine.resolve(), arguments.out.resolve()
    if arguments.kind == "sim" and not arguments.flash:
        parser.error("sim needs --flash")
    system, options = simulated(arguments) if arguments.kind == "sim" else on_board(arguments)
    builder = Builder(system, output_dir=str(arguments.out))
    builder.software_packages, builder.software_libraries = [], []
    for library in LIBRARIES:
        builder.add_software_package(library)
        builder.add_software_library(library)
    builder.build(build_name="system", **options)


if __name__ == "__main__":
    sys.exit(main())
