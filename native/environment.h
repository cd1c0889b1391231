// What belongs to one JavaScript environment (the main thread or a worker): tensor handles, programs, and promises that wait.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "commands.h"
#include "program.h"
#include "stream.h"

namespace neurite {

// Memory that one or more handles show. Counted on the JavaScript thread only.
struct Storage {
  Stream* stream = nullptr;
  int device = 0;
  Block* block = nullptr;
  size_t bytes = 0;
  int32_t references = 0;
  // Its buffer in the program that is being recorded, if `recording` is the recorder's number.
  uint64_t recording = 0;
  int32_t buffer = 0;
};

// A tensor as JavaScript knows it by its handle: generation * 2^32 + slot.
struct Slot {
  Storage* storage = nullptr;
  Tensor tensor;
  uint32_t generation = 0;
};

class Environment {
 public:
  // `wake` is called from any thread when completions wait for runCompletions().
  explicit Environment(std::function<void()> wake);
  // Drops what is queued, waits for what runs, frees everything.
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // The functions of lib/native.ts. `buffer` is the argument buffer, `length` how many numbers it holds.
  void submit(double* buffer, size_t length);
  double upload(int device, DType dtype, const double* shape, const void* data, size_t bytes);
  double view(double handle, const double* shape);
  void release(const double* handles, size_t count);
  double transfer(double handle, int device);
  // Reads at once if everything before has run and the copy is quick; false if not: then read(). Throws what has failed.
  bool readNow(double handle, void* target, size_t bytes);
  // `target` stays valid until `done` is called, by runCompletions().
  void read(double handle, void* target, size_t bytes, Completion done);
  void readSync(double handle, void* target, size_t bytes);
  // True if everything has run; false if not: then synchronize(). Throws what has failed in the run.
  bool synchronizeNow(int device, int run);
  void synchronize(int device, int run, Completion done);
  // Runs: work whose failures are kept apart.
  int beginRun() { return owner_.beginRun(); }
  void setRun(int run) { origin_.run = run; }
  void endRun(int run) { owner_.endRun(run); }

  void beginRecording(int device, const double* inputs, size_t count);
  int endRecording(const double* results, size_t count);
  void abortRecording();
  void replay(int program, double* buffer, size_t inputs);
  void releaseProgram(int program);

  size_t tensors(int device) const;
  void setDebugSync(bool on) { debugSync_ = on; }
  void runCompletions();
  // Host bytes that V8 has not been told of yet, if they are worth telling; afterwards 0.
  int64_t takeExternalBytes();

 private:
  struct Recorder;
  struct Recorded;
  struct Completions;

  Slot& slot(double handle);
  Stream& streamOf(int device);
  double makeHandle(Storage* storage, const Tensor& tensor);
  // In `block`, if one is given, else in a new one.
  Storage* makeStorage(int device, size_t bytes, Block* block = nullptr);
  void dropReference(Storage* storage);
  int32_t recordedBuffer(Storage* storage, Program::Kind kindIfNew);
  // The block behind a handle, which has so many bytes.
  Block* readable(double handle, size_t bytes, Stream** stream);
  // What runs on the stream's thread and leaves `done` to runCompletions().
  Completion later(Completion done);
  void afterSubmit(Stream& stream, const double* handles, size_t count);

  std::vector<Slot> slots_;
  std::vector<uint32_t> freeSlots_;
  std::vector<size_t> tensors_;  // per device
  std::unordered_map<int, std::unique_ptr<Recorded>> programs_;
  int nextProgram_ = 1;
  std::unique_ptr<Recorder> recorder_;
  uint64_t recordings_ = 0;
  std::vector<Stream*> streams_;  // per device, once it is used
  bool debugSync_ = false;
  int64_t externalBytes_ = 0;
  std::shared_ptr<Completions> completions_;
  Owner owner_;
  Origin origin_{&owner_, 0};
};

}  // namespace neurite
