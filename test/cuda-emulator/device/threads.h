// Barriers, shuffles and votes.
#pragma once
#include <cstring>
#include <type_traits>

#include "../engine/engine.h"
#include "gpu-types.h"

inline void __syncthreads(EMULATOR_AT) { emulator::barrierSync(0, 0, "__syncthreads", at); }
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_AT) {
  emulator::collective(
      mask, "__syncwarp", nullptr, [](void* const*, unsigned, const emulator::Location&) {}, at);
}
inline void __threadfence() { emulator::threadFence(); }
inline void __threadfence_block() { emulator::threadFence(); }

namespace emulator {

struct Shuffle {
  uint64_t in, out;
  int source;  // lane to read
};
void executeShuffle(void* const* lanes, unsigned active, const Location& at);

struct Vote {
  bool predicate;
  unsigned result, active;
};
void executeVote(void* const* lanes, unsigned active, const Location& at);

template <class T> T shuffle(T value, int source, unsigned mask, const char* what, const Location& at) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "CUDA shuffles 4 or 8 bytes");
  Shuffle exchange{0, 0, source};
  std::memcpy(&exchange.in, &value, sizeof value);
  collective(mask, what, &exchange, executeShuffle, at);
  std::memcpy(&value, &exchange.out, sizeof value);
  return value;
}

inline Vote vote(bool predicate, unsigned mask, const char* what, const Location& at) {
  Vote ballot{predicate, 0, 0};
  collective(mask, what, &ballot, executeVote, at);
  return ballot;
}

}  // namespace emulator

namespace gpu {

inline unsigned laneId() { return emulator::lane(); }
inline void barrierSync(int id, int threads, EMULATOR_AT) { emulator::barrierSync(id, threads, "barrierSync", at); }
inline void barrierArrive(int id, int threads, EMULATOR_AT) { emulator::barrierArrive(id, threads, at); }
inline void gridSync(EMULATOR_AT) { emulator::gridSync(at); }

template <class T> T shfl(T value, int lane, unsigned mask = kFullMask, EMULATOR_AT) {
  return emulator::shuffle(value, lane & 31, mask, "shfl", at);
}
template <class T> T shflXor(T value, int laneMask, unsigned mask = kFullMask, EMULATOR_AT) {
  const int own = int(emulator::lane()), source = own ^ laneMask;
  return emulator::shuffle(value, source > 31 ? own : source, mask, "shflXor", at);
}
template <class T> T shflDown(T value, int delta, unsigned mask = kFullMask, EMULATOR_AT) {
  const int own = int(emulator::lane());
  return emulator::shuffle(value, own + delta > 31 ? own : own + delta, mask, "shflDown", at);
}
template <class T> T shflUp(T value, int delta, unsigned mask = kFullMask, EMULATOR_AT) {
  const int own = int(emulator::lane());
  return emulator::shuffle(value, own < delta ? own : own - delta, mask, "shflUp", at);
}
inline unsigned ballot(bool predicate, unsigned mask = kFullMask, EMULATOR_AT) {
  return emulator::vote(predicate, mask, "ballot", at).result;
}
inline bool any(bool predicate, unsigned mask = kFullMask, EMULATOR_AT) {
  return emulator::vote(predicate, mask, "any", at).result != 0;
}
inline bool all(bool predicate, unsigned mask = kFullMask, EMULATOR_AT) {
  const emulator::Vote result = emulator::vote(predicate, mask, "all", at);
  return result.result == result.active;
}

}  // namespace gpu
