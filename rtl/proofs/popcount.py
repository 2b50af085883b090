"""The popcount tree counts: for every word, at the widths that the presets have."""

from amaranth.hdl import Const, Module, Signal, Value

from popflip.rtl.primitives.popcount import PopcountTree, _ones_of_three
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof

__all__ = ["PROOFS", "Followed", "count_ones"]


#: Levels of the tree between two registers, as in all engines.
_PER_REGISTER = 3


class Followed:
    """A word, any, that is followed through a pipeline.

    Parameters
    ----------
    harness : Harness
    m : Module
    enters, moves : Value
        Whether a word enters the pipeline in this cycle, and whether the pipeline moves.
    length : int
        Registers to follow it through.
    """

    def __init__(self, harness: Harness, m: Module, enters: Value, moves: Value, length: int):
        self._behind = Signal(range(length + 2))  # registers; 0 before it comes
        self.begins = Signal(name="follows")
        m.d.comb += self.begins.eq(harness.any(1, "follow") & (self._behind == 0) & enters & moves)
        with m.If(self.begins | moves & (self._behind != 0) & (self._behind <= length)):
            m.d.sync += self._behind.eq(self._behind + 1)
        harness.lemma(self._behind <= length + 1)

    def behind(self, registers: int) -> Value:
        """Whether it is in the register of that number, the first being 1."""
        return self._behind == registers


def count_ones(harness, m, inside, tree, word, there, *, part="") -> Signal:
    """Count the ones of a followed word by sums that cannot overflow.

    Each of their nodes is the sum of what is below it, by induction over the levels: of three bits,
    or of two nodes. That each node of the real tree equals its counterpart when the word is there,
    and counts no more ones than there are bits below it, is what the induction over time stands on.

    Parameters
    ----------
    harness : Harness
    m : Module
    inside : Inside
        The real tree, or what it is a part of, named ``part``.
    tree : PopcountTree
        Its shape.
    word : Value
    there : callable
        From a number of the tree's registers to whether the word is behind so many; None for what
        is not to be looked at.
    part : str
    """
    terms = []
    for low in range(0, tree.width, 3):
        bits = word[low : low + 3]
        terms.append((sum(bits[i] for i in range(len(bits))), len(bits)))
    for level in range(1, tree.levels + 1):
        if level > 1:
            groups = [terms[low : low + 2] for low in range(0, len(terms), 2)]
            terms = [(sum(v for v, _ in g), sum(most for _, most in g)) for g in groups]
        registers = tree.latency if level == tree.levels else level // _PER_REGISTER
        is_there = there(registers)
        nodes = []
        for index, (value, most) in enumerate(terms):
            node = Signal(16, name=f"{part}sum{level}_{index}")
            m.d.comb += node.eq(value)
            harness.lemma(node <= most)
            if is_there is not None:
                harness.lemma(~is_there | (inside[f"{part}level{level}_{index}"] == node))
            nodes.append((node, most))
        terms = nodes
    [(count, _)] = terms
    return count


class _Tree(Harness):
    def __init__(self, width: int):
        super().__init__()
        self._tree = PopcountTree(width, levels_per_register=_PER_REGISTER)

    def body(self, m: Module) -> None:
        tree = self._tree
        m.submodules.dut = (inside := Inside(tree)).fragment
        m.d.comb += [
            tree.i.eq(self.any(tree.width, "word")),
            tree.en.eq(self.any(1, "enable")),
        ]
        followed = Followed(self, m, Const(1), tree.en, tree.latency)
        word = Signal(tree.width)
        with m.If(followed.begins):
            m.d.sync += word.eq(tree.i)
        count = count_ones(self, m, inside, tree, word, lambda n: followed.behind(n) if n else None)
        self.claim("count", ~followed.behind(tree.latency) | (tree.o == count))


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
        "primitives/popcount",
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
        "primitives/popcount",
        "13 bits, one register; against the plain sum, without any structure assumed",
        lambda: _Flat(13),
        {
            "count": Claim(
                "the count is the number of ones of the word, one cycle before",
                Fault(_ones_of_three, "| (b & c)", "", depth=3),
            ),
        },
        slow=True,
    ),
    _proof(10, "outputs of the ECP5 presets", slow=True),
    _proof(40, "outputs of local-small", slow=True),
    _proof(100, "windows of local-small, outputs of local-large-wide"),
    _proof(200, "windows of the ECP5 presets", slow=True),
    _proof(784, "rows of dense-wide", slow=True),
]
