"""Makes native/cpu/vector-tables.h: python3 scripts/vector-tables.py > native/cpu/vector-tables.h. Needs numpy and mpmath.

The fits are least squares at Chebyshev nodes, weighted until the largest relative error no longer falls, and rounded
coefficient by coefficient.
"""

import mpmath
import numpy

mpmath.mp.dps = 30


def rounded(value):
    return float(numpy.float32(float(value)))


def fit(f, center, low, high, degree, known=(), added=(), rounded=rounded):
    """Coefficients of powers of x - center that approximate f on [low, high] to the least relative error.

    The first may be known. Numbers in `added` are added to the first coefficients where they are used: less is rounded.
    """
    count = 4 * degree + 8
    x = (low + high) / 2 + (high - low) / 2 * numpy.cos(numpy.pi * (numpy.arange(count) + 0.5) / count)
    y = numpy.array([float(f(mpmath.mpf(v))) for v in x])
    d = x - center
    more = [*added] + [0] * (degree + 1 - len(added))
    coefficients = [rounded(v - more[i]) + more[i] for i, v in enumerate(known)]
    while len(coefficients) <= degree:
        i = len(coefficients)
        powers = numpy.stack([d**j for j in range(i, degree + 1)], 1)
        rest = y - sum(c * d**j for j, c in enumerate(coefficients))
        weights = 1 / numpy.abs(y)
        for _ in range(12):
            solution = numpy.linalg.lstsq(powers * weights[:, None], rest * weights, rcond=None)[0]
            error = numpy.abs((powers @ solution - rest) / y)
            if error.max() == 0:
                break
            weights *= numpy.sqrt(0.2 + error / error.max())
            weights /= weights.max() * numpy.abs(y).min()
        coefficients.append(rounded(solution[0] - more[i]) + more[i])
    return [c - m for c, m in zip(coefficients, more)]


def piecewise(f, intervals, degree, slope=None, added=()):
    """A column of coefficients for each interval (center, low, high)."""
    columns = []
    for center, low, high in intervals:
        known = [f(mpmath.mpf(center))]
        if known[0] == 0:
            low = high / 1000
            known += [slope] if slope else []
        columns.append(fit(f, center, low, high, degree, known, added))
    return numpy.transpose(columns)


def even(width, end):
    """Intervals around 0, width, 2 width, …, 15 width, the last up to `end`."""
    return [(k * width, max(0, k - 0.5) * width, end if k == 15 else (k + 0.5) * width) for k in range(16)]


def growing(scale, end):
    """Four intervals of x to each octave of x scale + 1/2, from 1/2 to 8, in the order of the bits of that as float32; powers are of x - low."""
    edges = [(2.0**octave * (1 + quarter / 4) - 0.5) / scale for octave in range(-1, 3) for quarter in range(4)] + [end]
    intervals = [(low, low, high) for low, high in zip(edges, edges[1:])]
    return intervals[8:] + intervals[:8]


def logarithms():
    """1 / m and ln m near the middles m of intervals of float32's bits, where ln m is the nearest to a multiple of 2^-17."""
    reciprocals, values = [], []
    for k in range(32):
        edges = (0x3F420000 + numpy.array([k, k + 1], numpy.uint32) * 0x40000).astype(numpy.uint32).view(numpy.float32)
        low, high = edges.astype(float)
        if 0.97 < low and high < 1.03:  # ln m itself is small
            reciprocals.append(1.0)
            values.append(0.0)
            continue
        # Beside them 1 / m is of the nearer end, where ln m is the smallest.
        share = 0.25 if 1 < low < 1.02 else 0.7 if 0.97 < high < 1 else 0.5
        middle = round(float(mpmath.log(low + (high - low) * share)) * 2**17)
        near = [mpmath.mpf(middle + step) / 2**17 for step in range(-150, 151)]
        pairs = [(rounded(mpmath.exp(-value)), value) for value in near]
        c, value = min(pairs, key=lambda pair: abs(mpmath.log(pair[0]) + pair[1]))
        reciprocals.append(c)
        values.append(float(value))
    return numpy.array([reciprocals, values])


def table(comment, name, rows, element="float"):
    print(f"// {comment}")
    shape = "".join(f"[{n}]" for n in rows.shape)
    print(f"{'alignas(64) ' if rows.size >= 16 else ''}inline constexpr {element} {name}{shape} = {{")
    for row in rows if rows.ndim == 2 else [rows]:
        values = [numpy.format_float_scientific(numpy.float32(v), unique=True, trim="0") + "f" for v in row]
        if element == "double":
            values = [repr(float(v)) for v in row]
        print(("    {" if rows.ndim == 2 else "    ") + ", ".join(values) + ("}," if rows.ndim == 2 else "};"))
    if rows.ndim == 2:
        print("};")
    print()


print("// Coefficients of the vector functions that look them up. Made by scripts/vector-tables.py.")
print("// clang-format off")
print("#pragma once")
print()
print("namespace neurite::cpu {")
print()
# The place of the powers of two is such that all of them are near to a float32.
powers = numpy.array([float(mpmath.mpf(2) ** ((k - mpmath.mpf("0.01281656")) / 16)) for k in range(16)])
table("2^((k - 0.01281656) / 16).", "kExpTable", powers)
rest = fit(lambda r: mpmath.exp(r + mpmath.mpf("0.01281656") / 16 * mpmath.log(2)), 0, -0.0217, 0.0217, 3, added=(1,))
table("e^r 2^(0.01281656 / 16) - 1 for |r| <= ln 2 / 32.", "kExpRest", numpy.array(rest))
table("(ln(1 + r) - r) / r^2 for |r| <= 0.0236.", "kLogRest", numpy.array(fit(mpmath.log1p, 0, -0.0236, 0.0236, 4, known=(0, 1))[2:]))
table("Reciprocals of the middles of intervals, and the logarithms of the middles.", "kLogTable", logarithms())
table("tanh.", "kTanhTable", piecewise(mpmath.tanh, growing(0.8, 9.1), 5, slope=1))
erf = piecewise(mpmath.erf, even(0.25, 3.96), 6, added=(0, 1))
table("erf of 0, 1 / 4, 1 / 2, …", "kErfTable", erf[0])
table("How far erf is from that at a distance from there, divided by the distance, less 1.", "kErfSlopeTable", erf[1:])
table("ln(1 + x) on intervals of 1 / 16.", "kLog1pTable", piecewise(mpmath.log1p, even(1 / 16, 1), 4, slope=1))
table("Phi(-x) on intervals of 1 / 4.", "kNormalTable",
      piecewise(lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2, even(0.25, 3.875), 6))
table("ln(1 + e^-x) on intervals of 1 / 2.", "kSoftplusTable",
      piecewise(lambda x: mpmath.log1p(mpmath.exp(-x)), even(0.5, 7.75), 5))
turn = 2 * mpmath.pi / 16
table("sin(2 pi k / 16).", "kSineTable", numpy.array([float(mpmath.chop(mpmath.sin(k * turn))) for k in range(16)]))
edges = (0x3F440000 + numpy.arange(17) * 0x80000).astype(numpy.uint32).view(numpy.float32).astype(float)
middles = [1.0 if low < 1 < high else (low + high) / 2 for low, high in zip(edges, edges[1:])]
table("Reciprocals of the middles of intervals, and the middles' logarithms to base 2.", "kLog2Table",
      numpy.array([[1 / m for m in middles], [-float(mpmath.log(mpmath.mpf(1 / m), 2)) for m in middles]]), "double")
rest = fit(lambda r: mpmath.log(1 + r, 2) / r, 0, -0.0323, 0.0323, 5, rounded=float)
table("log2(1 + r) / r for |r| <= 0.0323.", "kLog2Rest", numpy.array(rest), "double")
# Of s = d^2, d in sixteenths of a turn.
sine = fit(lambda s: mpmath.sin(mpmath.sqrt(s) * turn) / mpmath.sqrt(s), 0, 0, 0.25, 2)
table("sin(2 pi d / 16) / d by powers of d^2 for |d| <= 1/2.", "kSineRest", numpy.array(sine))
cosine = fit(lambda s: -2 * mpmath.sin(mpmath.sqrt(s) * turn / 2) ** 2 / s, 0, 0, 0.25, 2)
table("(cos(2 pi d / 16) - 1) / d^2 by powers of d^2 for |d| <= 1/2.", "kCosineRest", numpy.array(cosine))
print("}  // namespace neurite::cpu")
