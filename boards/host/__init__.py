"""The host's side: transport, link, and a board as a machine that trains."""
