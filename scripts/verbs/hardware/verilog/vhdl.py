"""A design as a component of VHDL."""

from popflip.scripts.verbs.hardware.verilog.ports import Port

__all__ = ["component"]


def component(name: str, heading: str, ports: list[Port]) -> str:
    """Write a package that declares the component.

    Parameters
    ----------
    name : str
        What the design is called.
    heading : str
        One line.
    ports : list of Port
    """
    lines = [
        f"-- {heading}",
        "--",
        f"-- Compile this and {name}.v, for tools that take both languages. Then:",
        f"--   use work.{name}_component.all;",
        "",
        "library ieee;",
        "use ieee.std_logic_1164.all;",
        "",
        f"package {name}_component is",
        f"  component {name} is",
        "    port (",
    ]
    for port in ports:
        flow = "in" if port.direction == "input" else "out"
        width = f"std_logic_vector({port.width - 1} downto 0)" if port.width > 1 else "std_logic"
        end = "" if port is ports[-1] else ";"
        lines.append(f"      {port.name} : {flow} {width}{end} -- {port.meaning}")
    return "\n".join([*lines, "    );", "  end component;", "end package;", ""])
