// What belongs to one JavaScript environment.
#include "environment.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "check.h"

namespace neurite {

namespace {

// Reads numbers of the argument buffer one after the other.
class Reader {
 public:
  Reader(const double* at, const double* end) : at_(at), end_(end) {}
  double next() {
    NEURITE_CHECK(at_ < end_);
    return *at_++;
  }
  int64_t integer() { return static_cast<int64_t>(next()); }
  void read(double& value) { value = next(); }
  void read(int64_t& value) { value = integer(); }
  void read(bool& value) { value = next() != 0; }
  void read(Ints& list) {
    list.count = static_cast<int32_t>(integer());
    NEURITE_CHECK(list.count >= 0 && list.count <= 2 * kMaxRank);
    for (int i = 0; i < list.count; i++) list.values[i] = integer();
  }
  template <class E>
  requires std::is_enum_v<E>
  void read(E& value) { value = static_cast<E>(integer()); }
  // rank, dims …
  void readShape(Tensor& tensor) {
    tensor.rank = static_cast<int32_t>(integer());
    NEURITE_CHECK(tensor.rank >= 0 && tensor.rank <= kMaxRank);
    for (int i = 0; i < tensor.rank; i++) tensor.dims[i] = integer();
  }

 private:
  const double* at_;
  const double* end_;
};

union Attributes {
  char none;
#define OP(name, inputs, outputs, attrs) attributes::name name##_;
#include "ops.def"
#undef OP
  Attributes() : none(0) {}
};

struct OpInfo {
  int32_t inputs, outputs;
  size_t attributeBytes;
  void (*decode)(Reader&, void*);
};

template <class A> void decodeAttributes(Reader& reader, void* target) {
  auto* attributes = new (target) A;
  attributes->visit([&](auto& value) { reader.read(value); });
}

constexpr OpInfo kOpInfos[kOps] = {
#define OP(name, inputs, outputs, attrs)                                              \
  {inputs, outputs, std::is_empty_v<attributes::name> ? 0 : sizeof(attributes::name), \
   decodeAttributes<attributes::name>},
#include "ops.def"
#undef OP
};

// Runs an op; `blocks` are those of its operands, inputs then outputs. After a failure the outputs carry it to what depends on them; an op that
// writes in place leaves its targets as they were.
void runOp(Stream& stream, Owner& owner, const Call& call, Block* const* blocks) {
  Block* const* outputs = blocks + call.inputs;
  std::shared_ptr<const Failure> failure;
  for (int i = 0; i < call.inputs; i++)
    if (blocks[i] && blocks[i]->failure) failure = blocks[i]->failure;
  if (!failure) {
    try {
      stream.device().run(call);
    } catch (...) {
      failure = failureOf(kOpNames[static_cast<int>(call.op)]);
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

// Copies a block to host memory, which stays valid until `done` is called.
class ReadCommand final : public Command {
 public:
  ReadCommand(Owner& owner, Block* source, void* target, size_t bytes, Completion done)
      : Command(owner), source_(source), target_(target), bytes_(bytes), done_(std::move(done)) {}
  void run(Stream& stream) override { done_(read(stream)); }
  void drop() override {
    done_(std::make_shared<const Failure>(Failure{"DeviceError", "[data] the environment has ended"}));
  }

 private:
  std::shared_ptr<const Failure> read(Stream& stream) {
    if (source_->failure) return source_->failure;
    try {
      stream.device().download(target_, source_->data, bytes_);
      const IndexReport report = stream.device().takeReport();
      if (!report.set) return nullptr;
      return std::make_shared<const Failure>(Failure{
          "ArgumentError", format("[%s] expected indices from 0 to %lld, received %lld", kOpNames[report.op],
                                  static_cast<long long>(report.limit - 1), static_cast<long long>(report.index))});
    } catch (...) {
      return failureOf("data");
    }
  }

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
        failure = failureOf(program_->currentOp());
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

}  // namespace

// Completions wait here for the JavaScript thread. Shared with the commands, which may outlive the environment's promises.
struct Environment::Completions {
  std::function<void()> wake;
  std::mutex mutex;
  std::vector<std::pair<Completion, std::shared_ptr<const Failure>>> done;

  void add(Completion completion, std::shared_ptr<const Failure> failure) {
    {
      std::lock_guard lock(mutex);
      done.emplace_back(std::move(completion), std::move(failure));
    }
    wake();
  }
};

struct Environment::Recorder {
  uint64_t number;
  int device;
  std::shared_ptr<Program> program = std::make_shared<Program>();
  std::vector<int32_t> inputs;
  // Storages by buffer, each held by a reference until the recording ends: a block must not change its meaning meanwhile.
  std::vector<Storage*> storages;
};

struct Environment::Recorded {
  int device;
  std::shared_ptr<Program> program;
  std::vector<Storage*> held;  // externals
  std::vector<Block*> own;     // copies of inputs and results on a device with graphs
  // A result of a replay: a buffer of the program (a new block), an input, or an external, each with a shape of its own.
  struct Result {
    Program::Kind kind;
    int32_t index;
    Storage* external;
    Tensor tensor;
  };
  std::vector<Result> results;
  std::vector<size_t> resultBytes;  // of the results that are new blocks
};

Environment::Environment(std::function<void()> wake)
    : tensors_(deviceInfos().size()), streams_(deviceInfos().size()), completions_(std::make_shared<Completions>()) {
  completions_->wake = std::move(wake);
  slots_.emplace_back();  // slot 0 of generation 0 would be handle 0, which means "no tensor"
}

Environment::~Environment() {
  owner_.cancelled = true;
  for (Stream* stream : streams_)
    if (stream) stream->finish();
  abortRecording();
  while (!programs_.empty()) releaseProgram(programs_.begin()->first);
  for (Slot& slot : slots_)
    if (slot.storage) dropReference(slot.storage);
}

Slot& Environment::slot(double handle) {
  const auto bits = static_cast<uint64_t>(handle);
  const auto index = static_cast<uint32_t>(bits);
  if (index >= slots_.size() || !slots_[index].storage || slots_[index].generation != static_cast<uint32_t>(bits >> 32))
    fail("DisposedError", "the tensor has been disposed");
  return slots_[index];
}

Stream& Environment::streamOf(int device) {
  NEURITE_CHECK(device >= 0 && device < static_cast<int>(streams_.size()));
  Stream*& stream = streams_[static_cast<size_t>(device)];
  if (!stream) stream = &Stream::of(device);
  return *stream;
}

Storage* Environment::makeStorage(int device, size_t bytes) {
  Stream& stream = streamOf(device);
  auto* storage = new Storage;
  storage->stream = &stream;
  storage->device = device;
  storage->bytes = bytes;
  try {
    storage->block = stream.allocate(bytes);
  } catch (...) {
    delete storage;
    throw;
  }
  if (device == 0) externalBytes_ += static_cast<int64_t>(bytes);
  return storage;
}

void Environment::dropReference(Storage* storage) {
  if (--storage->references > 0) return;
  if (storage->device == 0) externalBytes_ -= static_cast<int64_t>(storage->bytes);
  storage->stream->allocator().free(storage->block);
  delete storage;
}

double Environment::makeHandle(Storage* storage, const Tensor& tensor) {
  if (freeSlots_.empty()) {
    freeSlots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = freeSlots_.back();
  freeSlots_.pop_back();
  Slot& slot = slots_[index];
  slot.storage = storage;
  slot.tensor = tensor;
  slot.tensor.data = storage->block->data;
  storage->references++;
  tensors_[static_cast<size_t>(storage->device)]++;
  return static_cast<double>(slot.generation) * 4294967296.0 + index;
}

void Environment::release(const double* handles, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Slot& released = slot(handles[i]);
    Storage* storage = released.storage;
    tensors_[static_cast<size_t>(storage->device)]--;
    released.storage = nullptr;
    released.generation = (released.generation + 1) & 0xfffff;  // handles stay below 2^53
    freeSlots_.push_back(static_cast<uint32_t>(&released - slots_.data()));
    dropReference(storage);
  }
}

void Environment::submit(double* buffer, size_t length) {
  Reader reader(buffer, buffer + length);
  const auto op = static_cast<Op>(reader.integer());
  NEURITE_CHECK(op < Op::count_);
  const OpInfo& info = kOpInfos[static_cast<int>(op)];
  const int device = static_cast<int>(reader.integer());
  const auto inputs = static_cast<int32_t>(reader.integer());
  NEURITE_CHECK(info.inputs == kAny ? inputs >= 0 && inputs <= 1 << 20 : inputs == info.inputs);

  // Kept between calls, so that an op costs one allocation: its command.
  static thread_local std::vector<Tensor> tensors;
  static thread_local std::vector<Block*> blocks;
  static thread_local std::vector<Storage*> storages;
  tensors.assign(static_cast<size_t>(inputs + info.outputs), Tensor{});
  blocks.assign(tensors.size(), nullptr);
  storages.assign(tensors.size(), nullptr);
  for (size_t i = 0; i < static_cast<size_t>(inputs); i++) {
    const double handle = reader.next();
    if (handle == 0) continue;
    const Slot& operand = slot(handle);
    NEURITE_CHECK(operand.storage->device == device);
    tensors[i] = operand.tensor;
    storages[i] = operand.storage;
    blocks[i] = operand.storage->block;
  }
  const int64_t outputs = reader.integer();
  NEURITE_CHECK(outputs == info.outputs);
  for (size_t i = static_cast<size_t>(inputs); i < tensors.size(); i++) {
    const int64_t dtype = reader.integer();
    NEURITE_CHECK(dtype >= 0 && dtype < kDTypes);
    tensors[i].dtype = static_cast<DType>(dtype);
    reader.readShape(tensors[i]);
  }
  Attributes attributes;
  info.decode(reader, &attributes);

  Stream& stream = streamOf(device);
  const auto first = static_cast<size_t>(inputs);
  try {
    for (size_t i = first; i < tensors.size(); i++) {
      storages[i] = makeStorage(device, tensors[i].bytes());
      blocks[i] = storages[i]->block;
      tensors[i].data = blocks[i]->data;
    }
  } catch (...) {
    for (size_t i = first; i < tensors.size() && storages[i]; i++) {
      storages[i]->references = 1;
      dropReference(storages[i]);
    }
    throw;
  }
  Call call;
  call.op = op;
  call.inputs = inputs;
  call.outputs = info.outputs;
  call.in = tensors.data();
  call.out = tensors.data() + inputs;
  call.attributes = &attributes;
  // Kernels never see a call whose outputs are all empty: there is nothing to compute, and a size of 0 is a divisor of 0 to many.
  bool empty = info.outputs > 0;
  for (size_t i = first; i < tensors.size(); i++) empty = empty && tensors[i].size() == 0;
  if (!empty && recorder_ && recorder_->device == device) {
    std::vector<int32_t> operands;
    for (size_t i = 0; i < tensors.size(); i++)
      operands.push_back(
          storages[i] ? recordedBuffer(storages[i], i < first ? Program::Kind::external : Program::Kind::temporary)
                      : Program::kAbsent);
    recorder_->program->addCommand(call, info.attributeBytes, operands);
  }
  // Bounds the time of any op on a CPU to a few microseconds, matrix products included.
  constexpr size_t kSmall = 64 << 10;
  size_t bytes = 0;
  for (const Block* block : blocks)
    if (block) bytes += block->bytes;
  const bool small = stream.device().hostAccessible() && bytes <= kSmall;
  if (!empty && (!small || !stream.tryRun([&] { runOp(stream, owner_, call, blocks.data()); })))
    stream.submit(OpCommand::make(owner_, call, blocks));
  for (size_t i = first; i < tensors.size(); i++) buffer[i - first] = makeHandle(storages[i], tensors[i]);
  afterSubmit(stream, buffer, static_cast<size_t>(outputs));
}

void Environment::afterSubmit(Stream& stream, const double* handles, size_t count) {
  if (!debugSync_) return;
  stream.finish();
  if (const auto failure = owner_.takeFailure()) {
    release(handles, count);
    throw Error(*failure);
  }
}

double Environment::upload(int device, DType dtype, const double* shape, const void* data, size_t bytes) {
  Tensor tensor;
  tensor.dtype = dtype;
  Reader(shape, shape + 1 + kMaxRank).readShape(tensor);
  NEURITE_CHECK(tensor.bytes() == bytes);
  Storage* storage = makeStorage(device, bytes);
  Stream& stream = *storage->stream;
  if (recorder_ && recorder_->device == device) recordedBuffer(storage, Program::Kind::external);
  if (stream.device().hostAccessible() && stream.idle()) {
    std::memcpy(storage->block->data, data, bytes);
    storage->block->failure.reset();
  } else {
    stream.submit(std::make_unique<UploadCommand>(owner_, storage->block, data, bytes));
  }
  return makeHandle(storage, tensor);
}

double Environment::view(double handle, const double* shape) {
  const Slot& source = slot(handle);
  Tensor tensor = source.tensor;
  Reader(shape, shape + 1 + kMaxRank).readShape(tensor);
  NEURITE_CHECK(tensor.size() == source.tensor.size());
  return makeHandle(source.storage, tensor);
}

double Environment::transfer(double handle, int device) {
  const Slot& source = slot(handle);
  const Tensor tensor = source.tensor;
  const size_t bytes = tensor.bytes();
  std::vector<char> host(bytes);
  readSync(handle, host.data(), bytes);
  double shape[1 + kMaxRank] = {static_cast<double>(tensor.rank)};
  for (int i = 0; i < tensor.rank; i++) shape[1 + i] = static_cast<double>(tensor.dims[i]);
  return upload(device, tensor.dtype, shape, host.data(), bytes);
}

void Environment::read(double handle, void* target, size_t bytes, Completion done) {
  const Slot& source = slot(handle);
  NEURITE_CHECK(source.tensor.bytes() == bytes);
  auto finished = [completions = completions_, done = std::move(done)](std::shared_ptr<const Failure> failure) {
    completions->add(done, std::move(failure));
  };
  submitRead(*source.storage->stream,
             std::make_unique<ReadCommand>(owner_, source.storage->block, target, bytes, std::move(finished)), bytes);
}

// What is there already is copied at once, if that is quick; a device that works by itself is never waited for here.
void Environment::submitRead(Stream& stream, std::unique_ptr<Command> command, size_t bytes) {
  constexpr size_t kQuick = 64 << 10;
  if (stream.device().hostAccessible() && bytes <= kQuick) return stream.submitOrRun(std::move(command));
  stream.submit(std::move(command));
}

void Environment::readSync(double handle, void* target, size_t bytes) {
  const Slot& source = slot(handle);
  NEURITE_CHECK(source.tensor.bytes() == bytes);
  struct Outcome {
    std::atomic<uint32_t> done{0};
    std::shared_ptr<const Failure> failure;
  };
  const auto outcome = std::make_shared<Outcome>();
  source.storage->stream->submitOrRun(std::make_unique<ReadCommand>(owner_, source.storage->block, target, bytes,
                                                                    [outcome](std::shared_ptr<const Failure> failure) {
                                                                      outcome->failure = std::move(failure);
                                                                      outcome->done.store(1);
                                                                      outcome->done.notify_one();
                                                                    }));
  outcome->done.wait(0);
  if (outcome->failure) throw Error(*outcome->failure);
}

void Environment::synchronize(int device, Completion done) {
  Stream& stream = streamOf(device);
  auto finished = [completions = completions_, done = std::move(done)](std::shared_ptr<const Failure> failure) {
    completions->add(done, std::move(failure));
  };
  submitRead(stream, std::make_unique<FenceCommand>(owner_, std::move(finished)), 0);
}

void Environment::runCompletions() {
  std::vector<std::pair<Completion, std::shared_ptr<const Failure>>> done;
  {
    std::lock_guard lock(completions_->mutex);
    done.swap(completions_->done);
  }
  for (auto& [completion, failure] : done) completion(std::move(failure));
}

int32_t Environment::recordedBuffer(Storage* storage, Program::Kind kindIfNew) {
  if (storage->recording == recorder_->number) return storage->buffer;
  storage->recording = recorder_->number;
  storage->buffer = recorder_->program->addBuffer(kindIfNew, storage->bytes, storage->block);
  storage->references++;
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
    if (buffer.kind == Program::Kind::temporary && storage->references > 1) buffer.kind = Program::Kind::external;
    if (buffer.kind == Program::Kind::external) {
      recorded->held.push_back(storage);
    } else {
      dropReference(storage);
    }
  }
  recorder.storages.clear();
  program.finish(recorder.inputs, fresh);
  recorder_.reset();
  try {
    stream.growArena(program.arenaBytes());
    if (stream.device().hasGraphs())
      for (const auto& list : {program.inputs(), program.results()})
        for (const int32_t index : list) {
          recorded->own.push_back(stream.allocate(program.buffer(index).bytes));
          program.buffer(index).block = recorded->own.back();
        }
  } catch (...) {
    for (Storage* storage : recorded->held) dropReference(storage);
    for (Block* block : recorded->own) stream.allocator().free(block);
    throw;
  }
  programs_[nextProgram_] = std::move(recorded);
  return nextProgram_++;
}

void Environment::abortRecording() {
  if (!recorder_) return;
  for (Storage* storage : recorder_->storages) dropReference(storage);
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
  {
    std::lock_guard lock(stream.arenaMutex);
    stream.submit(std::make_unique<ReplayCommand>(owner_, recorded.program, stream.arena, std::move(inputBlocks),
                                                  std::move(resultBlocks)));
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
  for (Block* block : recorded.own) streamOf(recorded.device).allocator().free(block);
  programs_.erase(found);
}

size_t Environment::tensors(int device) const { return tensors_[static_cast<size_t>(device)]; }

int64_t Environment::takeExternalBytes() {
  constexpr int64_t kWorthTelling = int64_t{4} << 20;
  if (externalBytes_ < kWorthTelling && externalBytes_ > -kWorthTelling) return 0;
  return std::exchange(externalBytes_, 0);
}

}  // namespace neurite
