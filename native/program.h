// A recorded training step: commands with their operands as numbered buffers, replayed by one native call.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "stream.h"
#include "thread-pool.h"

namespace neurite {

// Whether the inputs of a call may be written.
inline bool writesInPlace(const Call& call) { return call.outputs == 0 || call.op == Op::advanceRandom; }

// Commands that depend on nothing but memory that outlives the program and that it does not write (weights cast to bfloat16, a batch normalisation
// folded into weights) run again only when that memory has been written since, as the versions of its blocks tell; their results are kept. So is what
// kernels make of such operands (Kept).
class Program {
 public:
  enum class Kind : uint8_t {
    input,      // bound at each replay
    result,     // a new block at each replay
    temporary,  // a place in the stream's arena
    kept,       // a place in the program's own memory, which outlives a replay
    external,   // memory that outlives the program: variables, captured constants
  };
  struct Buffer {
    Kind kind = Kind::temporary;
    size_t bytes = 0;
    Block* block = nullptr;  // external: the memory; input and result on a device with graphs: the program's own copy
    size_t offset = 0;       // temporary: place in the arena; kept: in the program's memory
    int32_t first = -1, last = -1;  // temporary, kept: commands between which it lives
    bool written = false;           // some command writes it in place; external: or as its output
  };
  static constexpr int32_t kAbsent = -1;

  // While recording.
  int32_t addBuffer(Kind kind, size_t bytes, Block* block);
  Buffer& buffer(int32_t index) { return buffers_[static_cast<size_t>(index)]; }
  // `operands` are buffer numbers or kAbsent, inputs then outputs.
  void addCommand(const Call& call, size_t attributeBytes, const std::vector<int32_t>& operands);
  // Places temporaries and fixes the pointers; afterwards nothing may be added.
  void finish(std::vector<int32_t> inputs, std::vector<int32_t> results);

  size_t arenaBytes() const { return arenaBytes_; }
  size_t keptBytes() const { return keptBytes_; }
  // So many bytes for what is kept, before the first replay.
  void setKept(Block* block) { keptBlock_ = block; }
  const std::vector<int32_t>& inputs() const { return inputs_; }
  const std::vector<int32_t>& results() const { return results_; }

  // On the executing thread; index reports are those of `reporter`, always the same. Throws what the first failing command throws.
  void replay(Stream& stream, int reporter, Block* arena, const std::vector<Block*>& inputs,
              const std::vector<Block*>& results);
  // What the shorter of the last two replays took, in nanoseconds: one alone may have been interrupted. A large number before the first. Any thread.
  int64_t lastTime() const { return lastTime_.load(std::memory_order_relaxed); }
  // What the command that the last replay was at has thrown; inside a catch block.
  std::shared_ptr<const Failure> failure() const;

 private:
  void bind(Block* arena, const std::vector<Block*>& inputs, const std::vector<Block*>& results);
  void findKept();
  void refresh(Device& device, int reporter);
  void run(Device& device, int reporter, const std::vector<size_t>& commands);

  std::vector<Buffer> buffers_;
  std::vector<Call> calls_;
  std::vector<Tensor> tensors_;     // operands of all calls, one after the other
  std::vector<int32_t> operands_;   // the buffer of each tensor
  std::vector<double> attributes_;  // attribute structs of all calls; doubles for their alignment
  std::vector<size_t> attributeAt_;
  std::vector<int32_t> inputs_, results_;
  size_t arenaBytes_ = 0, keptBytes_ = 0;
  std::vector<size_t> keptCommands_, replayedCommands_;
  struct Dependency {
    const Block* block;
    uint64_t version;
  };
  std::vector<Dependency> dependencies_;  // of what is kept, with the versions that it was made of
  std::vector<Block*> written_;           // externals
  std::deque<Kept> keptByKernels_;
  Block* keptBlock_ = nullptr;
  bool fresh_ = false;  // what is kept has been made
  size_t current_ = 0;
  int64_t previousTime_ = INT64_MAX;
  std::atomic<int64_t> lastTime_{INT64_MAX};
  void* boundArena_ = nullptr;
  bool bound_ = false;
  std::vector<std::pair<size_t, int32_t>>
      slots_;  // tensors whose pointer changes from replay to replay, and their buffer
  std::unique_ptr<Graph> graph_;
};

}  // namespace neurite
