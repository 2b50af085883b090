"""Campaigns: long searches for what is wrong, in the hardware, the link and the models."""
