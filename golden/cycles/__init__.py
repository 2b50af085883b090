"""How many clock cycles the machine takes: exact, from what the golden model did.

The machine skips what cannot change anything, so its cycles depend on the sample.
:class:`popflip.golden.cycles.model.CycleModel` follows the sequencer of
:mod:`popflip.rtl.core.core` through the history of a relaxation and counts the cycles of each
stage; simulation must agree to the cycle.
"""
