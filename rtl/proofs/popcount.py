"""The popcount tree counts: for every word, at the widths that the presets have."""

from amaranth.hdl import Module, Signal

from popflip.rtl.popcount import PopcountTree, _ones_of_three
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof

__all__ = ["PROOFS", "TreeOfSums"]


class TreeOfSums:
    """A tree of sums that cannot overflow, beside a real one of the same shape.

    Each of its nodes is the sum of what is below it, by induction over the levels: of three bits,
    or of two nodes. That each node of the real tree equals its counterpart, and counts no more
    ones than there are bits below it, is what the induction over time stands on.

    Parameters
    ----------
    harness : Harness
    m : Module
    inside : Inside
        The real tree, or what it is a part of, named ``part``.
    width, levels, levels_per_register : int
        Its shape.
    enable, word : Value
        Its inputs.
    part : str
    """

    def __init__(self, harness, m, inside, tree, enable, word, *, per_register, part=""):
        terms = []
        for low in range(0, tree.width, 3):
            bits = word[low : low + 3]
            terms.append((sum(bits[i] for i in range(len(bits))), len(bits)))
        for level in range(1, tree.levels + 1):
            if level > 1:
                groups = [terms[low : low + 2] for low in range(0, len(terms), 2)]
                terms = [(sum(v for v, _ in g), sum(most for _, most in g)) for g in groups]
            nodes = []
            for index, (value, most) in enumerate(terms):
                node = Signal(16, name=f"{part}sum{level}_{index}")
                if level % per_register == 0 or level == tree.levels:
                    with m.If(enable):
                        m.d.sync += node.eq(value)
                else:
                    m.d.comb += node.eq(value)
                real = inside[f"{part}level{level}_{index}"]
                harness.lemma((real == node) & (node <= most))
                nodes.append((node, most))
            terms = nodes
        [(self.count, _)] = terms


class _Tree(Harness):
    def __init__(self, width: int):
        super().__init__()
        self._tree = PopcountTree(width, levels_per_register=3)

    def body(self, m: Module) -> None:
        tree = self._tree
        m.submodules.dut = (inside := Inside(tree)).fragment
        m.d.comb += [
            tree.i.eq(self.any(tree.width, "word")),
            tree.en.eq(self.any(1, "enable")),
        ]
        sums = TreeOfSums(self, m, inside, tree, tree.en, tree.i, per_register=3)
        self.claim("count", tree.o == sums.count)


class _Flat(Harness):
    """A tree without any structure assumed: its count against the sum of its bits."""

    def __init__(self, width: int):
        super().__init__()
        self._tree = PopcountTree(width, levels_per_register=16)

    def body(self, m: Module) -> None:
        tree = self._tree
        m.submodules.dut = tree
        word, before, begun = self.any(tree.width, "word"), Signal(tree.width), Signal()
        m.d.comb += [tree.i.eq(word), tree.en.eq(1)]
        m.d.sync += [before.eq(word), begun.eq(1)]
        self.claim("count", ~begun | (tree.o == sum(before[i] for i in range(tree.width))))
        self.lemma(begun | (tree.o == 0))


def _proof(width, used_by, slow=False):
    return Proof(
        f"popcount-{width}",
        "popcount",
        f"{width} bits, a register every 3 levels ({used_by}); by induction over the tree",
        lambda: _Tree(width),
        {
            "count": Claim(
                "the count is the number of ones of the word, latency enabled cycles before",
                # The last carry has no room.
                Fault(PopcountTree.elaborate, "term = Signal(range(most + 1)",
                      "term = Signal(range(most)", depth=6),
            ),
        },
        depth=1,
        slow=slow,
    )  # fmt: skip


PROOFS = [
    Proof(
        "popcount-flat",
        "popcount",
        "13 bits, one register; against the plain sum, without any structure assumed",
        lambda: _Flat(13),
        {
            "count": Claim(
                "the count is the number of ones of the word, one cycle before",
                Fault(_ones_of_three, "| (b & c)", "", depth=3),
            ),
        },
    ),
    _proof(10, "outputs of the ECP5 presets", slow=True),
    _proof(40, "outputs of local-small", slow=True),
    _proof(100, "windows of local-small, outputs of local-large-wide"),
    _proof(200, "windows of the ECP5 presets", slow=True),
    _proof(784, "rows of dense-wide", slow=True),
]
