"""Verbs that look for what is wrong with the hardware, the link and the models."""

TITLE = "Prove"
