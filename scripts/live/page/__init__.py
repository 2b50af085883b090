"""The page itself, in NiceGUI: it shows a bench, and passes on what is asked of it."""
