"""The page itself, in NiceGUI: it shows an exhibition, and passes on what is asked of it."""
