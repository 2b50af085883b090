"""A scenario: what a host sends a machine, and the judgement of what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from popflip.cocotb_tests.stimulus import Stimulus
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import MAX_PAYLOAD, READ, STATUS_ANSWER, Verb
from popflip.rtl.identity import identity
from popflip.scripts.campaigns.attack.link_model import WHOLE, LinkModel

__all__ = ["STORED", "JudgedStimulus", "Scenario", "draw"]

#: How the names of regions begin that hold what is written to them.
STORED = ("weights", "latents", "samples")


@dataclass(frozen=True)
class Scenario:
    """A stimulus with its judgement.

    Parameters
    ----------
    stimulus : Stimulus
    judge : callable
        Takes the payloads of the answers; raises AssertionError if one is wrong.
    """

    stimulus: Stimulus
    judge: Callable[[list], None]


class JudgedStimulus:
    """Requests to a machine at rest, which answers each as its model in software does.

    Parameters
    ----------
    params : Params
    """

    def __init__(self, params: Params):
        self.stimulus, self.model = Stimulus(params), LinkModel(params, identity(params))
        self.regions = self.model.regions
        self.good = self.bad = 0
        self._payloads: dict[int, bytes] = {}

    def send(self, line: bytes) -> None:
        """Send a frame, good or bad, with its zero."""
        verdict = self.model.execute(line[:-1])
        whole = verdict.status in WHOLE
        self.good, self.bad = self.good + whole, self.bad + (not whole)
        payload = verdict.payload
        if verdict.verb == Verb.STATUS and payload is None:
            payload = STATUS_ANSWER.pack(0, self.good, self.bad)
        number = self.stimulus.ask(line, verdict.status, verdict.sequence)
        if payload is not None:
            self._payloads[number] = payload

    def ask(self, verb: int, payload: bytes = b"") -> None:
        """Send a request."""
        self.send(self.stimulus.frame(verb, payload))

    def check(self) -> None:
        """Read all that can be written, and the status."""
        for region in self.regions:
            if region.name.startswith(STORED):
                most = MAX_PAYLOAD // region.word_bytes
                for at in range(0, region.depth, most):
                    self.ask(Verb.READ, READ.pack(region.index, at, min(most, region.depth - at)))
        for at in self.model.settings:
            self.ask(Verb.READ, READ.pack(self.regions["registers"].index, at, 1))
        self.ask(Verb.STATUS)

    def scenario(self) -> Scenario:
        """Return the scenario of all this."""

        def judge(answers):
            for number, payload in self._payloads.items():
                assert answers[number] == payload, f"answer {number}"

        return Scenario(self.stimulus, judge)


def draw(params: Params, n: int, seed: int):
    """Draw input bits and labels of ``n`` samples, some nearly empty and some nearly full."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, params.n_in)) < rng.random((n, 1))
    return x, rng.integers(0, params.network.classes, n)
