"""What only software computes so far, said in one place."""

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["check_first_layer"]


def check_first_layer(params: Params) -> None:
    """See that there is hardware for a first layer, or a count of its cycles.

    Raises
    ------
    InputError
        If its windows are pooled or its weights shared with ``leaky`` dynamics, if its weights are
        shared or its latents have a width of their own in a machine whose update engine is shared.
    """
    first, net, machine = params.first_layer, params.network, params.machine
    bits = params.learning.first_latent_bits
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
    ):  # fmt: skip
        if not plain:
            shown = repr(list(value) if isinstance(value, tuple) else value)
            raise InputError(f"{name} must be {wanted}, not {shown}")
