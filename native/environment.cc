// What belongs to one JavaScript environment: handles, ops, copies, promises. Programs are in recording.cc.
#include "environment.h"

#include <cstring>

#include "check.h"
#include "commands.h"
#include "decode.h"
#include "recording.h"

namespace neurite {

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

Environment::Environment(std::function<void()> wake) : completions_(std::make_shared<Completions>()) {
  completions_->wake = std::move(wake);
  slots_.emplace_back();  // slot 0 of generation 0 would be handle 0, which means "no tensor"
}

Environment::~Environment() {
  owner_.cancelled = true;
  for (Stream* stream : streams_)
    if (stream) stream->finish(owner_);
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
  if (streams_.empty()) {  // devices are probed at first use, never when the addon is loaded
    streams_.resize(deviceInfos().size());
    tensors_.resize(deviceInfos().size());
  }
  NEURITE_CHECK(device >= 0 && device < static_cast<int>(streams_.size()));
  Stream*& stream = streams_[static_cast<size_t>(device)];
  if (!stream) stream = &Stream::of(device);
  return *stream;
}

Storage* Environment::makeStorage(int device, size_t bytes, Block* block) {
  Stream& stream = streamOf(device);
  auto* storage = new Storage;
  storage->stream = &stream;
  storage->device = device;
  storage->bytes = bytes;
  try {
    storage->block = block ? block : stream.allocate(bytes);
  } catch (...) {
    delete storage;
    throw;
  }
  if (device == 0) externalBytes_ += static_cast<int64_t>(bytes);
  return storage;
}

void Environment::dropReference(Storage* storage) {
  if (--storage->references > 0) return;
  if (recorder_ && storage->recording == recorder_->number)
    recorder_->storages[static_cast<size_t>(storage->buffer)] = nullptr;
  if (storage->device == 0) externalBytes_ -= static_cast<int64_t>(storage->bytes);
  storage->stream->free(storage->block);
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
  const auto layer = static_cast<int32_t>(reader.integer());
  const auto inputs = static_cast<int32_t>(reader.integer());
  NEURITE_CHECK(info.inputs == kAny ? inputs >= 0 && inputs <= 1 << 20 : inputs == info.inputs);

  // Kept between calls, so that an op costs one allocation: its command.
  static thread_local std::vector<Tensor> tensors;
  static thread_local std::vector<Block*> blocks;
  static thread_local std::vector<Storage*> storages;
  const auto first = static_cast<size_t>(inputs);  // output
  tensors.assign(first, Tensor{});
  blocks.assign(first, nullptr);
  storages.assign(first, nullptr);
  for (size_t i = 0; i < first; i++) {
    const double handle = reader.next();
    if (handle == 0) continue;
    const Slot& operand = slot(handle);
    NEURITE_CHECK(operand.storage->device == device);
    tensors[i] = operand.tensor;
    storages[i] = operand.storage;
    blocks[i] = operand.storage->block;
  }
  const auto outputs = static_cast<int32_t>(reader.integer());
  NEURITE_CHECK(info.outputs == kAny ? outputs >= 0 && outputs <= 16 : outputs == info.outputs);
  tensors.resize(first + static_cast<size_t>(outputs));
  blocks.resize(tensors.size());
  storages.resize(tensors.size());
  for (size_t i = first; i < tensors.size(); i++) {
    const int64_t dtype = reader.integer();
    NEURITE_CHECK(dtype >= 0 && dtype < kDTypes);
    tensors[i].dtype = static_cast<DType>(dtype);
    reader.readShape(tensors[i]);
  }
  Attributes attributes;
  info.decode(reader, &attributes);

  Stream& stream = streamOf(device);
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
  call.outputs = outputs;
  call.layer = layer;
  call.in = tensors.data();
  call.out = tensors.data() + inputs;
  call.attributes = &attributes;
  bool empty = outputs > 0;
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
  if (!small || !stream.tryRun([&] { runOp(stream, origin_, call, blocks.data()); }))
    stream.submit(OpCommand::make(origin_, call, blocks));
  for (size_t i = first; i < tensors.size(); i++) buffer[i - first] = makeHandle(storages[i], tensors[i]);
  afterSubmit(stream, buffer, static_cast<size_t>(outputs));
}

// Blocks until the command that `make` makes of a completion has run; gives its failure.
template <class Make> static std::shared_ptr<const Failure> waitFor(Stream& stream, Make&& make) {
  struct Outcome {
    std::atomic<uint32_t> done{0};
    std::shared_ptr<const Failure> failure;
  };
  const auto outcome = std::make_shared<Outcome>();
  stream.submitOrRun(make([outcome](std::shared_ptr<const Failure> failure) {
    outcome->failure = std::move(failure);
    outcome->done.store(1);
    outcome->done.notify_one();
  }));
  outcome->done.wait(0);
  return outcome->failure;
}

void Environment::afterSubmit(Stream& stream, const double* handles, size_t count) {
  if (!debugSync_) return;
  const auto failure =
      waitFor(stream, [&](Completion done) { return std::make_unique<WaitCommand>(origin_, std::move(done)); });
  if (!failure) return;
  release(handles, count);
  throw Error(*failure);
}

double Environment::upload(int device, DType dtype, const double* shape, const void* data, size_t bytes) {
  Tensor tensor;
  tensor.dtype = dtype;
  Reader(shape, shape + 1 + kMaxRank).readShape(tensor);
  NEURITE_CHECK(tensor.bytes() == bytes);
  Stream& stream = streamOf(device);
  Block* unused = stream.device().hostAccessible() ? stream.allocateUnused(bytes) : nullptr;
  Storage* storage = makeStorage(device, bytes, unused);
  if (recorder_ && recorder_->device == device) recordedBuffer(storage, Program::Kind::external);
  if (unused) {
    if (bytes) std::memcpy(unused->data, data, bytes);
    unused->failure.reset();
    if (!stream.idle()) stream.submit(std::make_unique<WrittenCommand>(origin_, bytes));
  } else {
    stream.submit(std::make_unique<UploadCommand>(origin_, storage->block, data, bytes));
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
  Stream& from = *source.storage->stream;
  Block* sourceBlock = source.storage->block;
  Stream& to = streamOf(device);
  NEURITE_CHECK(&from != &to);
  auto transfer = std::make_shared<Transfer>();
  transfer->bytes = tensor.bytes();
  transfer->data.reset(new char[transfer->bytes]);
  Storage* storage = makeStorage(device, transfer->bytes);
  from.submit(std::make_unique<TransferOutCommand>(origin_, sourceBlock, transfer));
  to.submit(std::make_unique<TransferInCommand>(origin_, storage->block, std::move(transfer)));
  double result = makeHandle(storage, tensor);
  afterSubmit(to, &result, 1);
  return result;
}

// Whether a copy of so many bytes is over sooner than another thread is woken; a device that works by itself is never waited for on this thread.
static bool isQuick(Stream& stream, size_t bytes) {
  constexpr size_t kQuick = 64 << 10;
  return stream.device().hostAccessible() && bytes <= kQuick;
}

Block* Environment::readable(double handle, size_t bytes, Stream** stream) {
  const Slot& source = slot(handle);
  NEURITE_CHECK(source.tensor.bytes() == bytes);
  *stream = source.storage->stream;
  return source.storage->block;
}

bool Environment::readNow(double handle, void* target, size_t bytes) {
  Stream* stream;
  Block* source = readable(handle, bytes, &stream);
  std::shared_ptr<const Failure> failure;
  if (!isQuick(*stream, bytes) ||
      !stream->tryRun([&] { failure = download(*stream, origin_, *source, target, bytes); }))
    return false;
  if (failure) throw Error(*failure);
  return true;
}

void Environment::read(double handle, void* target, size_t bytes, Completion done) {
  Stream* stream;
  Block* source = readable(handle, bytes, &stream);
  stream->submit(std::make_unique<ReadCommand>(origin_, source, target, bytes, later(std::move(done))));
}

void Environment::readSync(double handle, void* target, size_t bytes) {
  Stream* stream;
  Block* source = readable(handle, bytes, &stream);
  const auto failure = waitFor(*stream, [&](Completion done) {
    return std::make_unique<ReadCommand>(origin_, source, target, bytes, std::move(done));
  });
  if (failure) throw Error(*failure);
}

bool Environment::synchronizeNow(int device, int run) {
  Stream& stream = streamOf(device);
  std::shared_ptr<const Failure> failure;
  if (!isQuick(stream, 0) || !stream.tryRun([&] { failure = settle(stream, {&owner_, run}); })) return false;
  if (failure) throw Error(*failure);
  return true;
}

void Environment::synchronize(int device, int run, Completion done) {
  streamOf(device).submit(std::make_unique<WaitCommand>(Origin{&owner_, run}, later(std::move(done))));
}

Completion Environment::later(Completion done) {
  return [completions = completions_, done = std::move(done)](std::shared_ptr<const Failure> failure) {
    completions->add(done, std::move(failure));
  };
}

void Environment::runCompletions() {
  std::vector<std::pair<Completion, std::shared_ptr<const Failure>>> done;
  {
    std::lock_guard lock(completions_->mutex);
    done.swap(completions_->done);
  }
  for (auto& [completion, failure] : done) completion(std::move(failure));
}

size_t Environment::tensors(int device) const { return tensors_.empty() ? 0 : tensors_[static_cast<size_t>(device)]; }

int64_t Environment::takeExternalBytes() {
  constexpr int64_t kWorthTelling = int64_t{4} << 20;
  if (externalBytes_ < kWorthTelling && externalBytes_ > -kWorthTelling) return 0;
  return std::exchange(externalBytes_, 0);
}

}  // namespace neurite
