"""The fast engine: the bits of the golden model, from packed words and compiled loops.

:mod:`~popflip.golden.engine.machine` is its front: :class:`FastMachine`. Below it, in the order in
which a sample passes through them:

- ``batches`` shares blocks of samples out among ``threads``, which wait for each other in
  ``meeting``;
- ``drive`` computes what layer 1 receives from the input;
- ``relaxation`` takes a sample through its phases, with ``sweeps`` or ``leaky`` steps, which use
  ``neurons`` and ``words``;
- ``update`` adds contrasts to latents and flips weights.

``layout`` and ``workspace`` are the arrays that they work on, ``lanes`` the vector instructions,
``compilation`` the compiler and its cache.
"""
