// A recorded training step.
#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <set>
#include <utility>

#include "check.h"
#include "failure.h"

namespace neurite {

int32_t Program::addBuffer(Kind kind, size_t bytes, Block* block) {
  buffers_.push_back({kind, bytes, block});
  return static_cast<int32_t>(buffers_.size()) - 1;
}

void Program::addCommand(const Call& call, size_t attributeBytes, const std::vector<int32_t>& operands) {
  NEURITE_CHECK(operands.size() == static_cast<size_t>(call.inputs + call.outputs));
  const auto index = static_cast<int32_t>(calls_.size());
  calls_.push_back(call);
  tensors_.insert(tensors_.end(), call.in, call.in + call.inputs);
  tensors_.insert(tensors_.end(), call.out, call.out + call.outputs);
  operands_.insert(operands_.end(), operands.begin(), operands.end());
  attributeAt_.push_back(attributes_.size());
  attributes_.resize(attributes_.size() + (attributeBytes + sizeof(double) - 1) / sizeof(double));
  if (attributeBytes) std::memcpy(attributes_.data() + attributeAt_.back(), call.attributes, attributeBytes);
  const bool inPlace = writesInPlace(call);
  for (const int32_t operand : operands) {
    if (operand == kAbsent) continue;
    Buffer& used = buffer(operand);
    if (inPlace) used.written = true;
    if (used.first < 0) used.first = index;
    used.last = index;
  }
}

// Places the buffers of a kind, largest first, each at the lowest offset where nothing that lives at the same time is. Returns the bytes needed.
static size_t place(std::vector<Program::Buffer>& buffers, Program::Kind kind) {
  constexpr size_t kAlignment = 256;
  std::vector<Program::Buffer*> order;
  for (auto& buffer : buffers)
    if (buffer.kind == kind && buffer.first >= 0) order.push_back(&buffer);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->bytes > b->bytes; });
  size_t total = 0;
  std::vector<Program::Buffer*> placed;  // by offset
  for (auto* buffer : order) {
    const size_t bytes = (buffer->bytes + kAlignment - 1) / kAlignment * kAlignment;
    size_t offset = 0;
    for (auto* other : placed) {
      if (other->last < buffer->first || other->first > buffer->last) continue;
      if (offset + bytes <= other->offset) break;
      offset = std::max(offset, other->offset + (other->bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    buffer->offset = offset;
    total = std::max(total, offset + bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), buffer, [](auto* a, auto* b) { return a->offset < b->offset; }),
        buffer);
  }
  return total;
}

// Whether it tells of indices that are out of range, every time that it runs.
static bool reportsIndices(Op op) {
  return op == Op::gather || op == Op::scatterAdd || op == Op::sparseSoftmaxCrossEntropy ||
         op == Op::sparseSoftmaxCrossEntropyGrad;
}

void Program::findKept() {
  for (size_t i = 0, operand = 0; i < calls_.size(); i++) {
    for (int32_t j = 0; j < calls_[i].inputs + calls_[i].outputs; j++, operand++) {
      const int32_t index = operands_[operand];
      if (j >= calls_[i].inputs && buffer(index).kind == Kind::external) buffer(index).written = true;
    }
  }
  const auto stays = [&](int32_t index) {
    return index == kAbsent || buffer(index).kind == Kind::kept ||
           (buffer(index).kind == Kind::external && !buffer(index).written);
  };
  std::set<const Block*> read;
  const auto depend = [&](int32_t index) {
    if (index != kAbsent && buffer(index).kind == Kind::external) read.insert(buffer(index).block);
  };
  for (size_t i = 0, operand = 0; i < calls_.size(); i++) {
    Call& call = calls_[i];
    const int32_t* in = operands_.data() + operand;
    const int32_t* out = in + call.inputs;
    const int32_t* end = out + call.outputs;
    operand += static_cast<size_t>(end - in);
    const bool keeps =
        !writesInPlace(call) && !reportsIndices(call.op) && std::all_of(in, out, stays) &&
        std::all_of(out, end, [&](int32_t o) { return buffer(o).kind == Kind::temporary && !buffer(o).written; });
    (keeps ? keptCommands_ : replayedCommands_).push_back(i);
    if (keeps) {
      std::for_each(in, out, depend);
      for (; out != end; out++) buffer(*out).kind = Kind::kept;
      continue;
    }
    for (; in != out; in++)
      if (*in != kAbsent && buffer(*in).kind == Kind::kept) buffer(*in).last = INT32_MAX;
    if (call.inputs > 1 && *(out - call.inputs + 1) != kAbsent && stays(*(out - call.inputs + 1))) {
      depend(*(out - call.inputs + 1));
      call.kept = &keptByKernels_.emplace_back();
    }
  }
  for (const Block* block : read) dependencies_.push_back({block, 0});
  for (const Buffer& used : buffers_)
    if (used.kind == Kind::external && used.written) written_.push_back(used.block);
}

void Program::finish(std::vector<int32_t> inputs, std::vector<int32_t> results) {
  inputs_ = std::move(inputs);
  results_ = std::move(results);
  findKept();
  arenaBytes_ = place(buffers_, Kind::temporary);
  keptBytes_ = place(buffers_, Kind::kept);
  size_t tensor = 0;
  for (size_t i = 0; i < calls_.size(); i++) {
    Call& call = calls_[i];
    call.in = tensors_.data() + tensor;
    call.out = call.in + call.inputs;
    call.attributes = attributes_.data() + attributeAt_[i];
    tensor += static_cast<size_t>(call.inputs + call.outputs);
  }
  for (size_t i = 0; i < tensors_.size(); i++) {
    if (operands_[i] == kAbsent) continue;
    const Buffer& used = buffer(operands_[i]);
    if (used.kind == Kind::input || used.kind == Kind::result) slots_.emplace_back(i, operands_[i]);
  }
}

void Program::bind(Block* arena, const std::vector<Block*>& inputs, const std::vector<Block*>& results) {
  for (size_t i = 0; i < inputs.size(); i++) buffer(inputs_[i]).block = inputs[i];
  for (size_t i = 0; i < results.size(); i++) buffer(results_[i]).block = results[i];
  for (const auto& [tensor, used] : slots_) tensors_[tensor].data = buffer(used).block->data;
  void* base = arena ? arena->data : nullptr;
  void* const kept = keptBlock_ ? keptBlock_->data : nullptr;
  if (bound_ && base == boundArena_) return;
  for (size_t i = 0; i < tensors_.size(); i++) {
    if (operands_[i] == kAbsent) continue;
    const Buffer& used = buffer(operands_[i]);
    if (used.kind == Kind::external) tensors_[i].data = used.block->data;
    if (used.kind == Kind::temporary) tensors_[i].data = static_cast<char*>(base) + used.offset;
    if (used.kind == Kind::kept) tensors_[i].data = static_cast<char*>(kept) + used.offset;
  }
  boundArena_ = base;
  bound_ = true;
  graph_.reset();
}

void Program::run(Device& device, int reporter, const std::vector<size_t>& commands) {
  for (const size_t command : commands) {
    current_ = command;
    device.run(calls_[command], reporter);
  }
  current_ = 0;
}

// Runs the commands whose results are kept, if what they depend on has been written since. On a device with graphs this is in front of the graph.
void Program::refresh(Device& device, int reporter) {
  const auto isOld = [](const Dependency& d) { return d.version != d.block->version; };
  if (fresh_ && std::none_of(dependencies_.begin(), dependencies_.end(), isOld)) return;
  fresh_ = false;
  for (Dependency& d : dependencies_) d.version = d.block->version;
  for (Kept& kept : keptByKernels_) kept.ready = false;
  run(device, reporter, keptCommands_);
  fresh_ = true;
}

std::shared_ptr<const Failure> Program::failure() const {
  const Call& call = calls_[current_];
  return failureOf(kOpNames[static_cast<int>(call.op)], call.layer);
}

void Program::replay(Stream& stream, int reporter, Block* arena, const std::vector<Block*>& inputs,
                     const std::vector<Block*>& results) {
  Device& device = stream.device();
  if (calls_.empty()) return;
  for (Block* block : written_) block->version++;
  for (size_t i = 0; i < inputs.size(); i++)
    if (buffer(inputs_[i]).written) inputs[i]->version++;
  if (!device.hasGraphs()) {
    const auto begin = std::chrono::steady_clock::now();
    bind(arena, inputs, results);
    refresh(device, reporter);
    run(device, reporter, replayedCommands_);
    const int64_t time = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
    lastTime_.store(std::min(time, std::exchange(previousTime_, time)), std::memory_order_relaxed);
    return;
  }
  // A graph's pointers are fixed: inputs and results are the program's own blocks, copied around the launch.
  std::vector<Block*> ownInputs, ownResults;
  for (const int32_t index : inputs_) ownInputs.push_back(buffer(index).block);
  for (const int32_t index : results_) ownResults.push_back(buffer(index).block);
  bind(arena, ownInputs, ownResults);
  refresh(device, reporter);
  for (size_t i = 0; i < inputs.size(); i++) device.copy(ownInputs[i]->data, inputs[i]->data, buffer(inputs_[i]).bytes);
  if (!graph_) graph_ = device.record([this, &device, reporter] { run(device, reporter, replayedCommands_); });
  graph_->launch();
  for (size_t i = 0; i < inputs.size(); i++)
    if (buffer(inputs_[i]).written) device.copy(inputs[i]->data, ownInputs[i]->data, buffer(inputs_[i]).bytes);
  for (size_t i = 0; i < results.size(); i++)
    device.copy(results[i]->data, ownResults[i]->data, buffer(results_[i]).bytes);
}

}  // namespace neurite
