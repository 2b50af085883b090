"""Names that Verilog, SystemVerilog, VHDL, C and C++ all take: of designs, and of their ports."""

import re
from typing import TYPE_CHECKING

from popflip.golden.support.errors import InputError

if TYPE_CHECKING:
    from popflip.golden.description.params import Params

__all__ = ["LONGEST", "checked_name", "default_name", "is_legal", "port_name"]

#: Characters of the longest name.
LONGEST = 60

# VHDL knows no underscore at either end and no two in a row; C++ keeps the latter to itself.
_LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")

#: Words that Verilog and SystemVerilog keep to themselves.
_VERILOG = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
checker class clocking cmos config const constraint context continue cover covergroup coverpoint
cross deassign default defparam design disable dist do edge else end endcase endchecker endclass
endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually
expect export extends extern final first_match for force foreach forever fork forkjoin function
generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies
import incdir include initial inout input inside instance int integer interconnect interface
intersect join join_any join_none large let liblist library local localparam logic longint
macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive
priority program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect
pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg reject_on
release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually
s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran
tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until
until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while
wildcard wire with within wor xnor xor
"""

#: Those of VHDL, which does not tell cases apart.
_VHDL = """
abs access after alias all and architecture array assert assume assume_guarantee attribute begin
block body buffer bus case component configuration constant context cover default disconnect
downto else elsif end entity exit fairness file for force function generate generic group guarded
if impure in inertial inout is label library linkage literal loop map mod nand new next nor not
null of on open or others out package parameter port postponed private procedure process property
protected pure range record register reject release rem report restrict restrict_guarantee return
rol ror select sequence severity shared signal sla sll sra srl strong subtype then to transport
type unaffected units until use variable view vmode vprop vunit wait when while with xnor xor work
std ieee
"""

#: Those of C and C++.
_C = """
alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool
break case catch char char16_t char32_t char8_t class co_await co_return co_yield compl concept
const const_cast consteval constexpr constinit continue decltype default delete do double
dynamic_cast else enum explicit export extern false float for friend goto if inline int long main
mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public
reflexpr register reinterpret_cast requires restrict return short signed sizeof static
static_assert static_cast struct switch synchronized template this thread_local throw true try
typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t
while xor xor_eq
"""

_RESERVED = frozenset(f"{_VERILOG} {_VHDL} {_C}".split())


def is_legal(name: str) -> bool:
    """Whether all the languages take a name."""
    return bool(_LEGAL.fullmatch(name)) and name.lower() not in _RESERVED


def checked_name(name: str) -> str:
    """Return a design's name, if it is one.

    Raises
    ------
    InputError
        If not all of Verilog, VHDL, C and C++ take it, or it is longer than :data:`LONGEST`.
    """
    if not _LEGAL.fullmatch(name) or len(name) > LONGEST:
        raise InputError(
            f"name must be a letter, then letters, digits and single underscores, the last of them "
            f"no underscore, at most {LONGEST} in all, not {name!r}"
        )
    if name.lower() in _RESERVED:
        raise InputError(
            f"name must be no word that Verilog, VHDL, C or C++ keep to themselves, not {name!r}"
        )
    return name


def default_name(params: "Params") -> str:
    """Return the name that a design has if nobody names it: ``popflip_`` and its network's."""
    parts = re.findall(r"[A-Za-z0-9]+", params.name)
    return "_".join(["popflip", *parts])[:LONGEST].rstrip("_")


def port_name(path) -> str:
    """Return the port of a member, which is given by the names on the way to it."""
    return "_".join(map(str, path))
