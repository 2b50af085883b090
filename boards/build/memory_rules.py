"""What synthesis may take for granted of the machine's memories, by the names of their modules."""

from popflip.golden.description.params import Params

__all__ = ["SINGLE_PORT", "UNSHARED", "UNSHARED_LEAKY", "unshared"]

#: Modules, by the end of their names, whose memories never read and write one address in the same
#: cycle: tests watch their ports. Yosys then adds no logic that makes such a read return the old
#: word. The other memories are the host's results and sample slots, which it may read while the
#: machine writes them.
UNSHARED = (
    "core.memory*",  # weights and latents
    "core.latents*",
    "core.path.sample*",
    "core.path.lists",
    "core.path.items",
    "core.*.relax.queue",
    "core.counters.bank",
    "core.update*",
    "link.server.receiver",
    "link.server.encoder",
)

#: Those that a machine with leaky dynamics has besides.
UNSHARED_LEAKY = ("core.*.relax",)  # potentials

#: Modules whose memories have one port, and no content at the start, as single-port RAM has none.
SINGLE_PORT = "core.latents*"


def unshared(params: Params) -> tuple[str, ...]:
    """Return :data:`UNSHARED`, and what a machine for these parameters has besides."""
    return UNSHARED + (UNSHARED_LEAKY if params.dynamics.leaky else ())
