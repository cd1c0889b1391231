// Gathers, scatters and what moves elements without computing.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

void testGather() {
  for (DType type : {F, H, I, U, B}) {
    for (int64_t axis = 0; axis < 3; axis++) {
      const Dims dims = {6, 7, 5};
      Value x = randomValue(type, dims), indices(I, {2, 9});
      for (double& v : indices.values) v = std::floor(uniform() * static_cast<double>(dims[static_cast<size_t>(axis)]));
      indices.write();
      Dims out;
      for (int64_t d = 0; d < 3; d++) {
        if (d == axis)
          out.insert(out.end(), {2, 9});
        else
          out.push_back(dims[static_cast<size_t>(d)]);
      }
      int64_t inner = 1;
      for (int64_t d = axis + 1; d < 3; d++) inner *= dims[static_cast<size_t>(d)];
      const int64_t limit = dims[static_cast<size_t>(axis)];
      attributes::gather attr{};
      attr.axis = axis;
      attr.scale = 1;
      const auto source = [&](int64_t i) {
        const int64_t o = i / (18 * inner), k = i / inner % 18;
        return static_cast<size_t>((o * limit + static_cast<int64_t>(indices.values[static_cast<size_t>(k)])) * inner +
                                   i % inner);
      };
      Value y(type, out);
      run(Op::gather, {&x, &indices}, {&y}, &attr);
      std::vector<double> e;
      for (int64_t i = 0; i < sizeOf(out); i++) e.push_back(x.values[source(i)]);
      expectClose("gather", y, e, 0);
      if (type != B) {
        for (DType to : {F, H}) {
          if ((type == F || type == H) && to != type) continue;
          attr.scale = 1 / 255.0;
          attr.offset = -0.5;
          Value z(to, out);
          run(Op::gather, {&x, &indices}, {&z}, &attr);
          std::vector<double> scaled;
          for (double v : e) scaled.push_back(v * attr.scale + attr.offset);
          expectClose("gather with scale", z, scaled, 2e-7, 1e-7);
        }
      }
      if (type == U || type == B) continue;
      Value updates = randomValue(type, out), sums(type, dims);
      attributes::scatterAdd add{};
      add.axis = axis;
      run(Op::scatterAdd, {&indices, &updates}, {&sums}, &add);
      std::vector<double> total(static_cast<size_t>(sizeOf(dims)));
      for (int64_t i = 0; i < sizeOf(out); i++) total[source(i)] += updates.values[static_cast<size_t>(i)];
      expectClose("scatterAdd", sums, total, 1e-6, 1e-6);
    }
  }
  for (const auto& [rows, count, inner] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1000, 5000, 1}, {1000, 900, 300}, {50, 20000, 8}}) {
    Value indices(I, {count}), updates = randomValue(F, {count, inner}), sums(F, {rows, inner});
    for (double& v : indices.values) v = std::floor(uniform() * static_cast<double>(rows));
    indices.write();
    attributes::scatterAdd add{};
    run(Op::scatterAdd, {&indices, &updates}, {&sums}, &add);
    std::vector<float> total(
        static_cast<size_t>(rows * inner));  // float32 in the order of the indices: equal bit for bit
    for (int64_t i = 0; i < count * inner; i++)
      total[static_cast<size_t>(static_cast<int64_t>(indices.values[static_cast<size_t>(i / inner)]) * inner +
                                i % inner)] += static_cast<float>(updates.values[static_cast<size_t>(i)]);
    expectClose("scatterAdd, large", sums, std::vector<double>(total.begin(), total.end()), 0);
  }
  Value table3 = randomValue(F, {4, 2}), bad(I, {3}, {-1, 4, 2}), y(F, {3, 2});
  attributes::gather attr{};
  attr.scale = 1;
  cpu::reports = 0;
  run(Op::gather, {&table3, &bad}, {&y}, &attr);
  expectClose(
      "gather out of range", y,
      {table3.values[0], table3.values[1], table3.values[6], table3.values[7], table3.values[4], table3.values[5]}, 0);
  checks++;
  if (cpu::reports != 2) {
    failures++;
    printf("gather: expected 2 reports, received %d\n", cpu::reports);
  }
  Value order(I, {5}, {4, 3, 2, 1, 0}), position(I, {1}, {3}), batch(I, {4});
  run(Op::batchIndices, {&order, &position}, {&batch}, nullptr);
  expectClose("batchIndices", batch, {1, 0, 0, 0}, 0);
  for (DType type : {F, H, I, U, B}) {
    Value indices(I, {4}, {2, -1, 0, 3}), hot(type, {4, 3});
    attributes::oneHot one{};
    one.onValue = 1;
    run(Op::oneHot, {&indices}, {&hot}, &one);
    expectClose("oneHot", hot, {0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}, 0);
  }
}

// Calls f(output index, place along each axis).
template <class G> void eachPlace(const Dims& dims, G&& f) {
  std::vector<int64_t> place(dims.size());
  for (int64_t i = 0; i < sizeOf(dims); i++) {
    int64_t rest = i;
    for (size_t d = dims.size(); d-- > 0;) {
      place[d] = rest % dims[d];
      rest /= dims[d];
    }
    f(static_cast<size_t>(i), place);
  }
}
size_t flat(const Dims& dims, const std::vector<int64_t>& place) {
  int64_t index = 0;
  for (size_t d = 0; d < dims.size(); d++) index = index * dims[d] + place[d];
  return static_cast<size_t>(index);
}

void testMovement() {
  for (DType type : {F, H, I, U, B}) {
    struct SliceCase {
      Dims dims, starts, strides, out;
    };
    for (const SliceCase& c : std::vector<SliceCase>{{{10}, {2}, {1}, {5}},
                                                     {{10}, {1}, {3}, {3}},
                                                     {{6, 7, 5}, {1, 0, 2}, {1, 1, 1}, {4, 7, 3}},
                                                     {{6, 7, 5}, {0, 2, 0}, {1, 1, 1}, {6, 3, 5}},
                                                     {{6, 7, 5}, {1, 1, 0}, {2, 3, 1}, {3, 2, 5}},
                                                     {{6, 7, 5}, {5, 6, 1}, {1, 1, 2}, {1, 1, 2}},
                                                     {{40, 60, 33}, {3, 4, 0}, {1, 1, 1}, {30, 50, 33}}}) {
      Value x = randomValue(type, c.dims), y(type, c.out), dx(type, c.dims);
      attributes::slice attr{};
      for (size_t d = 0; d < c.dims.size(); d++) {
        attr.starts.values[attr.starts.count++] = c.starts[d];
        attr.strides.values[attr.strides.count++] = c.strides[d];
      }
      run(Op::slice, {&x}, {&y}, &attr);
      std::vector<double> e(y.values.size()), back(x.values.size());
      eachPlace(c.out, [&](size_t i, std::vector<int64_t> place) {
        for (size_t d = 0; d < place.size(); d++) place[d] = c.starts[d] + place[d] * c.strides[d];
        e[i] = x.values[flat(c.dims, place)];
        back[flat(c.dims, place)] = e[i];
      });
      expectClose("slice", y, e, 0);
      run(Op::sliceGrad, {&y}, {&dx}, &attr);
      expectClose("sliceGrad", dx, back, 0);
    }
    struct PadCase {
      Dims dims, before, after;
    };
    for (const PadCase& c : std::vector<PadCase>{{{5}, {2}, {1}},
                                                 {{4, 6, 3}, {1, 2, 0}, {3, 1, 0}},
                                                 {{4, 6, 3}, {0, 0, 2}, {0, 0, 1}},
                                                 {{2, 20, 30, 16}, {0, 1, 1, 0}, {0, 1, 1, 0}}}) {
      for (PadMode mode : {PadMode::constant, PadMode::edge, PadMode::reflect}) {
        Dims out = c.dims;
        attributes::pad attr{};
        attr.mode = mode;
        attr.value = type == B ? 1 : 2;
        for (size_t d = 0; d < out.size(); d++) {
          out[d] += c.before[d] + c.after[d];
          attr.before.values[attr.before.count++] = c.before[d];
        }
        Value x = randomValue(type, c.dims), y(type, out), dy = randomValue(type, out), dx(type, c.dims);
        run(Op::pad, {&x}, {&y}, &attr);
        std::vector<double> e(y.values.size()), back(x.values.size());
        eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
          bool inside = true;
          for (size_t d = 0; d < place.size(); d++) {
            int64_t j = place[d] - c.before[d];
            const int64_t n = c.dims[d];
            if (j < 0 || j >= n) inside = false;
            if (mode == PadMode::edge) j = std::clamp<int64_t>(j, 0, n - 1);
            if (mode == PadMode::reflect) j = j < 0 ? -j : j >= n ? 2 * (n - 1) - j : j;
            place[d] = j;
          }
          if (inside || mode != PadMode::constant) {
            e[i] = x.values[flat(c.dims, place)];
            back[flat(c.dims, place)] += dy.values[i];
          } else {
            e[i] = attr.value;
          }
        });
        expectClose("pad", y, e, 0);
        if (type != F && type != H) continue;
        attributes::padGrad grad{};
        grad.before = attr.before;
        grad.mode = mode;
        run(Op::padGrad, {&dy}, {&dx}, &grad);
        expectClose("padGrad", dx, back, 1e-6, 2e-6);
      }
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{3}, {9}},
                                                                {{2, 3}, {4, 9}},
                                                                {{1, 3, 1}, {5, 3, 4}},
                                                                {{4, 1}, {4, 6}},
                                                                {{2, 3, 40}, {2, 6, 40}},
                                                                {{1}, {1000}}}) {
      const auto &dims = entry.first, &out = entry.second;
      Value x = randomValue(type, dims), y(type, out);
      run(Op::tile, {&x}, {&y}, nullptr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
        for (size_t d = 0; d < place.size(); d++) place[d] %= dims[d];
        e[i] = x.values[flat(dims, place)];
      });
      expectClose("tile", y, e, 0);
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{}, {7}},
                                                                {{3}, {5, 3}},
                                                                {{5, 1}, {5, 300}},
                                                                {{2, 1, 3, 1}, {2, 4, 3, 5}},
                                                                {{1, 3}, {2, 2, 3}},
                                                                {{700}, {90, 700}}}) {
      const auto &dims = entry.first, &out = entry.second;
      Value x = randomValue(type, dims), y(type, out);
      run(Op::broadcastTo, {&x}, {&y}, nullptr);
      const auto indices = broadcastIndices(dims, out);
      std::vector<double> e;
      for (int64_t i : indices) e.push_back(x.values[static_cast<size_t>(i)]);
      expectClose("broadcastTo", y, e, 0);
    }
    for (const auto& entry : std::vector<std::pair<Dims, Dims>>{{{5}, {0}},
                                                                {{5, 7}, {1, 0}},
                                                                {{100, 70}, {1, 0}},
                                                                {{2, 3, 4, 5}, {0, 2, 1, 3}},
                                                                {{2, 3, 4, 5}, {3, 2, 1, 0}},
                                                                {{2, 3, 4, 5}, {0, 3, 1, 2}},
                                                                {{3, 65, 33}, {0, 2, 1}},
                                                                {{3, 65, 33}, {2, 0, 1}},
                                                                {{3, 65, 33}, {1, 2, 0}},
                                                                {{1, 6, 1, 5}, {3, 2, 1, 0}},
                                                                {{17, 200, 19}, {1, 0, 2}},
                                                                {{4, 5}, {0, 1}}}) {
      const auto &dims = entry.first, &permutation = entry.second;
      Dims out;
      attributes::transpose attr{};
      for (int64_t p : permutation) {
        out.push_back(dims[static_cast<size_t>(p)]);
        attr.permutation.values[attr.permutation.count++] = p;
      }
      Value x = randomValue(type, dims), y(type, out);
      run(Op::transpose, {&x}, {&y}, &attr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, const std::vector<int64_t>& place) {
        std::vector<int64_t> from(place.size());
        for (size_t d = 0; d < place.size(); d++) from[static_cast<size_t>(permutation[d])] = place[d];
        e[i] = x.values[flat(dims, from)];
      });
      expectClose("transpose " + shapeText(permutation), y, e, 0);
    }
    for (int64_t axis = 0; axis < 3; axis++) {
      std::vector<Value> parts;
      Dims out = {3, 4, 5};
      out[static_cast<size_t>(axis)] = 0;
      for (int64_t k : {2, 1, 30}) {
        Dims dims = {3, 4, 5};
        dims[static_cast<size_t>(axis)] = k;
        out[static_cast<size_t>(axis)] += k;
        parts.push_back(randomValue(type, dims));
      }
      Value y(type, out);
      attributes::concat attr{};
      attr.axis = axis;
      run(Op::concat, {&parts[0], &parts[1], &parts[2]}, {&y}, &attr);
      std::vector<double> e(y.values.size());
      eachPlace(out, [&](size_t i, std::vector<int64_t> place) {
        size_t part = 0;
        int64_t& j = place[static_cast<size_t>(axis)];
        while (j >= parts[part].dims[static_cast<size_t>(axis)]) j -= parts[part++].dims[static_cast<size_t>(axis)];
        e[i] = parts[part].values[flat(parts[part].dims, place)];
      });
      expectClose("concat", y, e, 0);
    }
  }
}

}  // namespace

int main() {
  testGather();
  testMovement();
  return finish();
}
