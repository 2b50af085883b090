"""What stands between the core and the world: the host link on a serial line."""
