"""A Numba type of LANES float32 that are worked on at once: an LLVM vector, in as many registers as it takes.

LLVM also turns loops over LANES elements into vector instructions, but what such loops add up lies in arrays, and it
cannot know that no two arrays overlap: every sum is loaded and stored again at each step. Vectors stay in registers.

A float32 beside a vector counts for all lanes.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from .numba_lanes import EXP2_COEFFICIENTS, LANES, ROUNDING

_FLOAT, _INT, _BIT, _WORD = ir.FloatType(), ir.IntType(32), ir.IntType(1), ir.IntType(64)
_FLOATS, _INTS, _BITS = (ir.VectorType(element, LANES) for element in (_FLOAT, _INT, _BIT))
_FUSED = ("contract",)
_ANY_ORDER = ("contract", "reassoc", "nsz")
_BY_RECIPROCAL = ("contract", "arcp")  # an estimate and a step of Newton: two units in the last place, half the time


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(f"float32 x {LANES}")


class _Mask(types.Type):
    def __init__(self) -> None:
        super().__init__(f"bool x {LANES}")


_VECTOR, _MASK = _Vector(), _Mask()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _FLOATS)


@register_model(_Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _BITS)


def _constant(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * LANES)


def _all_lanes(builder, value):
    """The vector whose lanes all are `value`, or `value` itself where it is a vector."""
    if value.type != _FLOAT:
        return value
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, nothing, _constant(_INTS, 0))


def _define_operator(function, result, build) -> None:
    """What `function` does with two vectors, or a vector and a number."""
    operands = [(_VECTOR, _VECTOR), (_VECTOR, types.float32), (types.float32, _VECTOR)]

    @infer_global(function)
    class _Cases(ConcreteTemplate):
        cases = [signature(result, *kinds) for kinds in operands]  # noqa: RUF012

    for kinds in operands:

        @lower_builtin(function, *kinds)
        def lower(context, builder, sig, args):
            return build(builder, *(_all_lanes(builder, value) for value in args))


for _add in (operator.add, operator.iadd):
    _define_operator(_add, _VECTOR, lambda builder, a, b: builder.fadd(a, b, _FUSED))
_define_operator(operator.sub, _VECTOR, lambda builder, a, b: builder.fsub(a, b, _FUSED))
_define_operator(operator.mul, _VECTOR, lambda builder, a, b: builder.fmul(a, b, _FUSED))
_define_operator(operator.truediv, _VECTOR, lambda builder, a, b: builder.fdiv(a, b, _BY_RECIPROCAL))
_define_operator(operator.gt, _MASK, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define_operator(operator.ge, _MASK, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define_operator(operator.le, _MASK, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))


def _place(context, builder, kind, array, index):
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def load(typing, array, index):
    """LANES elements of a contiguous array, from array[index] on."""

    def build(context, builder, sig, args):
        place = _place(context, builder, sig.args[0], *args)
        return builder.load(builder.bitcast(place, _FLOATS.as_pointer()), align=4)

    return _VECTOR(array, types.uint64), build


@intrinsic
def store(typing, array, index, vector):
    """Writes a vector to array[index] and what follows."""

    def build(context, builder, sig, args):
        place = _place(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(place, _FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.none(array, types.uint64, _VECTOR), build


@intrinsic
def lanes_of(typing, value):
    """The vector whose lanes all are `value`."""
    return _VECTOR(types.float32), lambda context, builder, sig, args: _all_lanes(builder, args[0])


@intrinsic
def select(typing, mask, chosen, other):
    """`chosen` where the mask is set, `other` elsewhere; one of the two may be a number."""

    def build(context, builder, sig, args):
        return builder.select(args[0], *(_all_lanes(builder, value) for value in args[1:]))

    return _VECTOR(_MASK, chosen, other), build


@intrinsic
def is_any(typing, mask):
    """Whether the mask is set anywhere."""

    def build(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(_MASK), build


@intrinsic
def at_most(typing, vector, limit):
    """The lesser of each lane and a number."""

    def build(context, builder, sig, args):
        limits = _all_lanes(builder, args[1])
        return builder.select(builder.fcmp_ordered("<", args[0], limits), args[0], limits)

    return _VECTOR(_VECTOR, types.float32), build


@intrinsic
def absolute(typing, vector):
    """|x|: the sign bit is cleared."""

    def build(context, builder, sig, args):
        bits = builder.and_(builder.bitcast(args[0], _INTS), _constant(_INTS, 0x7FFFFFFF))
        return builder.bitcast(bits, _FLOATS)

    return _VECTOR(_VECTOR), build


@intrinsic
def minus_absolute(typing, vector):
    """-|x|: the sign bit is set."""

    def build(context, builder, sig, args):
        bits = builder.or_(builder.bitcast(args[0], _INTS), _constant(_INTS, 0x80000000))
        return builder.bitcast(bits, _FLOATS)

    return _VECTOR(_VECTOR), build


@intrinsic
def exp2(typing, vector):
    """2^x for x in [-126, 127], relative error below 3e-7; outside, garbage that must not be used."""

    def build(context, builder, sig, args):
        rounding = _constant(_FLOATS, ROUNDING)
        shifted = builder.fadd(args[0], rounding)
        fraction = builder.fsub(args[0], builder.fsub(shifted, rounding))
        mantissa = _constant(_FLOATS, EXP2_COEFFICIENTS[-1])
        for coefficient in EXP2_COEFFICIENTS[-2::-1]:
            product = builder.fmul(mantissa, fraction, _FUSED)
            mantissa = builder.fadd(product, _constant(_FLOATS, coefficient), _FUSED)
        exponent = builder.shl(builder.bitcast(shifted, _INTS), _constant(_INTS, 23))
        return builder.bitcast(builder.add(builder.bitcast(mantissa, _INTS), exponent), _FLOATS)

    return _VECTOR(_VECTOR), build


@intrinsic
def store_sums(typing, array, index, vectors):
    """Writes the sums over the lanes of each of a tuple of vectors to array[index] and what follows.

    Up to a whole number of LANES are written; beyond the tuple's length they mean nothing.
    """

    def build(context, builder, sig, args):
        array, index, vectors = args
        columns = cgutils.unpack_tuple(builder, vectors)
        for first in range(0, len(columns), LANES):
            sums = _sums_of(builder, columns[first : first + LANES])
            place = _place(context, builder, sig.args[0], array, builder.add(index, ir.Constant(_WORD, first)))
            builder.store(sums, builder.bitcast(place, _FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.none(array, types.uint64, vectors), build


def _sums_of(builder, vectors):
    """The vector whose lane i is the sum of vectors[i]: halves of pairs are added until one vector is left."""
    distance = 1
    while distance < LANES:
        groups = range(0, LANES, 2 * distance)
        low = [side + group + k for group in groups for side in (0, LANES) for k in range(distance)]
        low, high = (ir.Constant(_INTS, [lane + shift for lane in low]) for shift in (0, distance))
        if len(vectors) % 2:
            vectors = [*vectors, vectors[-1]]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high), _ANY_ORDER)
            for a, b in pairs
        ]
        distance *= 2
    return vectors[0]


@intrinsic
def lowest_bit(typing, word):
    """The position of the lowest bit of a word that is not 0."""

    def build(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(_BIT, 1))

    return types.uint64(types.uint64), build
