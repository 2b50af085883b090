"""popflip: binary neural networks that train themselves on an FPGA by Equilibrium Propagation.

The rooms of the repository (``golden``, ``rtl``, ``boards``, ``cocotb_tests``, ``scripts``) are its
subpackages: this folder holds nothing but links to them, so that a wheel installs one name.
"""

__version__ = "0.1.0"
