"""Verbs that search parameters, measure, and repeat the paper."""

TITLE = "Explore"
