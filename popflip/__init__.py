"""popflip: binary neural networks that train themselves on an FPGA by Equilibrium Propagation.

The rooms of the repository (``golden``, ``rtl``, ``boards``, ``cocotb_tests``, ``scripts``) are its
subpackages: this folder holds nothing but links to them, so that a wheel installs one name.
"""

__all__ = ["__version__", "live"]

__version__ = "0.1.0"


def __getattr__(name: str):
    # Only when it is asked for: the package alone loads nothing.
    if name == "live":
        from popflip.scripts.live.notebook import live

        return live
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
