"""The fully binary network with one hidden layer, as the fast engine trains it: in integers.

What differs from the paper's floating point:

- Potentials are integers from 0 to V = 2^14, and each step's halving rounds down. Scaling factors
  are gains, in units of V; pixels count in 1/256.
- Latents add up contrasts and forget nothing: the paper's average forgets a factor of
  ``exp(-gamma)`` per batch, 0.83 over 100 epochs. Its thresholds are counts here.
- There are no biases. The paper's start within 1/28 and 1/91 and learn at a rate of 1e-7.
"""

import math

from popflip.golden.description.params import Params
from popflip.golden.paper.systems import Dense, Row

__all__ = ["integer_params"]

#: V has so many bits: the most there are.
POTENTIAL_BITS = 14

#: The pixel that the paper calls 1, in the engine's units of 1/256.
WHITE = 255


def integer_params(row: Row) -> Params:
    """Translate a fully binary, fully connected row with a single hidden layer.

    A scaling factor alpha becomes a gain of ``alpha V``. A threshold tau of the average of
    gradients becomes ``tau beta B / gamma`` contrasts, twice as many between two nudged phases. In
    the first layer a contrast counts as many units as its pixel has.
    """
    hidden, output = row.layers
    assert isinstance(hidden, Dense)
    assert isinstance(output, Dense)
    fans = (math.prod(row.image), hidden.neurons)
    v_max = 1 << POTENTIAL_BITS
    # The mean of |w| where w is uniform within 1/sqrt(fan_in); in the paper to 4 decimals.
    factors = row.alpha_factors or (1, 1)
    gains = [
        factor * round(1 / (2 * math.sqrt(fan)), 4) * v_max
        for fan, factor in zip(fans, factors, strict=True)
    ]
    phases = 2 if row.nudging == "centered" else 1
    counts = [
        phases * tau * row.beta * row.batch / gamma
        for tau, gamma in zip(row.tau, row.gamma, strict=True)
    ]
    return Params.build({
        "name": row.name,
        "network": {
            "pixel_bits": 8, "hidden": [hidden.neurons], "copies": row.copies,
        },
        "dynamics": {
            "kind": "leaky",
            "free_sweeps": row.free_steps,
            "potential_bits": POTENTIAL_BITS,
            "gains": [round(gains[0] * 256 / WHITE), round(gains[1])],
        },
        "learning": {
            "nudging": row.nudging,
            "nudged_sweeps": row.nudged_steps,
            "beta": round(row.beta),
            "hold_nudge": row.frozen_nudge,
            "batch": row.batch,
            "latent_bits": 16,
            "tau": [round(counts[0] * WHITE), round(counts[1])],
        },
        # No machine is built of it.
        "machine": {
            "row_lanes": fans[0], "relax_lanes": output.neurons, "latent_lanes": [1, 1],
        },
    })  # fmt: skip
