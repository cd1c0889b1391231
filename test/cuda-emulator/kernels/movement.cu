// Ops that move elements: every output element is compared with the input element it should be.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

using Place = std::vector<int64_t>;

Place placeOf(int64_t i, const Dims& dims) {
  Place place(dims.size());
  for (size_t d = dims.size(); d-- > 0;) {
    place[d] = i % dims[d];
    i /= dims[d];
  }
  return place;
}

int64_t indexOf(const Place& place, const Dims& dims) {
  int64_t index = 0;
  for (size_t d = 0; d < dims.size(); d++) index = index * dims[d] + place[d];
  return index;
}

const std::vector<DType> kAll = {DType::float32, DType::bfloat16, DType::int32, DType::uint8, DType::boolean};

Value anything(DType dtype, const Dims& dims) { return random(dtype, dims, 0, dtype == DType::boolean ? 2 : 200); }

// y[place] = x[from(place)], or `fill` where from gives nothing.
std::vector<double> moved(const Value& x, const Dims& y, double fill, const std::function<bool(Place&)>& from) {
  return each(sizeOf(y), [&](int64_t i) {
    Place place = placeOf(i, y);
    return from(place) ? x[indexOf(place, x.dims)] : fill;
  });
}

}  // namespace

SUITE_CASE(slices) {
  struct Case {
    Dims x, y;
    std::vector<int64_t> starts, strides;
  };
  for (const Case& c : cases<Case>({{{9}, {4}, {3}, {1}},
                                    {{9}, {4}, {1}, {2}},
                                    {{4, 16}, {2, 8}, {1, 4}, {1, 1}},
                                    {{4, 16}, {2, 16}, {2, 0}, {1, 1}},
                                    {{5, 6, 7}, {2, 3, 7}, {1, 0, 0}, {2, 2, 1}},
                                    {{5, 6, 7}, {5, 6, 1}, {0, 0, 3}, {1, 1, 1}},
                                    {{3, 400}, {3, 390}, {0, 5}, {1, 1}}})) {
    for (const DType dtype : variants<DType>(kAll)) {
      const std::string at = " " + name(dtype) + " " + describe(c.x) + " to " + describe(c.y);
      const Value x = anything(dtype, c.x);
      expectEqual("slice" + at,
                  run(Op::slice, attributes::slice{ints(c.starts), ints(c.strides)}, {x}, {empty(dtype, c.y)})[0],
                  moved(x, c.y, 0, [&](Place& p) {
                    for (size_t d = 0; d < p.size(); d++) p[d] = c.starts[d] + p[d] * c.strides[d];
                    return true;
                  }));
      const Value dy = anything(dtype, c.y);
      expectEqual(
          "sliceGrad" + at,
          run(Op::sliceGrad, attributes::sliceGrad{ints(c.starts), ints(c.strides)}, {dy}, {empty(dtype, c.x)})[0],
          moved(dy, c.x, 0, [&](Place& p) {
            for (size_t d = 0; d < p.size(); d++) {
              p[d] -= c.starts[d];
              if (p[d] < 0 || p[d] % c.strides[d] != 0 || p[d] / c.strides[d] >= c.y[d]) return false;
              p[d] /= c.strides[d];
            }
            return true;
          }));
    }
  }
}

SUITE_CASE(paddings) {
  using neurite::PadMode;
  struct Case {
    Dims x, y;
    std::vector<int64_t> before;
  };
  const auto source = [](int64_t i, int64_t n, PadMode mode) {
    if (i >= 0 && i < n) return i;
    if (mode == PadMode::constant) return int64_t{-1};
    if (mode == PadMode::edge) return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
  };
  for (const Case& c : cases<Case>({{{4}, {9}, {2}},
                                    {{3, 5}, {3, 8}, {0, 1}},
                                    {{2, 4, 3}, {4, 8, 3}, {1, 2, 0}},
                                    {{5, 4}, {8, 9}, {0, 3}},
                                    {{2, 300}, {4, 303}, {1, 1}}})) {
    for (const PadMode mode : {PadMode::constant, PadMode::edge, PadMode::reflect}) {
      const auto from = [&](Place& p) {
        bool inside = true;
        for (size_t d = 0; d < p.size(); d++) {
          p[d] = source(p[d] - c.before[d], c.x[d], mode);
          inside = inside && p[d] >= 0;
        }
        return inside;
      };
      const std::string at =
          " " + describe(c.x) + " to " + describe(c.y) + " mode " + std::to_string(static_cast<int>(mode));
      for (const DType dtype : variants<DType>(kAll)) {
        const Value x = anything(dtype, c.x);
        expectEqual("pad " + name(dtype) + at,
                    run(Op::pad, attributes::pad{ints(c.before), mode, 1}, {x}, {empty(dtype, c.y)})[0],
                    moved(x, c.y, 1, from));
      }
      for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16})) {
        const Value dy = random(dtype, c.y);
        std::vector<double> dx(static_cast<size_t>(sizeOf(c.x)));
        for (int64_t i = 0; i < dy.size(); i++) {
          Place p = placeOf(i, c.y);
          if (from(p)) dx[static_cast<size_t>(indexOf(p, c.x))] += dy[i];
        }
        expectEqual("padGrad " + name(dtype) + at,
                    run(Op::padGrad, attributes::padGrad{ints(c.before), mode}, {dy}, {empty(dtype, c.x)})[0], dx,
                    2e-6);
      }
    }
  }
}

SUITE_CASE(tilesAndBroadcasts) {
  struct Case {
    Dims x, y;
  };
  for (const DType dtype : variants<DType>(kAll)) {
    for (const Case& c : cases<Case>(
             {{{3}, {6}}, {{2, 3}, {4, 9}}, {{1, 8}, {5, 8}}, {{2, 1, 4}, {2, 3, 8}}, {{1}, {33}}, {{4}, {4}}})) {
      const Value x = anything(dtype, c.x);
      expectEqual("tile " + name(dtype) + describe(c.x), run(Op::tile, attributes::tile{}, {x}, {empty(dtype, c.y)})[0],
                  moved(x, c.y, 0, [&](Place& p) {
                    for (size_t d = 0; d < p.size(); d++) p[d] %= c.x[d];
                    return true;
                  }));
    }
    for (const Case& c :
         std::vector<Case>{{{}, {5}}, {{3}, {4, 3}}, {{4, 1}, {4, 7}}, {{2, 1, 8}, {2, 3, 8}}, {{1, 1}, {9, 300}}}) {
      const Value x = anything(dtype, c.x);
      expectEqual("broadcastTo " + name(dtype) + describe(c.x),
                  run(Op::broadcastTo, attributes::broadcastTo{}, {x}, {empty(dtype, c.y)})[0],
                  moved(x, c.y, 0, [&](Place& p) {
                    p.erase(p.begin(), p.begin() + static_cast<int64_t>(c.y.size() - c.x.size()));
                    for (size_t d = 0; d < p.size(); d++) p[d] = c.x[d] == 1 ? 0 : p[d];
                    return true;
                  }));
    }
  }
}

SUITE_CASE(transposes) {
  struct Case {
    Dims x;
    std::vector<int64_t> permutation;
  };
  for (const Case& c : cases<Case>({{{7}, {0}},
                                    {{3, 5}, {1, 0}},
                                    {{1, 9}, {1, 0}},
                                    {{33, 65}, {1, 0}},
                                    {{32, 32}, {1, 0}},
                                    {{3, 4, 5}, {2, 1, 0}},
                                    {{3, 4, 5}, {0, 2, 1}},
                                    {{3, 4, 8}, {1, 0, 2}},
                                    {{2, 3, 4, 5}, {0, 3, 1, 2}},
                                    {{2, 3, 4, 5}, {3, 1, 2, 0}},
                                    {{2, 3, 4, 5}, {2, 3, 0, 1}},
                                    {{2, 1, 40, 3}, {0, 3, 1, 2}}})) {
    Dims y;
    for (const int64_t axis : c.permutation) y.push_back(c.x[static_cast<size_t>(axis)]);
    for (const DType dtype : variants<DType>(kAll)) {
      const Value x = anything(dtype, c.x);
      expectEqual("transpose " + name(dtype) + " " + describe(c.x) + " by " + describe(c.permutation),
                  run(Op::transpose, attributes::transpose{ints(c.permutation)}, {x}, {empty(dtype, y)})[0],
                  moved(x, y, 0, [&](Place& p) {
                    Place in(p.size());
                    for (size_t d = 0; d < p.size(); d++) in[static_cast<size_t>(c.permutation[d])] = p[d];
                    p = in;
                    return true;
                  }));
    }
  }
}

SUITE_CASE(concatenations) {
  for (const DType dtype : variants<DType>(kAll)) {
    for (const int64_t axis : cases<int64_t>({0, 1, 2})) {
      for (const int count : cases<int>({1, 3, 70})) {  // 70: more than one launch
        std::vector<Value> inputs;
        Dims y = {2, 3, 4};
        y[static_cast<size_t>(axis)] = 0;
        for (int i = 0; i < count; i++) {
          Dims dims = {2, 3, 4};
          dims[static_cast<size_t>(axis)] = 1 + i % 3;
          inputs.push_back(anything(dtype, dims));
          y[static_cast<size_t>(axis)] += dims[static_cast<size_t>(axis)];
        }
        const auto reference = each(sizeOf(y), [&](int64_t i) {
          Place p = placeOf(i, y);
          size_t n = 0;
          while (p[static_cast<size_t>(axis)] >= inputs[n].dims[static_cast<size_t>(axis)])
            p[static_cast<size_t>(axis)] -= inputs[n++].dims[static_cast<size_t>(axis)];
          return inputs[n][indexOf(p, inputs[n].dims)];
        });
        expectEqual("concat " + name(dtype) + " axis " + std::to_string(axis) + " of " + std::to_string(count),
                    run(Op::concat, attributes::concat{axis}, inputs, {empty(dtype, y)})[0], reference);
      }
    }
  }
}
