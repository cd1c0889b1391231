// What is queued on a stream: ops, copies between host and device, fences, replays of programs.
#pragma once
#include <algorithm>
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

// What is called with the failure, or null, when a read or a fence has run.
using Completion = std::function<void(std::shared_ptr<const Failure>)>;

// Runs an op; `blocks` are those of its operands, inputs then outputs. After a failure the outputs carry it to what depends on them; an op that
// writes in place leaves its targets as they were.
inline void runOp(Stream& stream, Owner& owner, const Call& call, Block* const* blocks) {
  Block* const* outputs = blocks + call.inputs;
  std::shared_ptr<const Failure> failure;
  for (int i = 0; i < call.inputs; i++)
    if (blocks[i] && blocks[i]->failure) failure = blocks[i]->failure;
  if (!failure) {
    try {
      stream.device().run(call);
    } catch (...) {
      failure = failureOf(kOpNames[static_cast<int>(call.op)], call.layer);
    }
  }
  for (int i = 0; i < call.outputs; i++)
    if (outputs[i]->failure != failure) outputs[i]->failure = failure;
  if (failure) owner.report(std::move(failure));
}

// One op with everything it needs in one allocation: the command, its tensors, the blocks behind them, its attributes.
class OpCommand final : public Command {
 public:
  static std::unique_ptr<OpCommand> make(Owner& owner, const Call& call, const std::vector<Block*>& blocks) {
    const size_t operands = static_cast<size_t>(call.inputs + call.outputs);
    const size_t attributeBytes = kOpInfos[static_cast<int>(call.op)].attributeBytes;
    void* memory = ::operator new(sizeof(OpCommand) + operands * (sizeof(Tensor) + sizeof(Block*)) + attributeBytes);
    return std::unique_ptr<OpCommand>(new (memory) OpCommand(owner, call, blocks, attributeBytes));
  }
  static void operator delete(void* memory) { ::operator delete(memory); }

  void run(Stream& stream) override { runOp(stream, owner(), call_, blocks_); }

 private:
  OpCommand(Owner& owner, const Call& call, const std::vector<Block*>& blocks, size_t attributeBytes)
      : Command(owner), call_(call) {
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
  UploadCommand(Owner& owner, Block* target, const void* data, size_t bytes)
      : Command(owner), target_(target), data_(new char[bytes]) {
    std::memcpy(data_.get(), data, bytes);
    stagedBytes = bytes;
  }
  void run(Stream& stream) override {
    try {
      stream.device().upload(target_->data, data_.get(), stagedBytes);
      target_->failure.reset();
    } catch (...) {
      owner().report(target_->failure = failureOf("tensor"));
    }
  }

 private:
  Block* target_;
  std::unique_ptr<char[]> data_;
};

// Copies a block to host memory; gives the failure that the block carries or that is told with this read.
inline std::shared_ptr<const Failure> download(Stream& stream, const Block& source, void* target, size_t bytes) {
  if (source.failure) return source.failure;
  try {
    stream.device().download(target, source.data, bytes);
    const IndexReport report = stream.device().takeReport();
    if (!report.set) return nullptr;
    return std::make_shared<const Failure>(
        Failure{"ArgumentError",
                located(kOpNames[report.op], report.layer,
                        format("expected indices from 0 to %lld, received %lld",
                               static_cast<long long>(report.limit - 1), static_cast<long long>(report.index)))});
  } catch (...) {
    return failureOf("data");
  }
}

// Copies a block to host memory, which stays valid until `done` is called.
class ReadCommand final : public Command {
 public:
  ReadCommand(Owner& owner, Block* source, void* target, size_t bytes, Completion done)
      : Command(owner), source_(source), target_(target), bytes_(bytes), done_(std::move(done)) {}
  void run(Stream& stream) override { done_(download(stream, *source_, target_, bytes_)); }
  void drop() override {
    done_(std::make_shared<const Failure>(Failure{"DeviceError", "[data] the environment has ended"}));
  }

 private:
  Block* source_;
  void* target_;
  size_t bytes_;
  Completion done_;
};

class FenceCommand final : public Command {
 public:
  FenceCommand(Owner& owner, Completion done) : Command(owner), done_(std::move(done)) {}
  void run(Stream& stream) override {
    try {
      stream.device().finish();
      done_(owner().takeFailure());
    } catch (...) {
      done_(failureOf("synchronize"));
    }
  }
  void drop() override { done_(nullptr); }

 private:
  Completion done_;
};

class ReplayCommand final : public Command {
 public:
  ReplayCommand(Owner& owner, std::shared_ptr<Program> program, Block* arena, std::vector<Block*> inputs,
                std::vector<Block*> results)
      : Command(owner),
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
        program_->replay(stream, arena_, inputs_, results_);
      } catch (...) {
        failure = program_->failure();
      }
    }
    for (Block* result : results_) result->failure = failure;
    if (failure) owner().report(std::move(failure));
  }

 private:
  std::shared_ptr<Program> program_;
  Block* arena_;
  std::vector<Block*> inputs_, results_;
};

}  // namespace neurite
