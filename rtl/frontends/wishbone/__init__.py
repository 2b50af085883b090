"""The Wishbone front end."""
