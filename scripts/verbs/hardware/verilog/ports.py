"""The ports of a design, and what each is for."""

import re
from typing import NamedTuple

from amaranth.hdl import Value
from amaranth.lib.wiring import In

from popflip.golden.description.names import port_name
from popflip.golden.description.params import Params
from popflip.rtl.designs import ports as signature

__all__ = ["Port", "ports"]

#: What ports are for, by a pattern of their names.
_MEANINGS = {
    "clk": "clock; everything happens at its rising edge",
    "rst": "synchronous reset, active high; clears no memory",
    "rx": "serial line from the host, idle high; synchronised inside",
    "tx": "serial line to the host, idle high",
    "busy": "a run is on",
    "error": "the last request of a host was answered by an error",
    "store_request_valid": "a sample is asked for; stays high until it is accepted",
    "store_request_ready": "the sample store accepts the request",
    "store_request_payload": "number of the sample",
    "store_data_valid": "a byte of the sample is offered",
    "store_data_ready": "the machine accepts the byte",
    "store_data_payload": "the byte; a sample's bytes come in order, one sample per request",
    "flash_cs_n": "chip select of the flash, active low",
    "flash_sck": "clock of the flash, in each half of a cycle",
    "flash_o": "data to the flash",
    "flash_oe": "which data lines are driven",
    "flash_i": "data from the flash",
    "start": "while high, standalone training begins whenever the machine is at rest",
    "standalone": "the machine trains or tests by itself",
    "heartbeat": "changes with every 1,024 samples",
    "progress": "samples of the epoch that are finished, in eighths",
    "irq": "an event is set that is enabled; high until it is cleared",
    "s_axi_aw.*": "AXI4-Lite: address of a write",
    "s_axi_w.*": "AXI4-Lite: data of a write",
    "s_axi_b.*": "AXI4-Lite: answer to a write",
    "s_axi_ar.*": "AXI4-Lite: address of a read",
    "s_axi_r.*": "AXI4-Lite: answer to a read",
    "s_axis_tdata": "AXI4-Stream: a byte of a sample",
    "s_axis_tuser": "AXI4-Stream: the label, beside the last byte, if `options` says so",
    "s_axis_tlast": "AXI4-Stream: this is a sample's last byte",
    "s_axis_t.*": "AXI4-Stream: samples, byte by byte",
    "m_axis_tdata": "AXI4-Stream: class (bits 0 to 7), margin (8 to 31), number of the sample (32 "
    "to 63)",
    "m_axis_tlast": "AXI4-Stream: the last prediction of a run",
    "m_axis_t.*": "AXI4-Stream: predictions",
    "wb_adr": "Wishbone: address of a 32-bit word",
    "wb_sel": "Wishbone: bytes that are meant",
    "wb_stall": "Wishbone: for pipelined cycles; classic ones leave it open",
    "wb_err": "Wishbone: the access is refused and has changed nothing",
    "wb_.*": "Wishbone B4",
    "host_command_.*": "one word to write to a region, or to read from it",
    "host_reply_.*": "one word for each read, in order",
    "host_run_.*": "a run to begin; ready while none is on",
    "host_stop": "a pulse ends the run after the sample in hand",
    "host_busy": "a run is on",
    "note": "what register `standalone` reads as",
    "finished": "low bits of the counter of samples",
    "prediction_valid": "a pulse: a sample is finished",
    "prediction_label": "its class",
    "prediction_margin": "summed potential of that class less the greatest one of any other",
}


class Port(NamedTuple):
    """A port of the Verilog module."""

    name: str
    direction: str
    width: int
    meaning: str


def ports(params: Params, bus: str = "uart") -> list[Port]:
    """List the ports of a design, in the order in which they are told."""
    found = {"clk": ("input", 1), "rst": ("input", 1)}
    members = signature(params, bus)
    for path, member, value in members.flatten(members.create()):
        # An output that never changes is none, as `ready` of a stream that is always ready.
        if "ready" in path and getattr(Value.cast(value), "value", None) == 1:
            continue
        direction = "input" if member.flow == In else "output"
        found[port_name(path)] = direction, len(Value.cast(value))
    return [Port(name, *kind, _meaning(name)) for name, kind in found.items()]


def _meaning(name: str) -> str:
    return next(text for pattern, text in _MEANINGS.items() if re.fullmatch(pattern, name))
