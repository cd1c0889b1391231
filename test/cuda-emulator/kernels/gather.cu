// Rows by indices: gather with and without scaling, scatterAdd by scanning and by sorting, batchIndices, oneHot.
#include "op.h"

using namespace ops;
namespace attributes = neurite::attributes;

namespace {

struct Shape {
  Dims x, indices;
  int64_t axis;
};

// Dims of gather's output, and its x (outer, limit, inner).
struct Layout {
  Dims y;
  int64_t outer = 1, limit, inner = 1, count;
  explicit Layout(const Shape& s) : limit(s.x[static_cast<size_t>(s.axis)]), count(sizeOf(s.indices)) {
    y.assign(s.x.begin(), s.x.begin() + s.axis);
    y.insert(y.end(), s.indices.begin(), s.indices.end());
    y.insert(y.end(), s.x.begin() + s.axis + 1, s.x.end());
    for (int64_t d = 0; d < static_cast<int64_t>(s.x.size()); d++) {
      if (d < s.axis) outer *= s.x[static_cast<size_t>(d)];
      if (d > s.axis) inner *= s.x[static_cast<size_t>(d)];
    }
  }
};

const std::vector<Shape> kShapes = {{{5}, {1}, 0},       {{9}, {20}, 0},        {{7, 3}, {4}, 0},
                                    {{6, 8}, {2, 3}, 0}, {{3, 5, 4}, {6}, 1},   {{2, 3, 16}, {5}, 1},
                                    {{4, 6}, {7}, 1},    {{10, 28, 28}, {3}, 0}};

}  // namespace

SUITE_CASE(gathers) {
  for (const Shape& s : cases(kShapes)) {
    const Layout layout(s);
    const Value indices = random(DType::int32, s.indices, 0, static_cast<double>(layout.limit));
    const auto reference = [&](const Value& x, double scale, double offset) {
      return each(sizeOf(layout.y), [&](int64_t i) {
        const int64_t column = i % layout.inner, k = i / layout.inner % layout.count,
                      o = i / layout.inner / layout.count;
        return x[(o * layout.limit + static_cast<int64_t>(indices[k])) * layout.inner + column] * scale + offset;
      });
    };
    for (const DType dtype :
         variants<DType>({DType::float32, DType::bfloat16, DType::int32, DType::uint8, DType::boolean})) {
      const Value x = random(dtype, s.x, 0, dtype == DType::boolean ? 2 : 200);
      const Result result = run(Op::gather, attributes::gather{s.axis, 1, 0}, {x, indices}, {empty(dtype, layout.y)});
      expectEqual("gather " + name(dtype) + " " + describe(s.x), result[0], reference(x, 1, 0));
      suite::expect(!result.report.set, "indices in range are not reported");
      if (dtype == DType::boolean) continue;
      for (const DType out : variants<DType>({DType::float32, DType::bfloat16})) {
        if (dtype != out && dtype != DType::uint8 && dtype != DType::int32) continue;
        expectEqual(
            "gather scaled " + name(dtype) + " to " + name(out),
            run(Op::gather, attributes::gather{s.axis, 1 / 255.0, -0.5}, {x, indices}, {empty(out, layout.y)})[0],
            reference(x, 1 / 255.0, -0.5));
      }
    }
  }
  const Value x = random(DType::float32, {4, 2}), indices(DType::int32, {3}, {1, -1, 9});
  const Result result = run(Op::gather, attributes::gather{0, 1, 0}, {x, indices}, {empty(DType::float32, {3, 2})});
  expectEqual("gather clamps", result[0], {x[2], x[3], x[0], x[1], x[6], x[7]});
  suite::expect(result.report.set && result.report.op == Op::gather &&
                    (result.report.index == -1 || result.report.index == 9) && result.report.limit == 4,
                "an index out of range is reported");
}

SUITE_CASE(scatterAdds) {
  std::vector<Shape> shapes = kShapes;
  // Beyond what is scanned, so that indices are sorted: several tiles, one and two digits of the radix, and more.
  shapes.push_back({{3, 500}, {2900}, 0});
  shapes.push_back({{40, 30}, {3600}, 0});
  shapes.push_back({{300, 16}, {1000}, 0});
  shapes.push_back({{2, 130, 10}, {1700}, 1});
  for (const Shape& s : cases(shapes)) {
    const Layout layout(s);
    const Value indices = random(DType::int32, s.indices, 0, static_cast<double>(layout.limit));
    for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16, DType::int32})) {
      if (layout.count > 1000 && dtype != DType::float32) continue;
      // Small whole numbers, so that sums are exact: what is checked is which updates arrive, and where.
      const Value updates = random(dtype == DType::int32 ? dtype : DType::int32, layout.y, -3, 4);
      std::vector<double> reference(static_cast<size_t>(sizeOf(s.x)));
      for (int64_t i = 0; i < updates.size(); i++) {
        const int64_t column = i % layout.inner, k = i / layout.inner % layout.count,
                      o = i / layout.inner / layout.count;
        reference[static_cast<size_t>((o * layout.limit + static_cast<int64_t>(indices[k])) * layout.inner + column)] +=
            updates[i];
      }
      expectEqual("scatterAdd " + name(dtype) + " " + describe(s.x) + " at " + describe(s.indices),
                  run(Op::scatterAdd, attributes::scatterAdd{s.axis}, {indices, Value(dtype, layout.y, updates.data)},
                      {empty(dtype, s.x)})[0],
                  reference);
    }
  }
}

SUITE_CASE(scatterAddKeepsTheOrder) {
  // Sums whose value depends on the order, against sums in the order of the indices.
  for (const int64_t count : {100, 3000}) {
    const int64_t limit = count == 100 ? 7 : 50, inner = 40;
    const Value indices = random(DType::int32, {count}, 0, static_cast<double>(limit)),
                updates = random(DType::float32, {count, inner}, -1e4, 1e4);
    std::vector<double> reference(static_cast<size_t>(limit * inner));
    for (int64_t k = 0; k < count; k++) {
      for (int64_t c = 0; c < inner; c++) {
        double& sum = reference[static_cast<size_t>(static_cast<int64_t>(indices[k]) * inner + c)];
        sum = static_cast<float>(sum) + static_cast<float>(updates[k * inner + c]);
      }
    }
    const Result result =
        run(Op::scatterAdd, attributes::scatterAdd{0}, {indices, updates}, {empty(DType::float32, {limit, inner})});
    suite::expectClose("scatterAdd in order, " + std::to_string(count), result[0].data, reference, 0);
  }
}

SUITE_CASE(batchesAndOneHots) {
  const Value order = random(DType::int32, {100}, 0, 1000);
  for (const int64_t position : {0, 37, 95}) {
    expectEqual("batchIndices",
                run(Op::batchIndices, attributes::batchIndices{},
                    {order, scalar(DType::int32, static_cast<double>(position))}, {empty(DType::int32, {9})})[0],
                each(9, [&](int64_t i) { return order[std::min<int64_t>(position + i, 99)]; }));
  }
  for (const DType dtype : variants<DType>({DType::float32, DType::bfloat16, DType::int32, DType::uint8})) {
    for (const DType label : variants<DType>({DType::int32, DType::uint8})) {
      const Value indices = random(label, {7, 3}, 0, 6);  // 5 is out of range
      expectEqual("oneHot " + name(dtype),
                  run(Op::oneHot, attributes::oneHot{3, 1}, {indices}, {empty(dtype, {7, 3, 5})})[0],
                  each(105, [&](int64_t i) { return indices[i / 5] == static_cast<double>(i % 5) ? 3 : 1; }));
    }
  }
}
