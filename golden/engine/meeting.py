"""Where threads wait for each other, in compiled code: what Numba does not say by itself."""

import os

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from popflip.golden.engine.compilation import compiled

__all__ = ["meet"]

#: Looks at a counter before a thread sleeps: under a tenth of a millisecond, in which the others
#: mostly come on an idle computer. More looks would take the processor from other work.
_LOOKS = 60_000

#: Microseconds of a sleep. To give the processor away instead (``sched_yield``) would not do: Linux
#: takes it as a waiver of the thread's share, and two threads beside other work were slower than
#: one.
_SLEEP = 20

#: Whether the C library has ``usleep``.
_CAN_SLEEP = os.name == "posix"


def _counter(context, builder, signature, args):
    return cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data


@intrinsic
def _arrive(typing_context, meeting):
    """Add 1 to a counter that all threads see, behind everything that was written before."""

    def generate(context, builder, signature, args):
        counter = _counter(context, builder, signature, args)
        return builder.atomic_rmw("add", counter, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(meeting), generate


@intrinsic
def _arrived(typing_context, meeting):
    """Read the counter, ahead of everything that is read from now on."""

    def generate(context, builder, signature, args):
        counter = _counter(context, builder, signature, args)
        return builder.load_atomic(counter, "seq_cst", 8)

    return types.int64(meeting), generate


@intrinsic
def _sleep(typing_context):
    """Let other threads have the processor for a while."""

    def generate(context, builder, signature, args):
        if _CAN_SLEEP:
            kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
            function = cgutils.get_or_insert_function(builder.module, kind, "usleep")
            builder.call(function, [ir.Constant(ir.IntType(32), _SLEEP)])
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def meet(meeting, met, threads):
    """Wait until all threads are here; return how often they have met.

    Parameters
    ----------
    meeting : ndarray of int64
        A counter that was 0 when the threads began.
    met : int
        How often they have met before.
    threads : int
    """
    met += 1
    if threads == 1:
        return met
    _arrive(meeting)
    looks = 0
    while _arrived(meeting) < met * threads:
        looks += 1
        if looks > _LOOKS:
            _sleep()
    return met
