// Runs the blocks of a launch, one after the other, or all at once if it is cooperative.
#include <cstdio>
#include <cstdlib>
#include <map>

#include "sanitizers.h"
#include "state.h"

namespace emulator {

Scheduler& scheduler() {
  static Scheduler* const instance = new Scheduler;  // never destroyed: the device thread outlives main()
  return *instance;
}

// The body of every fiber: one CUDA thread after the other.
void threadMain() {
  Fiber::started();
  Scheduler& s = scheduler();
  Fiber* const me = s.current_->fiber;
  for (;;) {
    s.current_->state = ThreadState::Running;
    s.launch_->body();
    Thread* next = s.exitThread();
    if (next != nullptr && next->state == ThreadState::Fresh && !kTsan) {
      next->fiber = me;
      s.makeCurrent(next);
      continue;
    }
    if (!kTsan) s.idle_.push_back(me);
    s.dispatch(*me, next);
  }
}

std::string Scheduler::run(const Launch& launch) {
  Fiber home = Fiber::ofCallingThread();
  home_ = &home;
  launch_ = &launch;
  error_.clear();
  launches_++;
  interrupted = false;
  running = true;
  blockDim = launch.block;
  gridDim = launch.grid;
  const size_t blocks = threadsInGrid() / (size_t(launch.block.x) * launch.block.y * launch.block.z);
  const size_t together = launch.cooperative ? blocks : 1;
  for (size_t done = 0; done < blocks && error_.empty(); done += together) {
    const size_t first = options().order == Order::Lifo ? blocks - together - done : done;
    runResident(first, together);
  }
  running = false;
  if (!error_.empty()) discardFibers();
  acquire(&launchSync_);
  usedBlocks_.clear();
  return error_;
}

size_t Scheduler::threadsInGrid() const {
  const Launch& l = *launch_;
  return size_t(l.grid.x) * l.grid.y * l.grid.z * l.block.x * l.block.y * l.block.z;
}

void Scheduler::runResident(size_t first, size_t count) {
  random_ = Random(options().seed * 1000003 + launches_ * 8191 + first + 1);
  ready_.clear();
  readyHead_ = 0;
  exited_ = 0;
  gridBarrier_ = Barrier{};
  resident_ = count;
  if (kTsan) {
    // An address means one block's variable or barrier for as long as the launch runs.
    for (auto& block : blocks_) usedBlocks_.push_back(std::move(block));
    blocks_.clear();
  }
  while (blocks_.size() < count) blocks_.push_back(std::make_unique<Block>());
  size_t threads = 0;
  for (size_t i = 0; i < count; i++) {
    prepare(*blocks_[i], first + i);
    threads += blocks_[i]->threads.size();
  }
  if (kTsan) {
    // Every CUDA thread is a new fiber of the tool and a child of this thread, so that nothing orders it after the
    // threads of an earlier block.
    idle_.clear();
    while (fibers_.size() < threads) newFiber();
    for (size_t i = 0; i < threads; i++) {
      fibers_[i]->restart();
      idle_.push_back(fibers_[i].get());
    }
  }
  while (exited_ < threads && error_.empty()) {
    Thread* next = pop();
    if (next == nullptr) {
      error_ = deadlock();
      break;
    }
    dispatch(*home_, next);
  }
  current_ = nullptr;
}

void Scheduler::prepare(Block& block, size_t index) {
  const dim3 grid = launch_->grid, shape = launch_->block;
  block.index = {unsigned(index % grid.x), unsigned(index / grid.x % grid.y), unsigned(index / grid.x / grid.y)};
  const unsigned threads = shape.x * shape.y * shape.z;
  block.exited = 0;
  if (!block.arena) block.arena = std::make_unique<Arena>();
  block.arena->reset(launch_->dynamicSharedBytes);
  block.threads.resize(threads);
  block.warps.assign((threads + 31) / 32, Warp{});
  for (Barrier& barrier : block.barriers) {
    barrier.arrived = 0;
    barrier.waiting.clear();
  }
  for (unsigned i = 0; i < threads; i++) {
    Thread& thread = block.threads[i];
    thread.index = {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
    thread.linear = i;
    thread.lane = i % 32;
    thread.block = &block;
    thread.warp = &block.warps[i / 32];
    thread.state = ThreadState::Fresh;
    thread.copies.clear();
    thread.group = 0;
    if (thread.lane == 0) thread.warp->threads = &thread;
    thread.warp->existing |= 1u << thread.lane;
    ready(&thread);
  }
}

Fiber* Scheduler::newFiber() {
  fibers_.push_back(std::make_unique<Fiber>(threadMain));
  return fibers_.back().get();
}

// After an error fibers stopped in the middle of a kernel.
void Scheduler::discardFibers() {
  idle_.clear();
  fibers_.clear();
}

void Scheduler::ready(Thread* thread) {
  EngineAccess quiet;
  ready_.push_back(thread);
}

Thread* Scheduler::pop() {
  if (readyHead_ == ready_.size()) {
    ready_.clear();
    readyHead_ = 0;
    return nullptr;
  }
  if (options().order == Order::Lifo) {
    Thread* last = ready_.back();
    ready_.pop_back();
    return last;
  }
  if (options().order == Order::Random) {
    const unsigned chosen = random_.below(unsigned(ready_.size() - readyHead_));
    std::swap(ready_[readyHead_], ready_[readyHead_ + chosen]);
  }
  return ready_[readyHead_++];
}

void Scheduler::makeCurrent(Thread* thread) {
  current_ = thread;
  threadIdx = thread->index;
  blockIdx = thread->block->index;
  switches.store(switches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Goes on with `next`, or back to runResident() if nobody is ready.
void Scheduler::dispatch(Fiber& from, Thread* next) {
  if (next == nullptr) {
    current_ = nullptr;
    from.switchTo(*home_);
    return;
  }
  if (next->state == ThreadState::Fresh) {
    if (idle_.empty()) idle_.push_back(newFiber());
    next->fiber = idle_.back();
    idle_.pop_back();
  }
  makeCurrent(next);
  from.switchTo(*next->fiber);
}

void Scheduler::wait(const char* what, const Location& at) {
  Thread* const me = current_;
  me->state = ThreadState::Waiting;
  me->waitsIn = what;
  me->waitsAt = at;
  release(&launchSync_);  // should the launch end in an error, this thread has done what it has done
  Thread* const next = pop();
  if (next == me) {
    makeCurrent(me);
  } else {
    dispatch(*me->fiber, next);
  }
  me->state = ThreadState::Running;
}

void Scheduler::maybeYield(const char* what, const Location& at) {
  if (options().order != Order::Random) return;
  ready(current_);
  wait(what, at);
}

Thread* Scheduler::exitThread() {
  Thread& thread = *current_;
  landAllCopies(thread);
  thread.state = ThreadState::Exited;
  thread.block->exited++;
  exited_++;
  leaveWarp(thread);
  leaveBarriers(thread);
  release(&launchSync_);
  return pop();
}

void Scheduler::abandonThread() {
  EngineAccess::endAll();
  release(&launchSync_);
  Fiber& from = *current_->fiber;
  from.switchTo(*home_);
  std::abort();  // nobody switches back to a thread that failed
}

std::string Scheduler::where() const {
  std::string text =
      "\n  in " + launch_->kernel + ", grid " + indexText(launch_->grid) + ", block " + indexText(launch_->block);
  if (current_ != nullptr)
    text += ", blockIdx " + indexText(current_->block->index) + ", threadIdx " + indexText(current_->index);
  return text;
}

// Which threads wait where: a line per place, with ranges of consecutive threads.
std::string Scheduler::deadlock() const {
  constexpr size_t kRangesShown = 4;
  std::string text = "deadlock: no thread can go on, and some have not finished";
  for (size_t b = 0; b < resident_; b++) {
    std::map<std::string, std::vector<const Thread*>> places;
    for (const Thread& thread : blocks_[b]->threads) {
      const bool exited = thread.state == ThreadState::Exited;
      places[exited ? "have returned"
                    : std::string("wait in ") + thread.waitsIn + " at " + siteOf(thread.waitsAt).c_str()]
          .push_back(&thread);
    }
    if (places.size() == 1 && places.begin()->first == "have returned") continue;
    for (const auto& [place, threads] : places) {
      text += "\n    blockIdx " + indexText(blocks_[b]->index) + ": " + std::to_string(threads.size()) + " thread(s) " +
              place + ":";
      size_t ranges = 0;
      for (size_t i = 0; i < threads.size(); ranges++) {
        if (ranges == kRangesShown) {
          text += " ...";
          break;
        }
        size_t last = i;
        while (last + 1 < threads.size() && threads[last + 1]->linear == threads[last]->linear + 1) last++;
        text += " " + indexText(threads[i]->index);
        if (last > i) text += ".." + indexText(threads[last]->index);
        i = last + 1;
      }
    }
  }
  return text + where();
}

}  // namespace emulator
