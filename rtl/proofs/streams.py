"""Streams keep their rules: nothing waits or moves that must not, and nothing is lost."""

from collections.abc import Callable

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, held

__all__ = ["Streams", "rules"]

_VALID = "valid never waits on ready: whoever takes words cannot change when one is offered"
_HELD = "a word that is offered and not taken stays, and stays as it is"


class Streams(Harness):
    """A component beside a twin that hears the same, but is asked at other times.

    The twins are together until one of them hands over a word that the other does not. Meanwhile
    whatever their consumers do makes no difference to what they offer.

    Parameters
    ----------
    make : callable
        Returns a new component.
    outs, ins : tuple of str
        Streams that it offers, and that it takes.
    """

    #: Whether all registers of the twins are equal while they are together, which an induction
    #: stands on; not where what a memory holds finds its way into them.
    twins_are_equal = True

    #: Read ports of memories. While the twins are together they write the same, so what they read
    #: is the same: that is assumed, as an induction does not see what a memory holds.
    reads: tuple[str, ...] = ()

    #: Whether to claim that words stay, too; not if another proof does.
    claims_held = True

    def __init__(self, make: Callable[[], wiring.Component], outs=("o",), ins=("i",)):
        super().__init__()
        self._make, self._outs, self._ins = make, outs, ins

    def body(self, m: Module) -> None:
        dut, twin = self._make(), self._make()
        inside, other = Inside(dut), Inside(twin)
        m.submodules.dut, m.submodules.twin = inside.fragment, other.fragment
        twins = {path: value for path, _, value in twin.signature.flatten(twin)}
        for path, member, value in dut.signature.flatten(dut):
            if member.flow == In:
                name = "__".join(map(str, path))
                port, twin_port = Value.cast(value), Value.cast(twins[path])
                if not len(port):
                    continue
                m.d.comb += port.eq(given := self.any(len(port), name))
                if path[-1] == "ready" and ".".join(map(str, path[:-1])) in self._outs:
                    given = self.any(1, f"twin_{name}")
                m.d.comb += twin_port.eq(given)
        parted, parting = Signal(), []
        for name in self._outs:
            mine, theirs = _port(dut, name), _port(twin, name)
            self.claim("valid", parted | (mine.valid == theirs.valid))
            if self.claims_held:
                self.claim("held", held(m, mine.valid, mine.ready, mine.payload))
            parting.append(mine.valid & (mine.ready != theirs.ready))
        for name in self._ins:
            stream = _port(dut, name)
            self.assume(held(m, stream.valid, stream.ready, stream.payload))
        m.d.sync += parted.eq(parted | Cat(parting).any())
        if self.twins_are_equal:
            for register, counterpart in zip(inside.registers(), other.registers(), strict=True):
                self.lemma(parted | (register == counterpart))
        for path in self.reads:
            self.assume(parted | (inside[path].data == other[path].data))
        self.words(m, dut, inside)

    def words(self, m: Module, dut, inside: Inside) -> None:
        """Claim what becomes of the words; by default nothing."""


def _port(component, name):
    for part in name.split("."):
        component = getattr(component, part)
    return component


def rules(
    fault_of_valid: Fault | None,
    fault_of_held: Fault | None,
    words: str = "",
    fault_of_words: Fault | None = None,
) -> dict[str, Claim]:
    """Return the claims of a component with streams, as far as each has a fault."""
    claims = {}
    for name, says, fault in (
        ("words", words, fault_of_words),
        ("valid", _VALID, fault_of_valid),
        ("held", _HELD, fault_of_held),
    ):
        if fault is not None:
            claims[name] = Claim(says, fault)
    return claims
