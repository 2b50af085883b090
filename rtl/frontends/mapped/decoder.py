"""What an address means: a window, a word of its region, a lane of that word."""

from amaranth.hdl import Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.bus import BusMap
from popflip.golden.description.layout import ADDRESS_BITS, REGION_BITS
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BYTES
from popflip.golden.support.integers import ceil_div

__all__ = ["AddressDecoder", "PlaceLayout"]


class PlaceLayout(data.StructLayout):
    """Where an address leads.

    ``known``: there is something; ``control``, ``sample``: it is in that window, else in the one of
    ``region``; ``word`` and ``lane`` in it. ``last``: it is the last lane of its word, or the last
    word of a sample. ``packed``: its bytes are the region's words, ``word`` the first of them, of
    which there are ``n_bytes``; of a sample's word too. ``hole``: a word between the parts of its
    region. ``readable``, ``writable``, ``read_in_run``, ``written_in_run``: what may be done.

    Parameters
    ----------
    lanes : int
        Of the widest word.
    """

    def __init__(self, lanes: int):
        super().__init__({
            "known": 1,
            "control": 1,
            "sample": 1,
            "region": REGION_BITS,
            "word": ADDRESS_BITS,
            "lane": range(max(2, lanes)),
            "last": 1,
            "packed": 1,
            "n_bytes": range(REGISTER_BYTES + 1),
            "hole": 1,
            "readable": 1,
            "writable": 1,
            "read_in_run": 1,
            "written_in_run": 1,
        })


class AddressDecoder(wiring.Component):
    """Look up an address in the map; combinational.

    Parameters
    ----------
    params : Params
    bus_map : BusMap

    Members
    -------
    address : ``In(address_bits - 2)``
        Of a 32-bit word.
    place : ``Out(PlaceLayout)``
    """

    def __init__(self, params: Params, bus_map: BusMap):
        self._params, self._map = params, bus_map
        super().__init__({
            "address": In(bus_map.address_bits - 2),
            "place": Out(PlaceLayout(max(window.lanes for window in bus_map.windows))),
        })

    def elaborate(self, platform):
        m = Module()
        place, bits = self.place, len(self.address)
        with m.Switch(self.address):
            for window in self._map.windows:
                low = (window.span // REGISTER_BYTES).bit_length() - 1
                high = window.base // REGISTER_BYTES >> low
                pattern = (f"{high:0{bits - low}b}" if bits > low else "") + "-" * low
                with m.Case(pattern):
                    m.d.comb += [
                        place.readable.eq(window.readable),
                        place.writable.eq(window.writable),
                        place.n_bytes.eq(REGISTER_BYTES),
                    ]
                    self._look_up(m, window, self.address[:low])
        return m

    def _look_up(self, m, window, offset):
        """Look up an offset in a window."""
        place, region = self.place, window.region
        if window.name == "control":
            m.d.comb += [
                place.control.eq(1),
                place.known.eq(_below(offset, len(self._map.registers))),
                place.word.eq(offset),
                place.read_in_run.eq(1),
                place.written_in_run.eq(1),
            ]
        elif region is None:
            last = window.n_bytes // REGISTER_BYTES - 1
            m.d.comb += [
                place.sample.eq(1),
                place.known.eq(_below(offset, last + 1)),
                place.word.eq(offset),
                place.last.eq(offset == last),
                place.written_in_run.eq(1),
            ]
            self._cut(m, offset == last, self._params.sample_bytes)
        else:
            m.d.comb += [
                place.region.eq(region.index),
                place.read_in_run.eq(region.read_in_run),
                place.written_in_run.eq(region.written_in_run),
            ]
            if window.packed:
                words = ceil_div(region.depth, REGISTER_BYTES)
                m.d.comb += [
                    place.packed.eq(1),
                    place.known.eq(_below(offset, words)),
                    place.word.eq(offset << 2),
                ]
                self._cut(m, offset == words - 1, region.depth)
            else:
                lane, word = offset[: window.lane_bits], offset[window.lane_bits :]
                m.d.comb += [
                    place.known.eq(_below(word, region.depth) & _below(lane, window.lanes)),
                    place.word.eq(word),
                    place.lane.eq(lane),
                    place.last.eq(lane == window.lanes - 1),
                ]
            if region.part > region.filled:
                at = place.word & (region.part - 1)
                m.d.comb += place.hole.eq(at >= region.filled)
                if window.packed:
                    self._cut(m, at == region.filled & -REGISTER_BYTES, region.filled)
            if region.name == "registers":
                read_only = [r.index for r in self._params.registers if not r.writable]
                with m.Switch(offset):
                    with m.Case(*read_only):
                        m.d.comb += place.writable.eq(0)

    def _cut(self, m, at_end, n_bytes):
        """Have the last word of a window end where its bytes do."""
        if rest := n_bytes % REGISTER_BYTES:
            with m.If(at_end):
                m.d.comb += self.place.n_bytes.eq(rest)


def _below(value, bound):
    """Whether a value is below a bound; a constant where it always is."""
    return Const(1) if bound >= 1 << len(value) else value < bound
