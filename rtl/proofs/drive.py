"""The dot product of a row and its window, for all words, at the widths of presets."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof
from popflip.rtl.proofs.popcount import Followed, count_ones

__all__ = ["PROOFS"]


class _Dot(Harness):
    """A row of weights and its window, any, are followed to the margin of its neuron.

    Of networks whose rows are one word each. Of several banks the first is looked at.
    """

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        p = self._params
        dut = DriveEngine(p)
        m.submodules.dut = (inside := Inside(dut)).fragment
        for path, member, port in dut.signature.flatten(dut):
            if member.flow == In and len(Value.cast(port)):
                m.d.comb += port.eq(self.any(len(Value.cast(port)), "__".join(map(str, path))))
        bits, heaviside = p.fan_in, p.dynamics.code == "heaviside"
        tree = inside.fragment.find_subfragment("count0").origins[0]
        length = tree.latency + 3
        valid = inside["valid"]
        followed = Followed(self, m, valid[0], dut.en, length)
        row, window = Signal(bits, name="row"), Signal(bits, name="window")
        with m.If(followed.begins):
            m.d.sync += [row.eq(dut.weights.data[:bits]), window.eq(dut.windows.x)]

        # Behind the register of the products; the tree of the mask has its words from the first.
        product = Signal(bits, name="expected_product")
        m.d.comb += product.eq(row & window if heaviside else ~(row ^ window))
        ones = count_ones(
            self, m, inside, tree, product, lambda n: followed.behind(n + 1), part="count0."
        )
        mask = bits
        if heaviside:
            mask = count_ones(
                self, m, inside, tree, window, lambda n: followed.behind(n) if n else None,
                part="count_mask.",
            )  # fmt: skip
            self.lemma(~followed.behind(tree.latency + 1) | (inside["mask0"] == mask))
        self.lemma(~followed.behind(1) | (inside["product0"] == product))
        for registers in range(1, length + 1):
            self.lemma(~followed.behind(registers) | valid[registers])
        dot = (ones << 1) - mask
        self.lemma(~followed.behind(length - 1) | (inside["dot0"] == dot))
        margin = dot * p.dynamics.gains[0] - p.dynamics.hidden_threshold
        self.claim("margin", ~followed.behind(length) | (inside["margin0"] == margin))


def _proof(name, preset, size, slow=False, **machine):
    return Proof(
        f"dot-{name}",
        "layers/drive",
        f"{preset}: {size}",
        lambda: _Dot(Params.load(preset).replace(machine=machine)),
        {
            "margin": Claim(
                "the margin is the gain times the dot product of weights and inputs, less the "
                "threshold",
                Fault(DriveEngine.elaborate, "(count << 1) - mask", "count - mask", 12),
            )
        },
        depth=1,
        slow=slow,
    )


PROOFS = [
    _proof("100", "local-small", "rows of 100 bits, heaviside"),
    _proof("200", "ecp5-85f", "rows of 200 bits, heaviside, groups that leave at once", True),
    _proof("sign", "local-medium-sign", "rows of 162 bits in one word, sign", True, row_lanes=162),
]
