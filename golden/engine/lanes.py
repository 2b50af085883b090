"""Sixty-four lanes at once, for compiled code: what Numba does not say by itself.

A *word* is 64 bits, one per lane; a *group* is 64 neighbours of an array, from element ``at`` on.
*Pixels* are bytes, eight to an element of 64 bits, the first in its low bits.
A *table* belongs to four neighbouring lanes of a word. Its 16 entries, one for each way to set
them, are what they then add to each of :data:`TOGETHER` sums.
Each function becomes a few LLVM vector instructions, which LLVM turns into whatever the processor
has: AVX2, AVX-512, NEON or plain registers. The bits are the same on all of them.

They can be called from functions compiled by Numba only, and check nothing.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "ABREAST",
    "ENTRIES",
    "LANES",
    "TOGETHER",
    "accumulate",
    "accumulate_pixels",
    "add_found",
    "add_scaled",
    "at_least",
    "complete",
    "count_where",
    "due",
    "leak",
    "look_both",
    "look_unlike",
    "lowest",
    "popcount",
    "reset_where",
    "sum_where",
    "word_at",
]

#: Bits of a word.
LANES = 64

#: Sums to which the same word adds at once.
TOGETHER = 32

#: Rows of the first weight layer whose words lie side by side.
ABREAST = 8

#: Entries of the tables of a word.
ENTRIES = LANES // 4 * 16

_WORD = ir.IntType(LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


def _pointer(context, builder, array_type, array, at, lanes=LANES):
    """Pointer to a group, as a vector, and the vector's type."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    element = context.get_value_type(array_type.dtype)
    vector = ir.VectorType(element, lanes)
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer()), vector


def _entry(context, builder, array_type, tables, index):
    """Pointer to an entry, as a vector, and the vector's type."""
    at = builder.mul(index, ir.Constant(index.type, TOGETHER))
    return _pointer(context, builder, array_type, tables, at, TOGETHER)


def _pixels(context, builder, array_type, array, at):
    """Load the 64 pixels that begin with an element."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    vector = ir.VectorType(ir.IntType(8), LANES)
    return _load(builder, builder.bitcast(builder.gep(data, [at]), vector.as_pointer()), vector)


def _load(builder, pointer, vector):
    # Arrays promise the alignment of an element, not that of a vector.
    value = builder.load(pointer, align=1)
    assert value.type == vector
    return value


def _splat(builder, scalar, vector):
    """Cut or extend a scalar to an element, and put it in every lane."""
    width = vector.element.width
    if scalar.type.width > width:
        scalar = builder.trunc(scalar, vector.element)
    elif scalar.type.width < width:
        scalar = builder.sext(scalar, vector.element)
    one = builder.insert_element(
        ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _lanes(builder, word):
    return builder.bitcast(word, _MASK)


def _word(builder, mask):
    return builder.bitcast(mask, _WORD)


def _clamped(builder, value, low, high):
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


@intrinsic
def popcount(typing_context, word):
    """Number of ones in a word."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic
def lowest(typing_context, word):
    """Position of the lowest one in a word that is not 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def word_at(typing_context, words, at):
    """``words[at]`` for an ``at`` that is not negative: without a look at its sign."""

    def generate(context, builder, signature, args):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        return builder.load(builder.gep(array.data, [args[1]]))

    return types.uint64(words, types.intp), generate


@intrinsic
def accumulate(typing_context, latents, at, more, less, limit):
    """Add 1 where ``more`` is set, subtract 1 where ``less`` is, saturate at ``-+limit``."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        limit = _splat(builder, args[4], vector)
        # As whole lanes at once: joined with other masks, bits would be taken one by one.
        more = builder.sext(_lanes(builder, args[2]), vector)
        less = builder.sext(_lanes(builder, args[3]), vector)
        subtract = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector, vector]),
            f"llvm.ssub.sat.v{LANES}i{vector.element.width}",
        )
        value = builder.call(subtract, [value, more])
        value = builder.add(value, less)
        value = _clamped(builder, value, builder.neg(limit), limit)
        builder.store(value, pointer, align=1)
        return context.get_dummy_value()

    signature = types.void(latents, types.intp, types.uint64, types.uint64, types.int64)
    return signature, generate


@intrinsic
def accumulate_pixels(typing_context, latents, at, pixels, first, up, limit):
    """Add pixels if ``up``, else subtract them, and saturate at ``-+limit``."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        seen = _pixels(context, builder, signature.args[2], args[2], args[3])
        wide = ir.VectorType(ir.IntType(16), LANES)
        if vector.element.width < 16:
            value = builder.sext(value, wide)
        seen = builder.zext(seen, wide)
        seen = builder.select(args[4], seen, builder.neg(seen))
        add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(wide, [wide, wide]), f"llvm.sadd.sat.v{LANES}i16"
        )
        limit = _splat(builder, args[5], wide)
        value = _clamped(builder, builder.call(add, [value, seen]), builder.neg(limit), limit)
        if vector.element.width < 16:
            value = builder.trunc(value, vector)
        builder.store(value, pointer, align=1)
        return context.get_dummy_value()

    return types.void(latents, types.intp, pixels, types.intp, types.boolean, types.int64), generate


@intrinsic
def due(typing_context, latents, at, weights, tau):
    """Weights that their latents speak against by ``tau`` or more, as a word."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        tau = _splat(builder, args[3], vector)
        low = _word(builder, builder.icmp_signed("<=", value, builder.neg(tau)))
        high = _word(builder, builder.icmp_signed(">=", value, tau))
        weights = args[2]
        return builder.or_(builder.and_(weights, low), builder.and_(builder.not_(weights), high))

    return types.uint64(latents, types.intp, types.uint64, types.int64), generate


@intrinsic
def reset_where(typing_context, latents, at, where):
    """Set lanes to 0."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        zeros = ir.Constant(vector, None)
        builder.store(builder.select(_lanes(builder, args[2]), zeros, value), pointer, align=1)
        return context.get_dummy_value()

    return types.void(latents, types.intp, types.uint64), generate


@intrinsic
def count_where(typing_context, counts, at, where, step):
    """Add ``step`` to lanes."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        step = _splat(builder, args[3], vector)
        chosen = builder.and_(builder.sext(_lanes(builder, args[2]), vector), step)
        builder.store(builder.add(value, chosen), pointer, align=1)
        return context.get_dummy_value()

    return types.void(counts, types.intp, types.uint64, types.int64), generate


@intrinsic
def at_least(typing_context, values, at, threshold):
    """Lanes that hold ``threshold`` or more, as a word."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        value = _load(builder, pointer, vector)
        return _word(builder, builder.icmp_signed(">=", value, _splat(builder, args[2], vector)))

    return types.uint64(values, types.intp, types.int64), generate


@intrinsic
def sum_where(typing_context, pixels, first, words, at, n):
    """Sum of those pixels that are set in ``n`` words, at most 64."""

    def generate(context, builder, signature, args):
        data = cgutils.create_struct_proxy(signature.args[2])(context, builder, value=args[2]).data
        narrow = ir.VectorType(ir.IntType(16), LANES // 2)
        eight = ir.Constant(narrow, [8] * (LANES // 2))
        # Two pixels to a lane, modulo 2**16, and the upper of each pair by itself.
        both = cgutils.alloca_once_value(builder, ir.Constant(narrow, None))
        upper = cgutils.alloca_once_value(builder, ir.Constant(narrow, None))
        with cgutils.for_range(builder, args[4]) as loop:
            word = builder.load(builder.gep(data, [builder.add(args[3], loop.index)]))
            place = builder.add(args[1], builder.shl(loop.index, ir.Constant(loop.index.type, 3)))
            seen = _pixels(context, builder, signature.args[0], args[0], place)
            seen = builder.select(_lanes(builder, word), seen, ir.Constant(seen.type, None))
            pairs = builder.bitcast(seen, narrow)
            builder.store(builder.add(builder.load(both), pairs), both)
            builder.store(builder.add(builder.load(upper), builder.lshr(pairs, eight)), upper)
        high = builder.load(upper)
        low = builder.sub(builder.load(both), builder.shl(high, eight))
        wide = ir.VectorType(ir.IntType(32), LANES // 2)
        total = builder.zext(builder.add(low, high), wide)
        add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(wide.element, [wide]),
            f"llvm.vector.reduce.add.v{LANES // 2}i32",
        )
        return builder.zext(builder.call(add, [total]), ir.IntType(64))

    signature = types.int64(pixels, types.intp, words, types.intp, types.intp)
    return signature, generate


def _look(keys, rows, seen, differing):
    """Make what :func:`look_both` and :func:`look_unlike` are; see there."""

    def generate(context, builder, signature, args):
        keys, at, rows, first, seen, begin, words, factor, base = args
        pointer, vector = _pointer(context, builder, signature.args[0], keys, at, ABREAST)
        data = cgutils.create_struct_proxy(signature.args[4])(context, builder, value=seen).data
        count = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.ctpop.v{ABREAST}i64"
        )
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        width = ir.Constant(words.type, ABREAST)
        with cgutils.for_range(builder, words) as loop:
            word = builder.load(builder.gep(data, [builder.add(begin, loop.index)]))
            place = builder.add(first, builder.mul(loop.index, width))
            row, _ = _pointer(context, builder, signature.args[2], rows, place, ABREAST)
            row, word = _load(builder, row, vector), _splat_few(builder, word, vector)
            found = builder.xor(row, word) if differing else builder.and_(row, word)
            found = builder.call(count, [found])
            builder.store(builder.add(builder.load(total), found), total)
        key = builder.mul(builder.load(total), _splat_few(builder, factor, vector))
        key = builder.add(key, _splat_few(builder, base, vector))
        best = _load(builder, pointer, vector)
        best = builder.select(builder.icmp_signed(">", key, best), key, best)
        builder.store(best, pointer, align=1)
        return context.get_dummy_value()

    at, number = types.intp, types.int64
    return types.void(keys, at, rows, at, seen, at, at, number, number), generate


def _splat_few(builder, scalar, vector):
    """Put a scalar in every lane of a vector of its own type."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, undefined, zeros)


@intrinsic
def look_both(typing_context, keys, at, rows, first, seen, begin, words, factor, base):
    """Raise keys of :data:`ABREAST` rows to ``factor`` times the ones they see, plus ``base``.

    The rows' words lie side by side, from ``rows[first]`` on; what they see is the ``words`` words
    from ``seen[begin]`` on. What they see is a one in both.
    """
    return _look(keys, rows, seen, False)


@intrinsic
def look_unlike(typing_context, keys, at, rows, first, seen, begin, words, factor, base):
    """As :func:`look_both`, with the bits in which both differ."""
    return _look(keys, rows, seen, True)


@intrinsic
def complete(typing_context, tables, first):
    """Complete the table from entry ``first`` on, where those of one lane set are there."""

    def generate(context, builder, signature, args):
        entries = []
        for ways in range(16):
            index = builder.add(args[1], ir.Constant(args[1].type, ways))
            pointer, vector = _entry(context, builder, signature.args[0], args[0], index)
            low = ways & -ways
            if not ways:
                entries.append(ir.Constant(vector, None))
            elif ways == low:
                entries.append(_load(builder, pointer, vector))
                continue
            else:
                entries.append(builder.add(entries[low], entries[ways ^ low]))
            builder.store(entries[ways], pointer, align=1)
        return context.get_dummy_value()

    return types.void(tables, types.intp), generate


@intrinsic
def add_found(typing_context, sums, at, tables, first, word):
    """Add to the sums from ``at`` on what a word finds in its tables, from entry ``first`` on.

    What it finds is added up within the width of the tables, then extended without a sign.
    """

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1], TOGETHER)
        found = None
        for shift in range(0, LANES, 4):
            ways = builder.lshr(args[4], ir.Constant(_WORD, shift))
            ways = builder.and_(ways, ir.Constant(_WORD, 15))
            index = builder.add(args[3], ir.Constant(args[3].type, 4 * shift))
            index = builder.add(index, ways)
            entry, narrow = _entry(context, builder, signature.args[2], args[2], index)
            value = _load(builder, entry, narrow)
            found = value if found is None else builder.add(found, value)
        value = builder.add(_load(builder, pointer, vector), builder.zext(found, vector))
        builder.store(value, pointer, align=1)
        return context.get_dummy_value()

    return types.void(sums, types.intp, tables, types.intp, types.uint64), generate


@intrinsic
def leak(typing_context, state, at, total, v_max):
    """``state <- clip((state + total) >> 1, 0, v_max)``; return whether any lane changed.

    The totals start at ``at`` too.
    """

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        other, _ = _pointer(context, builder, signature.args[2], args[2], args[1])
        before = _load(builder, pointer, vector)
        value = builder.add(before, _load(builder, other, vector))
        value = builder.ashr(value, ir.Constant(vector, [1] * LANES))
        value = _clamped(
            builder, value, ir.Constant(vector, None), _splat(builder, args[3], vector)
        )
        builder.store(value, pointer, align=1)
        changed = _word(builder, builder.icmp_signed("!=", value, before))
        return builder.icmp_unsigned("!=", changed, ir.Constant(_WORD, 0))

    return types.boolean(state, types.intp, total, types.int64), generate


@intrinsic
def add_scaled(typing_context, totals, at, base, counts, factor, offset):
    """``totals <- base + factor * counts + offset``; all three arrays from ``at`` on."""

    def generate(context, builder, signature, args):
        pointer, vector = _pointer(context, builder, signature.args[0], args[0], args[1])
        start, _ = _pointer(context, builder, signature.args[2], args[2], args[1])
        few, narrow = _pointer(context, builder, signature.args[3], args[3], args[1])
        count = _load(builder, few, narrow)
        if narrow.element.width < vector.element.width:
            count = builder.sext(count, vector)
        value = builder.mul(count, _splat(builder, args[4], vector))
        value = builder.add(value, _splat(builder, args[5], vector))
        builder.store(builder.add(value, _load(builder, start, vector)), pointer, align=1)
        return context.get_dummy_value()

    signature = types.void(totals, types.intp, base, counts, types.int64, types.int64)
    return signature, generate
