"""Verbs that train networks, use them and move them."""

TITLE = "Train and use"
