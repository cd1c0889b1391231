// Matrix products as an op: batches that broadcast, bias and activation. gemm-test.cc has the products themselves.
#include "kernel-test.h"

using namespace neurite;
using namespace neurite::test;

namespace {

void testMatmul() {
  struct Case {
    Dims a, b, c;
    bool ta, tb;
  };
  for (const Case& c : std::vector<Case>{{{3, 5}, {5, 7}, {3, 7}, false, false},
                                         {{5, 3}, {7, 5}, {3, 7}, true, true},
                                         {{4, 6, 9}, {9, 5}, {4, 6, 5}, false, false},
                                         {{4, 9, 6}, {9, 5}, {4, 6, 5}, true, false},
                                         {{2, 1, 3, 4}, {5, 4, 6}, {2, 5, 3, 6}, false, false},
                                         {{3, 4}, {2, 5, 4, 6}, {2, 5, 3, 6}, false, false},
                                         {{2, 3, 3, 4}, {2, 1, 4, 6}, {2, 3, 3, 6}, false, false}}) {
    for (DType type : {F, H}) {
      for (DType out : {F, type}) {
        const int64_t m = c.c[c.c.size() - 2], n = c.c.back(), k = c.ta ? c.a[c.a.size() - 2] : c.a.back();
        Value a = randomValue(type, c.a, -1, 1), b = randomValue(type, c.b, -1, 1),
              bias = randomValue(type, {n}, -1, 1), y(out, c.c);
        attributes::matmul attr{};
        attr.transposeA = c.ta;
        attr.transposeB = c.tb;
        attr.activation = Activation::relu;
        run(Op::matmul, {&a, &b, &bias}, {&y}, &attr);
        const Dims outer(c.c.begin(), c.c.end() - 2);
        const auto ia = broadcastIndices(Dims(c.a.begin(), c.a.end() - 2), outer),
                   ib = broadcastIndices(Dims(c.b.begin(), c.b.end() - 2), outer);
        std::vector<double> e;
        for (size_t batch = 0; batch < ia.size(); batch++) {
          for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
              double s = bias.values[static_cast<size_t>(j)];
              for (int64_t p = 0; p < k; p++) {
                s += a.values[static_cast<size_t>(ia[batch] * m * k + (c.ta ? p * m + i : i * k + p))] *
                     b.values[static_cast<size_t>(ib[batch] * k * n + (c.tb ? j * k + p : p * n + j))];
              }
              e.push_back(s < 0 ? 0 : s);
            }
          }
        }
        expectClose("matmul " + shapeText(c.a) + shapeText(c.b), y, e, 1e-6, 1e-6);
      }
    }
  }
}

}  // namespace

int main() {
  testMatmul();
  return finish();
}
