"""What a host and a machine say to each other, and what has to come of it.

A scenario is a stimulus and its judgement. It is played over the pins of the generated top in a
simulator, or over those of a virtual board, which is much faster and also has a store of samples.
"""

from popflip.scripts.campaigns.scenarios.refusals import (
    asks_at_once,
    asks_bounds,
    asks_long,
    counts,
    refuses,
)
from popflip.scripts.campaigns.scenarios.scenario import Scenario, draw
from popflip.scripts.campaigns.scenarios.standalone import trains_standalone
from popflip.scripts.campaigns.scenarios.training import (
    infers,
    stops,
    stops_each,
    stops_last,
    trains,
    trains_again,
    trains_from_store,
    trains_long,
    trains_much,
    trains_varied,
)

__all__ = [
    "Scenario",
    "asks_at_once",
    "asks_bounds",
    "asks_long",
    "counts",
    "draw",
    "infers",
    "refuses",
    "stops",
    "stops_each",
    "stops_last",
    "trains",
    "trains_again",
    "trains_from_store",
    "trains_long",
    "trains_much",
    "trains_standalone",
    "trains_varied",
]
