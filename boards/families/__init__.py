"""The families of FPGAs: how each is placed, clocked and estimated."""
