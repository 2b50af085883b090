"""The live page: a network that learns, to look at, draw for and disturb.

:mod:`popflip.scripts.live.exhibition` holds the runs and knows nothing of pages;
:mod:`popflip.scripts.live.page` shows it and knows nothing of transports.
"""
