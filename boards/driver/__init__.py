"""The driver in C, and what a program needs beside it: designs and networks as C sees them."""
