"""The signatures by which engines meet, and how several of them share one port."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import Synapses
from popflip.golden.description.params import Params
from popflip.rtl.layers.synapses import ReadSignature, WriteSignature

__all__ = [
    "ActivationSignature",
    "ContributionSignature",
    "JobLayout",
    "LearnerSignature",
    "Nudge",
    "OffsetLayout",
    "OutputSignature",
    "PartnerSignature",
    "PhaseSignature",
    "UpdateSignature",
    "Visit",
    "VisitSignature",
    "WeightSignature",
    "WindowSignature",
    "share",
    "windows_turn",
]


class Nudge(enum.Enum, shape=2):
    """Sign of beta."""

    NONE = 0
    PLUS = 1
    MINUS = 2


class Visit(enum.Enum, shape=1):
    """What a pass over the neurons does to each."""

    SETTLE = 0  # compute its activation
    RESTORE = 1  # give it the activation of the free state


class PhaseSignature(wiring.Signature):
    """Where the sample in hand stands, for all engines at once, from the sequencer's side.

    Two states of the network are contrasted: the *first* and the *last*. With centered nudging the
    first is the plus state; else it is the free one.

    Members
    -------
    clear : ``Out(1)``
        A sample begins to relax.
    nudge : ``Out(Nudge)``
    first_state : ``Out(1)``
        New activations belong to the first state too.
    save, restore : ``Out(1)``
        Keep the free state; go back to it.
    scan : ``Out(1)``
        A pulse begins a contrast scan.
    learning : ``Out(1)``
        High from the cycle after ``scan`` until all updates are done.
    swap : ``Out(1)``
        The first state is the minus state.
    """

    def __init__(self):
        super().__init__({
            "clear": Out(1),
            "nudge": Out(Nudge),
            "first_state": Out(1),
            "save": Out(1),
            "restore": Out(1),
            "scan": Out(1),
            "learning": Out(1),
            "swap": Out(1),
        })


class VisitSignature(wiring.Signature):
    """How the sequencer has the neurons of a hidden layer visited, from its side.

    Members
    -------
    start : ``Out(1)``, kind : ``Out(Visit)``
        A pulse begins a pass over the neurons; ``kind`` holds still until ``idle``.
    toggled : ``In(1)``
        Visited neurons changed (a pulse for each cycle in which any did).
    idle : ``In(1)``
        Nothing is under way in the engine.
    """

    def __init__(self):
        super().__init__({"start": Out(1), "kind": Out(Visit), "toggled": In(1), "idle": In(1)})


class OutputSignature(wiring.Signature):
    """How the sequencer leads the output layer, from its side.

    Members
    -------
    update : ``Out(1)``
        A pulse updates all outputs once.
    moved, toggled : ``In(1)``
        A potential, or an activation, changed in the last update; valid while ``idle``.
    departed : ``In(1)``
        Activations are not those of the free state; valid while ``idle``.
    idle : ``In(1)``
    """

    def __init__(self):
        super().__init__({
            "update": Out(1), "moved": In(1), "toggled": In(1), "departed": In(1), "idle": In(1),
        })  # fmt: skip


class ActivationSignature(wiring.Signature):
    """The activation bits of a layer, from its side.

    Parameters
    ----------
    n : int
        Neurons.

    Members
    -------
    first, last : ``Out(n)``
        In the first of the contrasted states, and now.
    active : ``Out(range(n + 1))``
        How many are 1 now.
    """

    def __init__(self, n: int):
        super().__init__({"first": Out(n), "last": Out(n), "active": Out(range(n + 1))})


class ContributionSignature(wiring.Signature):
    """The first contributions of a layer's neurons to the one above, from the layer's side.

    Members
    -------
    valid : ``Out(1)``, index : ``Out(range(n))``, up : ``Out(1)``
        This neuron counts +1, or with ``up`` low -1 times its word.
    """

    def __init__(self, n: int):
        super().__init__({"valid": Out(1), "index": Out(range(n)), "up": Out(1)})


class OffsetLayout(data.StructLayout):
    """Which of its windows a pooled neuron sees: how far ``down`` and ``across`` it is moved.

    Both are counted from the window that is moved up and to the left the most.
    """

    def __init__(self, params: Params):
        down, across = params.first_layer.pool
        super().__init__({"down": range(down), "across": range(across)})


class WindowSignature(wiring.Signature):
    """Windows of the sample, from the side of whoever looks at them.

    The members are described at :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`:
    ``restart``, ``next`` and ``chunk`` go out, ``ready`` and ``x`` come in. With serial windows
    ``ones`` comes in too, and with ``machine.overlap`` ``jump``, ``column`` and ``line`` go out.
    With pooling ``first``, ``last``, ``offset`` and, without serial windows, ``there`` come in, and
    ``picks``, ``pick`` and, with serial windows, ``seek`` go out.
    """

    def __init__(self, params: Params):
        members = {
            "restart": Out(1),
            "next": Out(1),
            "chunk": Out(range(params.synapses(0).chunks)),
            "ready": In(1),
            "x": In(params.machine.row_lanes * params.machine.pool_lanes),
        }
        if params.first_layer.pooled:
            offset = OffsetLayout(params)
            members |= {"first": In(1), "last": In(1), "offset": In(offset)}
            members |= {"picks": Out(1), "pick": Out(offset)}
            if params.machine.serial_windows:
                members["seek"] = Out(1)
            else:
                members["there"] = In(params.machine.pool_lanes)
        if params.machine.serial_windows:
            members["ones"] = In(range(params.fan_in + 1))
        if params.machine.overlap:
            members |= {"jump": Out(1), "column": Out(range(params.grid[1])), "line": Out(1)}
        super().__init__(members)


class JobLayout(data.StructLayout):
    """One row to update.

    ``row``, and its ``row_group`` and ``bank`` in the weight memory; ``plus`` and ``minus``, the
    activation bits of the row's neuron in the nudged states.
    """

    def __init__(self, shape: Synapses):
        super().__init__({
            "row": range(shape.rows),
            "row_group": range(shape.slots),
            "bank": range(shape.banks),
            "plus": 1,
            "minus": 1,
        })


class PartnerSignature(wiring.Signature):
    """The neurons at the other ends of a row's synapses, from the side of an update engine.

    Parameters
    ----------
    shape : Synapses
    turning : bool
        Whether the bits go round as ``turn`` says (:func:`windows_turn`).

    Members
    -------
    chunk : ``Out(range(chunks))``
        Chunk of the row that is issued in this cycle.
    held : ``Out(1)``
        The engine still reads the bits of the present row.
    plus, minus : ``In(word_bits)``
        Their activation bits in the nudged states.
    turn : ``Out(1)``
        Only if ``turning``.
    """

    def __init__(self, shape: Synapses, turning: bool = False):
        members = {
            "chunk": Out(range(shape.chunks)),
            "held": Out(1),
            "plus": In(shape.word_bits),
            "minus": In(shape.word_bits),
        }
        if turning:
            members["turn"] = Out(1)
        super().__init__(members)


def windows_turn(params: Params) -> bool:
    """Whether windows go round before the update engine, which then need not select its lanes."""
    return params.machine.serial_windows and params.machine.shared_update


class WeightSignature(wiring.Signature):
    """The weights of one layer, from the side of an update engine.

    Members
    -------
    read, write : ``Out(ReadSignature)``, ``Out(WriteSignature)``
    claim : ``Out(1)``
        The engine issues latents: nobody else reads these weights, if it may test them.
    """

    def __init__(self, shape: Synapses):
        weights = shape.weight_depth, shape.word_bits, shape.banks
        super().__init__({
            "read": Out(ReadSignature(*weights)),
            "write": Out(WriteSignature(*weights, shape.slices)),
            "claim": Out(1),
        })


class LearnerSignature(wiring.Signature):
    """What one weight layer sees of the update engine, its own or a shared one; from its side.

    Parameters
    ----------
    shape : Synapses
    turning : bool
        As of :class:`PartnerSignature`.

    Members
    -------
    job : ``In(stream)`` of :class:`JobLayout`
        Rows to update.
    partners : ``Out(PartnerSignature)``
    tau : ``In(unsigned(latent_bits - 1))``
        Flip threshold, at least 1.
    flips : ``Out(range(latent_lanes + 1))``
        Weights flipped; the sum over all cycles is their number.
    weights : ``Out(WeightSignature)``
    """

    def __init__(self, shape: Synapses, turning: bool = False):
        super().__init__({
            "job": In(stream.Signature(JobLayout(shape))),
            "partners": Out(PartnerSignature(shape, turning)),
            "tau": In(unsigned(shape.latent_bits - 1)),
            "flips": Out(range(shape.latent_lanes + 1)),
            "weights": Out(WeightSignature(shape)),
        })


class UpdateSignature(wiring.Signature):
    """How the sequencer leads an update engine, from its side.

    Members
    -------
    flush : ``Out(1)``
        A pulse tests the rows that wait for it, or all rows if ``stale`` is high.
    stale : ``In(1)``
        Rows without a mark may hold weights that are due.
    busy : ``In(1)``
        A row, a flush or a write is under way.
    """

    def __init__(self):
        super().__init__({"flush": Out(1), "stale": In(1), "busy": In(1)})


def share(m: Module, port, *turns) -> None:
    """Give a port to the one of several users whose turn it is.

    Parameters
    ----------
    m : Module
    port : wiring.PureInterface
    *turns : tuple
        Condition and interface of a user, whose outputs go to the port; without a condition
        (None) it is always that user's turn. Of several the last one's counts. What the port
        answers, all of them see.
    """
    for condition, user in turns:
        to_port = []
        ours = port.signature.flatten(port)
        for (_, member, signal), (_, _, counterpart) in zip(
            user.signature.flatten(user), ours, strict=True
        ):
            if member.flow == Out:
                to_port.append(counterpart.eq(signal))
            else:
                m.d.comb += signal.eq(counterpart)
        if condition is None:
            m.d.comb += to_port
        else:
            with m.If(condition):
                m.d.comb += to_port
