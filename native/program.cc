// A recorded training step.
#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>

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
  const bool inPlace = call.outputs == 0 || call.op == Op::advanceRandom;
  for (const int32_t operand : operands) {
    if (operand == kAbsent) continue;
    Buffer& used = buffer(operand);
    if (inPlace) used.written = true;
    if (used.first < 0) used.first = index;
    used.last = index;
  }
}

// Places the temporaries, largest first, each at the lowest offset where nothing that lives at the same time is. Returns the bytes needed.
static size_t placeTemporaries(std::vector<Program::Buffer>& buffers) {
  constexpr size_t kAlignment = 256;
  std::vector<Program::Buffer*> order;
  for (auto& buffer : buffers)
    if (buffer.kind == Program::Kind::temporary && buffer.first >= 0) order.push_back(&buffer);
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

void Program::finish(std::vector<int32_t> inputs, std::vector<int32_t> results) {
  inputs_ = std::move(inputs);
  results_ = std::move(results);
  arenaBytes_ = placeTemporaries(buffers_);
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
  if (bound_ && base == boundArena_) return;
  for (size_t i = 0; i < tensors_.size(); i++) {
    if (operands_[i] == kAbsent) continue;
    const Buffer& used = buffer(operands_[i]);
    if (used.kind == Kind::external) tensors_[i].data = used.block->data;
    if (used.kind == Kind::temporary) tensors_[i].data = static_cast<char*>(base) + used.offset;
  }
  boundArena_ = base;
  bound_ = true;
  graph_.reset();
}

void Program::runAll(Device& device, int reporter) {
  for (current_ = 0; current_ < calls_.size(); current_++) device.run(calls_[current_], reporter);
  current_ = 0;
}

std::shared_ptr<const Failure> Program::failure() const {
  const Call& call = calls_[current_];
  return failureOf(kOpNames[static_cast<int>(call.op)], call.layer);
}

void Program::replay(Stream& stream, int reporter, Block* arena, const std::vector<Block*>& inputs,
                     const std::vector<Block*>& results) {
  Device& device = stream.device();
  if (calls_.empty()) return;
  if (!device.hasGraphs()) {
    const auto begin = std::chrono::steady_clock::now();
    bind(arena, inputs, results);
    runAll(device, reporter);
    lastTime_.store(std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count(),
                    std::memory_order_relaxed);
    return;
  }
  // A graph's pointers are fixed: inputs and results are the program's own blocks, copied around the launch.
  std::vector<Block*> ownInputs, ownResults;
  for (const int32_t index : inputs_) ownInputs.push_back(buffer(index).block);
  for (const int32_t index : results_) ownResults.push_back(buffer(index).block);
  bind(arena, ownInputs, ownResults);
  for (size_t i = 0; i < inputs.size(); i++) device.copy(ownInputs[i]->data, inputs[i]->data, buffer(inputs_[i]).bytes);
  if (!graph_) graph_ = device.record([this, &device, reporter] { runAll(device, reporter); });
  graph_->launch();
  for (size_t i = 0; i < inputs.size(); i++)
    if (buffer(inputs_[i]).written) device.copy(inputs[i]->data, ownInputs[i]->data, buffer(inputs_[i]).bytes);
  for (size_t i = 0; i < results.size(); i++)
    device.copy(results[i]->data, ownResults[i]->data, buffer(results_[i]).bytes);
}

}  // namespace neurite
