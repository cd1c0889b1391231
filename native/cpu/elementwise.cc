// The engine of every elementwise op: operands of any dtype and broadcast become blocks of 4-byte elements.
#include "elementwise.h"

#include "../thread-pool.h"

namespace neurite::cpu::NEURITE_ISA {

namespace {

// Runs of a constant length, which the compiler turns into vectors without a scalar remainder.
constexpr int64_t kRun = 64;

void widenBytes(const void* from, void* to, int64_t n) {
  const auto* x = static_cast<const uint8_t*>(from);
  auto* y = static_cast<int32_t*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, loadLow8(x + i, kLanes));
  if (i < n) storePartial(y + i, loadLow8(x + i, n - i), n - i);
}

void narrowBytes(const void* from, void* to, int64_t n) {
  const auto* x = static_cast<const int32_t*>(from);
  auto* y = static_cast<uint8_t*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) storeLow8(y + i, load(x + i), kLanes);
  if (i < n) storeLow8(y + i, loadPartial(x + i, n - i), n - i);
}

void widenBfloat16(const void* from, void* to, int64_t n) {
  const auto* x = static_cast<const uint16_t*>(from);
  auto* y = static_cast<float*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, loadBfloat16(x + i));
  if (i < n) storePartial(y + i, loadBfloat16Partial(x + i, n - i), n - i);
}

void narrowBfloat16(const void* from, void* to, int64_t n) {
  const auto* x = static_cast<const float*>(from);
  auto* y = static_cast<uint16_t*>(to);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) storeBfloat16(y + i, load(x + i));
  if (i < n) storeBfloat16Partial(y + i, loadPartial(x + i, n - i), n - i);
}

// n elements of `size` bytes from a to b, short runs without a call.
template <class T> void copyRun(const T* a, T* b, int64_t n) {
  if (n < 32) {
    for (int64_t i = 0; i < n; ++i) b[i] = a[i];
  } else {
    memcpy(b, a, static_cast<size_t>(n) * sizeof(T));
  }
}
template <class T> void fillRun(T value, T* b, int64_t n) {
  int64_t i = 0;
  for (; i + kRun <= n; i += kRun) {
    for (int j = 0; j < kRun; ++j) b[i + j] = value;
  }
  for (; i < n; ++i) b[i] = value;
}

// An input as the engine reads it, after the output's dims have been collapsed as far as this input allows.
struct Operand {
  enum Kind : uint8_t {
    direct,    // contiguous: element i is data[i]
    constant,  // one element
    periodic,  // element i is data[i mod period]
    runs,      // several dims: an odometer over all but the last, whose stride is 0 or 1
  };
  Kind kind = direct;
  bool buffered = false;  // whether blocks go through a buffer
  uint8_t bytes = 4;      // of an element
  const char* data = nullptr;
  Convert widen = nullptr;
  int32_t bits = 0;  // of a constant, as the loop sees it
  int64_t period = 0;
  int rank = 0;  // runs
  int64_t dims[kMaxRank], strides[kMaxRank];
};

// How input `x` covers the dims of `out`.
void plan(Operand& operand, const Tensor& x, const Tensor& out, int64_t size) {
  operand.data = x.as<const char>();
  operand.bytes = static_cast<uint8_t>(dtypeBytes(x.dtype));
  operand.widen = kWiden[static_cast<int>(x.dtype)];
  operand.buffered = operand.widen != nullptr;
  const int64_t own = x.size();
  if (own == size) return;  // equal up to dims of 1
  if (own == 1) {
    operand.kind = Operand::constant;
    operand.buffered = false;
    if (operand.widen)
      operand.widen(operand.data, &operand.bits, 1);
    else
      memcpy(&operand.bits, operand.data, 4);
    return;
  }
  int rank = 0;
  int64_t stride = own;
  for (int i = 0; i < out.rank; ++i) {
    const int j = i - (out.rank - x.rank);
    const int64_t dim = j < 0 ? 1 : x.dims[j];
    stride /= dim;
    if (out.dims[i] == 1) continue;
    const int64_t step = dim == 1 ? 0 : stride;
    // A dim joins the one before it if both repeat, or if both are walked through.
    if (rank > 0 && (operand.strides[rank - 1] == 0) == (step == 0)) {
      operand.dims[rank - 1] *= out.dims[i];
      operand.strides[rank - 1] = step;
    } else {
      operand.dims[rank] = out.dims[i];
      operand.strides[rank++] = step;
    }
  }
  operand.rank = rank;
  if (rank == 2 && operand.strides[0] == 0) {
    operand.kind = Operand::periodic;
    operand.period = own;
    if (own <= kBlock) operand.buffered = true;
  } else {
    operand.kind = Operand::runs;
    operand.buffered = true;
  }
}

// Reads an operand's blocks in order, from `start` on.
class Reader {
 public:
  // Room for a block at any phase of a period that is no longer than a block.
  static constexpr int64_t kCapacity = 2 * kBlock;

  void begin(const Operand& source, int64_t start, int64_t end) {
    operand_ = &source;
    next_ = start;
    if (source.kind == Operand::constant) {
      fillRun(source.bits, reinterpret_cast<int32_t*>(block_), smaller(kBlock, end - start));
    } else if (source.kind == Operand::periodic) {
      phase_ = start % source.period;
      if (source.period <= kBlock) repeatPeriod(smaller(kCapacity, phase_ + end - start));
    } else if (source.kind == Operand::runs) {
      int64_t rest = start;
      offset_ = 0;
      for (int d = source.rank - 1; d >= 0; --d) {
        place_[d] = rest % source.dims[d];
        rest /= source.dims[d];
        if (d < source.rank - 1) offset_ += place_[d] * source.strides[d];
      }
    }
  }

  // The next n elements (at most kBlock if the operand is buffered).
  const void* take(int64_t n) {
    const Operand& source = *operand_;
    switch (source.kind) {
      case Operand::constant:
        return block_;
      case Operand::direct: {
        const char* p = source.data + next_ * source.bytes;
        next_ += n;
        prefetchRun(p + n * source.bytes, kBlock * source.bytes);
        return widened(p, n);
      }
      case Operand::periodic: {
        if (source.period <= kBlock) {
          const float* p = block_ + phase_;
          phase_ = (phase_ + n) % source.period;
          return p;
        }
        const char* p = source.data + phase_ * source.bytes;
        if (phase_ + n <= source.period) {
          phase_ = phase_ + n == source.period ? 0 : phase_ + n;
          return widened(p, n);
        }
        const int64_t first = source.period - phase_;
        memcpy(raw_, p, static_cast<size_t>(first * source.bytes));
        memcpy(raw_ + first * source.bytes, source.data, static_cast<size_t>((n - first) * source.bytes));
        phase_ = n - first;
        return widened(raw_, n);
      }
      default:
        if (source.bytes == 4)
          takeRuns<uint32_t>(n);
        else if (source.bytes == 2)
          takeRuns<uint16_t>(n);
        else
          takeRuns<uint8_t>(n);
        return widened(raw_, n);
    }
  }

 private:
  const void* widened(const char* p, int64_t n) {
    if (!operand_->widen) return p;
    operand_->widen(p, block_, n);
    return block_;
  }

  void repeatPeriod(int64_t n) {
    const int64_t period = operand_->period, first = smaller(period, n);
    if (operand_->widen)
      operand_->widen(operand_->data, block_, first);
    else
      memcpy(block_, operand_->data, static_cast<size_t>(first) * 4);
    // Doubling keeps the copies long when the period is short.
    for (int64_t filled = first; filled < n;) {
      const int64_t more = smaller(filled, n - filled);
      copyRun(block_, block_ + filled, more);
      filled += more;
    }
  }

  template <class T> void takeRuns(int64_t n) {
    const Operand& source = *operand_;
    const int inner = source.rank - 1;
    const bool walks = source.strides[inner] != 0;
    const int64_t length = source.dims[inner];
    const T* data = reinterpret_cast<const T*>(source.data);
    T* to = reinterpret_cast<T*>(raw_);
    while (n > 0) {
      const int64_t count = smaller(n, length - place_[inner]);
      if (walks)
        copyRun(data + offset_ + place_[inner], to, count);
      else
        fillRun(data[offset_], to, count);
      to += count;
      n -= count;
      place_[inner] += count;
      if (place_[inner] < length) return;
      place_[inner] = 0;
      for (int d = inner - 1; d >= 0; --d) {
        offset_ += source.strides[d];
        if (++place_[d] < source.dims[d]) break;
        offset_ -= source.strides[d] * source.dims[d];
        place_[d] = 0;
      }
    }
  }

  const Operand* operand_ = nullptr;
  int64_t next_ = 0, phase_ = 0, offset_ = 0;
  int64_t place_[kMaxRank];
  alignas(64) float block_[kCapacity];
  alignas(64) char raw_[kBlock * 4];
};

struct Job {
  Loop loop;
  Params params;
  int operands;
  bool buffered;  // whether anything goes through a buffer, so that the loop runs a block at a time
  bool stream;    // whether the output bypasses the caches
  Operand operand[3];
  char* out;
  int64_t outBytes;
  Convert narrow;
};

void runChunk(const Job& job, int64_t start, int64_t end) {
  const void* in[3];
  if (!job.buffered) {
    for (int k = 0; k < job.operands; ++k) in[k] = job.operand[k].data + start * job.operand[k].bytes;
    job.loop(in, job.out + start * job.outBytes, end - start, job.params);
    if (job.stream) streamFence();
    return;
  }
  Reader readers[3];
  alignas(64) float result[kBlock];
  alignas(64) char narrowed[kBlock * 2];
  for (int k = 0; k < job.operands; ++k) readers[k].begin(job.operand[k], start, end);
  for (int64_t i = start; i < end;) {
    int64_t n = smaller(kBlock, end - i);
    for (int k = 0; k < job.operands; ++k) in[k] = readers[k].take(n);
    char* to = job.out + i * job.outBytes;
    if (!job.narrow) {
      job.loop(in, to, n, job.params);
    } else {
      if (job.loop) job.loop(in, result, n, job.params);
      job.narrow(job.loop ? result : in[0], job.stream ? narrowed : to, n);
      if (job.stream) streamCopy(to, narrowed, n * job.outBytes);
    }
    i += n;
  }
  if (job.stream) streamFence();
}

}  // namespace

const Convert kWiden[kDTypes] = {nullptr, widenBfloat16, nullptr, widenBytes, widenBytes};
const Convert kNarrow[kDTypes] = {nullptr, narrowBfloat16, nullptr, narrowBytes, narrowBytes};

int32_t saturate(double value) {
  if (value != value) return 0;
  return value <= -2147483648.0 ? INT32_MIN : value >= 2147483647.0 ? INT32_MAX : static_cast<int32_t>(value);
}

void streamCopy(void* to, const void* from, int64_t bytes) {
  auto* y = static_cast<char*>(to);
  const auto* x = static_cast<const char*>(from);
  const int64_t head = smaller(bytes, static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) % 64));
  memcpy(y, x, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64) {
    prefetch(x + smaller(i + 4096, bytes - 1));
    NEURITE_UNROLL
    for (int k = 0; k < 64; k += kLanes * 4)
      storeStream(reinterpret_cast<float*>(y + i + k), load(reinterpret_cast<const float*>(x + i + k)));
  }
  memcpy(y + i, x + i, static_cast<size_t>(bytes - i));
}

void elementwise(const Call& call, int operands, FloatLoop loop, const Params& params, int64_t cost, double scalar) {
  const Tensor& out = call.out[0];
  const int64_t size = out.size();
  if (size == 0) return;
  Job job;
  job.loop = loop.loop;
  job.params = params;
  job.operands = operands;
  job.out = out.as<char>();
  job.outBytes = static_cast<int64_t>(dtypeBytes(out.dtype));
  job.narrow = kNarrow[static_cast<int>(out.dtype)];
  // Streaming stores need aligned blocks; chunks are multiples of kBlock.
  job.stream = streams(out);
  job.params.stream = job.stream && !job.narrow;
  job.buffered = job.narrow != nullptr;
  for (int k = 0; k < operands; ++k) {
    Operand& operand = job.operand[k];
    if (call.in[k].present()) {
      plan(operand, call.in[k], out, size);
    } else {
      const Tensor& other = call.in[k == 0 ? 1 : 0];
      operand.kind = Operand::constant;
      const float number = static_cast<float>(scalar);
      if (isFloat(other.dtype))
        memcpy(&operand.bits, &number, 4);
      else
        operand.bits = saturate(scalar);
    }
    job.buffered |= operand.buffered || operand.kind != Operand::direct;
  }
  if (loop.half && out.dtype == DType::bfloat16) {
    bool whole = true;
    for (int k = 0; k < operands; ++k) {
      whole &= job.operand[k].kind == Operand::direct && call.in[k].present() && call.in[k].dtype == DType::bfloat16;
    }
    if (whole) {
      job.loop = loop.half;
      job.buffered = false;
      job.params.stream = job.stream;
    }
  }
  const Split parts = split(size, cost, kBlock);
  parallelFor(parts.chunks, [&](int64_t chunk) { runChunk(job, parts.begin(chunk), parts.end(chunk)); });
}

}  // namespace neurite::cpu::NEURITE_ISA
