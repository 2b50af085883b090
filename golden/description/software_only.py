"""What only software computes so far, said in one place."""

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["check_network"]


def check_network(params: Params) -> None:
    """See that there is hardware for a network, or a count of its cycles.

    Raises
    ------
    InputError
        If windows are pooled or weights shared with ``leaky`` dynamics, if weights are shared or
        the first latents have a width of their own in a machine whose update engine is shared, or
        if the nudge is held.
    """
    first, net, machine = params.first_layer, params.network, params.machine
    bits, held = params.learning.first_latent_bits, params.learning.hold_nudge
    for name, value, wanted, plain in (
        (
            "network.sharing", net.sharing, "'none' with leaky dynamics in hardware",
            not (first.shared and params.dynamics.leaky),
        ),
        (
            "network.sharing", net.sharing, "'none' with machine.shared_update in hardware",
            not (first.shared and machine.shared_update),
        ),
        (
            "network.pool", net.pool, "1 with leaky dynamics in hardware",
            not (first.pooled and params.dynamics.leaky),
        ),
        (
            "learning.first_latent_bits", bits,
            "left out with machine.shared_update in hardware",
            bits is None or not machine.shared_update,
        ),
        ("learning.hold_nudge", held, "left out in hardware", not held),
    ):  # fmt: skip
        if not plain:
            shown = repr(list(value) if isinstance(value, tuple) else value)
            raise InputError(f"{name} must be {wanted}, not {shown}")
