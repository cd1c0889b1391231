// What is queued on a stream: ops, copies between host and device or from device to device, waits, replays of programs.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "check.h"
#include "decode.h"
#include "failure.h"
#include "program.h"
#include "stream.h"

namespace neurite {

// What is called with the failure, or null, when a read or a wait has run.
using Completion = std::function<void(std::shared_ptr<const Failure>)>;

// Runs an op; `blocks` are those of its operands, inputs then outputs. After a failure the outputs carry it to what depends on them; an op that
// writes in place leaves its targets as they were. Kernels never see a call whose outputs are all empty: there is nothing to compute, and a size of 0
// is a divisor of 0 to many.
inline void runOp(Stream& stream, const Origin& origin, const Call& call, Block* const* blocks) {
  Block* const* outputs = blocks + call.inputs;
  std::shared_ptr<const Failure> failure;
  for (int i = 0; i < call.inputs; i++)
    if (blocks[i] && blocks[i]->failure) failure = blocks[i]->failure;
  if (writesInPlace(call))
    for (int i = 0; i < call.inputs; i++)
      if (blocks[i]) blocks[i]->version++;
  bool computes = call.outputs == 0;
  for (int i = 0; i < call.outputs; i++) computes = computes || call.out[i].size() > 0;
  if (!failure && computes) {
    try {
      stream.device().run(call, origin.owner->reporter);
    } catch (...) {
      failure = failureOf(kOpNames[static_cast<int>(call.op)], call.layer);
    }
  }
  for (int i = 0; i < call.outputs; i++)
    if (outputs[i]->failure != failure) outputs[i]->failure = failure;
  if (failure) origin.report(std::move(failure));
}

// One op with everything it needs in one allocation: the command, its tensors, the blocks behind them, its attributes.
class OpCommand final : public Command {
 public:
  static std::unique_ptr<OpCommand> make(const Origin& origin, const Call& call, const std::vector<Block*>& blocks) {
    const size_t operands = static_cast<size_t>(call.inputs + call.outputs);
    const size_t attributeBytes = kOpInfos[static_cast<int>(call.op)].attributeBytes;
    void* memory = ::operator new(sizeof(OpCommand) + operands * (sizeof(Tensor) + sizeof(Block*)) + attributeBytes);
    return std::unique_ptr<OpCommand>(new (memory) OpCommand(origin, call, blocks, attributeBytes));
  }
  static void operator delete(void* memory) { ::operator delete(memory); }

  void run(Stream& stream) override { runOp(stream, origin(), call_, blocks_); }

 private:
  OpCommand(const Origin& origin, const Call& call, const std::vector<Block*>& blocks, size_t attributeBytes)
      : Command(origin), call_(call) {
    const size_t operands = blocks.size();
    auto* tensors = reinterpret_cast<Tensor*>(this + 1);
    std::memcpy(static_cast<void*>(tensors), call.in, static_cast<size_t>(call.inputs) * sizeof(Tensor));
    std::memcpy(static_cast<void*>(tensors + call.inputs), call.out,
                static_cast<size_t>(call.outputs) * sizeof(Tensor));
    blocks_ = reinterpret_cast<Block**>(tensors + operands);
    std::copy(blocks.begin(), blocks.end(), blocks_);
    void* attributes = blocks_ + operands;
    if (attributeBytes) std::memcpy(attributes, call.attributes, attributeBytes);
    call_.in = tensors;
    call_.out = tensors + call.inputs;
    call_.attributes = attributes;
  }

  Call call_;
  Block** blocks_;
};
static_assert(alignof(Tensor) <= alignof(OpCommand) && sizeof(OpCommand) % alignof(Tensor) == 0);

class UploadCommand final : public Command {
 public:
  UploadCommand(const Origin& origin, Block* target, const void* data, size_t bytes)
      : Command(origin), target_(target), data_(new char[bytes]) {
    std::memcpy(data_.get(), data, bytes);
    stagedBytes = bytes;
  }
  void run(Stream& stream) override {
    try {
      stream.device().upload(target_->data, data_.get(), stagedBytes);
      target_->failure.reset();
    } catch (...) {
      origin().report(target_->failure = failureOf("tensor"));
    }
  }

 private:
  Block* target_;
  std::unique_ptr<char[]> data_;
};

// Stands for data that lie where they belong already, but wait for their use: they count as staged.
class WrittenCommand final : public Command {
 public:
  WrittenCommand(const Origin& origin, size_t bytes) : Command(origin) { stagedBytes = bytes; }
  void run(Stream&) override {}
};

// A copy from one device to another, by way of the host: what the streams of both have of it.
struct Transfer {
  std::unique_ptr<char[]> data;
  size_t bytes = 0;
  std::shared_ptr<const Failure> failure;
  std::atomic<uint32_t> arrived{0};
};

class TransferOutCommand final : public Command {
 public:
  TransferOutCommand(const Origin& origin, Block* source, std::shared_ptr<Transfer> transfer)
      : Command(origin), source_(source), transfer_(std::move(transfer)) {}
  void run(Stream& stream) override {
    transfer_->failure = source_->failure;
    if (!transfer_->failure) {
      try {
        stream.device().download(transfer_->data.get(), source_->data, transfer_->bytes, kNoReporter);
      } catch (...) {
        origin().report(transfer_->failure = failureOf("to"));
      }
    }
    drop();
  }
  void drop() override {
    transfer_->arrived.store(1);
    transfer_->arrived.notify_one();
  }

 private:
  Block* source_;
  std::shared_ptr<Transfer> transfer_;
};

// Waits for the other stream's half, which was submitted before: no two streams can wait for each other.
class TransferInCommand final : public Command {
 public:
  TransferInCommand(const Origin& origin, Block* target, std::shared_ptr<Transfer> transfer)
      : Command(origin), target_(target), transfer_(std::move(transfer)) {
    stagedBytes = transfer_->bytes;
  }
  void run(Stream& stream) override {
    transfer_->arrived.wait(0);
    target_->failure = transfer_->failure;
    if (target_->failure) return;
    try {
      stream.device().upload(target_->data, transfer_->data.get(), transfer_->bytes);
    } catch (...) {
      origin().report(target_->failure = failureOf("to"));
    }
  }

 private:
  Block* target_;
  std::shared_ptr<Transfer> transfer_;
};

// The failure that an index report tells; null if there was none.
inline std::shared_ptr<const Failure> failureOf(const IndexReport& report) {
  if (!report.set) return nullptr;
  const auto limit = static_cast<long long>(report.limit), index = static_cast<long long>(report.index);
  return std::make_shared<const Failure>(
      Failure{"ArgumentError", located(kOpNames[report.op], report.layer,
                                       format("expected indices from 0 to %lld, received %lld", limit - 1, index))});
}

// Copies a block to host memory; gives the failure that the block carries or that is told with this read.
inline std::shared_ptr<const Failure> download(Stream& stream, const Origin& origin, const Block& source, void* target,
                                               size_t bytes) {
  if (source.failure) return source.failure;
  try {
    return failureOf(stream.device().download(target, source.data, bytes, origin.owner->reporter));
  } catch (...) {
    return failureOf("data");
  }
}

// Waits for everything before it; gives the first failure of the run, or of an index, that nobody has been told of.
inline std::shared_ptr<const Failure> settle(Stream& stream, const Origin& origin) {
  try {
    const IndexReport report = stream.device().download(nullptr, nullptr, 0, origin.owner->reporter);
    return report.set ? failureOf(report) : origin.owner->takeFailure(origin.run);
  } catch (...) {
    return failureOf("synchronize");
  }
}

// Copies a block to host memory, which stays valid until `done` is called.
class ReadCommand final : public Command {
 public:
  ReadCommand(const Origin& origin, Block* source, void* target, size_t bytes, Completion done)
      : Command(origin), source_(source), target_(target), bytes_(bytes), done_(std::move(done)) {}
  void run(Stream& stream) override { done_(download(stream, origin(), *source_, target_, bytes_)); }
  void drop() override {
    done_(std::make_shared<const Failure>(Failure{"DeviceError", "[data] the environment has ended"}));
  }

 private:
  Block* source_;
  void* target_;
  size_t bytes_;
  Completion done_;
};

// Waits for everything before it.
class WaitCommand final : public Command {
 public:
  WaitCommand(const Origin& origin, Completion done) : Command(origin), done_(std::move(done)) {}
  void run(Stream& stream) override { done_(settle(stream, origin())); }
  void drop() override { done_(nullptr); }

 private:
  Completion done_;
};

class ReplayCommand final : public Command {
 public:
  ReplayCommand(const Origin& origin, std::shared_ptr<Program> program, Block* arena, std::vector<Block*> inputs,
                std::vector<Block*> results)
      : Command(origin),
        program_(std::move(program)),
        arena_(arena),
        inputs_(std::move(inputs)),
        results_(std::move(results)) {}
  void run(Stream& stream) override {
    std::shared_ptr<const Failure> failure;
    for (Block* input : inputs_)
      if (input->failure) failure = input->failure;
    if (!failure) {
      try {
        program_->replay(stream, origin().owner->reporter, arena_, inputs_, results_);
      } catch (...) {
        failure = program_->failure();
      }
    }
    for (Block* result : results_) result->failure = failure;
    if (failure) origin().report(std::move(failure));
  }

 private:
  std::shared_ptr<Program> program_;
  Block* arena_;
  std::vector<Block*> inputs_, results_;
};

}  // namespace neurite
