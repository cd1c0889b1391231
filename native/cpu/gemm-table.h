// Which unit multiplies which shape: constants measured on Sapphire Rapids, two threads, that decide between
// multiply-adds and AMX tiles.
#pragma once

#include "gemm.h"

namespace neurite::cpu::NEURITE_ISA {

// Billions of multiplications and additions a second, float32 multiply-adds.
inline constexpr double kFmaRate = 320;
struct TileRate {
  double rate;      // the same, of products of 1, 2, 3 parts; packed operands in L2
  double packTime;  // nanoseconds per value of A and B: conversion, packing, reading
};
inline constexpr TileRate kTileRates[4] = {{0, 0}, {3500, 0.30}, {1300, 0.35}, {650, 0.35}};
// Tiles must win by this much on paper.
inline constexpr double kTileAdvantage = 0.95;

// Parts of bfloat16 per operand that `precision` calls for.
inline int partsOf(DType a, DType b, Precision precision) {
  if (a == DType::bfloat16 && b == DType::bfloat16) return 1;
  return precision == Precision::highest ? 3 : precision == Precision::high ? 2 : 1;
}
inline int partsOf(const Gemm& g) { return partsOf(g.typeA, g.typeB, g.precision); }

// A product with few columns or rows fills its tiles badly; one with little work per value is spent on packing.
inline bool tilesAreFaster(const Gemm& g, int parts) {
  const auto padded = [](int64_t n) { return static_cast<double>((n + 31) & ~int64_t{31}); };
  const double k = static_cast<double>(g.k), m = static_cast<double>(g.m), n = static_cast<double>(g.n);
  const TileRate& tile = kTileRates[parts];
  const double tileTime = 2 * padded(g.m) * padded(g.n) * k / tile.rate + (m + n) * k * tile.packTime;
  return tileTime < kTileAdvantage * 2 * m * n * k / kFmaRate;
}

}  // namespace neurite::cpu::NEURITE_ISA
