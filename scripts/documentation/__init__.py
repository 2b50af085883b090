"""What the documentation takes from the sources: tables, reference pages, and a waveform."""
