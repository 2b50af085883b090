"""What only software computes so far, said in one place."""

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["check_first_layer"]


def check_first_layer(params: Params) -> None:
    """See that there is hardware for a first layer, or a count of its cycles.

    Raises
    ------
    InputError
        If its windows are pooled, its weights shared, or its latents of a width of their own.
    """
    first, net = params.first_layer, params.network
    bits = params.learning.first_latent_bits
    for name, value, wanted, plain in (
        ("network.pool", net.pool, "1", first.offsets == 1),
        ("network.sharing", net.sharing, "'none'", not first.shared),
        ("learning.first_latent_bits", bits, "left out", bits is None),
    ):
        if not plain:
            shown = repr(list(value) if isinstance(value, tuple) else value)
            raise InputError(f"{name} must be {wanted} in hardware, not {shown}")
