"""Compile the engine's kernels ahead of their first use: ``python -m popflip.golden.engine``."""

from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine

if __name__ == "__main__":
    # Latents of up to 8 bits and wider ones have kernels of their own.
    for bits in (8, 16):
        FastMachine(Params.load("local-small").replace(learning={"latent_bits": bits}))
