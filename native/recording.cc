// Recording what an environment submits into a program, and replaying it.
#include "recording.h"

#include <algorithm>

#include "check.h"
#include "commands.h"

namespace neurite {

int32_t Environment::recordedBuffer(Storage* storage, Program::Kind kindIfNew) {
  if (storage->recording == recorder_->number) return storage->buffer;
  storage->recording = recorder_->number;
  storage->buffer = recorder_->program->addBuffer(kindIfNew, storage->bytes, storage->block);
  if (kindIfNew != Program::Kind::temporary) storage->references++;
  recorder_->storages.push_back(storage);
  return storage->buffer;
}

void Environment::beginRecording(int device, const double* inputs, size_t count) {
  NEURITE_CHECK(!recorder_);
  auto recorder = std::make_unique<Recorder>();
  recorder->number = ++recordings_;
  recorder->device = device;
  recorder_ = std::move(recorder);
  for (size_t i = 0; i < count; i++) {
    Storage* storage = slot(inputs[i]).storage;
    NEURITE_CHECK(storage->device == device);
    recorder_->inputs.push_back(recordedBuffer(storage, Program::Kind::input));
  }
}

int Environment::endRecording(const double* results, size_t count) {
  NEURITE_CHECK(recorder_);
  Recorder& recorder = *recorder_;
  Program& program = *recorder.program;
  Stream& stream = streamOf(recorder.device);
  auto recorded = std::make_unique<Recorded>();
  recorded->device = recorder.device;
  recorded->program = recorder.program;

  std::vector<int32_t> fresh;  // buffers of results that are new blocks
  for (size_t i = 0; i < count; i++) {
    const Slot& result = slot(results[i]);
    Storage* storage = result.storage;
    const int32_t index = recordedBuffer(storage, Program::Kind::external);
    Program::Buffer& buffer = program.buffer(index);
    if (buffer.kind == Program::Kind::temporary) buffer.kind = Program::Kind::result;
    Recorded::Result entry{buffer.kind, index, nullptr, result.tensor};
    if (buffer.kind == Program::Kind::input) {
      entry.index = static_cast<int32_t>(std::find(recorder.inputs.begin(), recorder.inputs.end(), index) -
                                         recorder.inputs.begin());
    } else if (buffer.kind == Program::Kind::external) {
      entry.external = storage;
    } else {
      const auto at = std::find(fresh.begin(), fresh.end(), index);
      entry.index = static_cast<int32_t>(at - fresh.begin());
      if (at == fresh.end()) {
        fresh.push_back(index);
        recorded->resultBytes.push_back(buffer.bytes);
      }
    }
    recorded->results.push_back(entry);
  }
  // What was made while recording and is still alive without being a result belongs to a closure: it keeps its memory.
  for (size_t i = 0; i < recorder.storages.size(); i++) {
    Storage* storage = recorder.storages[i];
    Program::Buffer& buffer = program.buffer(static_cast<int32_t>(i));
    if (buffer.kind == Program::Kind::temporary && storage) {
      buffer.kind = Program::Kind::external;
      storage->references++;
    }
    if (buffer.kind == Program::Kind::external) {
      recorded->held.push_back(storage);
    } else if (buffer.kind == Program::Kind::input) {
      dropReference(storage);
    }
  }
  recorder.storages.clear();
  program.finish(recorder.inputs, fresh);
  recorder_.reset();
  try {
    if (stream.device().hasGraphs())
      for (const auto& list : {program.inputs(), program.results()})
        for (const int32_t index : list) {
          recorded->own.push_back(stream.allocate(program.buffer(index).bytes));
          program.buffer(index).block = recorded->own.back();
        }
    if (program.keptBytes() > 0) {
      recorded->own.push_back(stream.allocate(program.keptBytes()));
      program.setKept(recorded->own.back());
    }
    stream.growArena(program.arenaBytes());
  } catch (...) {
    for (Storage* storage : recorded->held) dropReference(storage);
    for (Block* block : recorded->own) stream.free(block);
    throw;
  }
  programs_[nextProgram_] = std::move(recorded);
  return nextProgram_++;
}

void Environment::abortRecording() {
  if (!recorder_) return;
  for (size_t i = 0; i < recorder_->storages.size(); i++) {
    const Program::Kind kind = recorder_->program->buffer(static_cast<int32_t>(i)).kind;
    if (kind == Program::Kind::input || kind == Program::Kind::external) dropReference(recorder_->storages[i]);
  }
  recorder_.reset();
}

void Environment::replay(int number, double* buffer, size_t inputs) {
  const auto found = programs_.find(number);
  NEURITE_CHECK(found != programs_.end());
  Recorded& recorded = *found->second;
  NEURITE_CHECK(inputs == recorded.program->inputs().size());
  Stream& stream = streamOf(recorded.device);
  std::vector<Storage*> inputStorages;
  std::vector<Block*> inputBlocks;
  for (size_t i = 0; i < inputs; i++) {
    Storage* storage = slot(buffer[i]).storage;
    NEURITE_CHECK(storage->device == recorded.device);
    inputStorages.push_back(storage);
    inputBlocks.push_back(storage->block);
  }
  std::vector<Storage*> fresh;
  std::vector<Block*> resultBlocks;
  try {
    for (const size_t bytes : recorded.resultBytes) {
      fresh.push_back(makeStorage(recorded.device, bytes));
      resultBlocks.push_back(fresh.back()->block);
    }
  } catch (...) {
    for (Storage* storage : fresh) {
      storage->references = 1;
      dropReference(storage);
    }
    throw;
  }
  // A program that gives results (a prediction) and is over sooner than two threads are woken, the stream's and this one again, runs at once: on a
  // virtual machine a thread that sleeps for some milliseconds takes about 100 µs to wake. One without results (a step of fit) is one of many: it leaves
  // the JavaScript thread free.
  constexpr int64_t kQuick = 200'000;
  const bool quick =
      stream.device().hostAccessible() && !recorded.results.empty() && recorded.program->lastTime() < kQuick;
  {
    std::lock_guard lock(stream.arenaMutex);
    auto command = std::make_unique<ReplayCommand>(origin_, recorded.program, stream.arena, std::move(inputBlocks),
                                                   std::move(resultBlocks));
    if (quick) {
      stream.submitOrRun(std::move(command));
    } else {
      stream.submit(std::move(command));
    }
  }
  for (size_t i = 0; i < recorded.results.size(); i++) {
    const Recorded::Result& result = recorded.results[i];
    Storage* storage = result.kind == Program::Kind::input      ? inputStorages[static_cast<size_t>(result.index)]
                       : result.kind == Program::Kind::external ? result.external
                                                                : fresh[static_cast<size_t>(result.index)];
    buffer[i] = makeHandle(storage, result.tensor);
  }
  afterSubmit(stream, buffer, recorded.results.size());
}

void Environment::releaseProgram(int number) {
  const auto found = programs_.find(number);
  if (found == programs_.end()) return;
  Recorded& recorded = *found->second;
  for (Storage* storage : recorded.held) dropReference(storage);
  Stream& stream = streamOf(recorded.device);
  for (Block* block : recorded.own) stream.free(block);
  stream.shrinkArena(recorded.program->arenaBytes());
  programs_.erase(found);
}

}  // namespace neurite
