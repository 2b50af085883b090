"""One file a board: its device, pins, clock and cable."""
