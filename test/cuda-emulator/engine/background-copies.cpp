// cp.async: copies from global to shared memory that land when their group is waited for.
#include <cstring>

#include "sanitizers.h"
#include "state.h"

namespace emulator {
namespace {

void land(const BackgroundCopy& copy) {
  std::memcpy(copy.shared, copy.global, copy.validBytes);
  std::memset(static_cast<char*>(copy.shared) + copy.validBytes, 0, copy.bytes - copy.validBytes);
}

// Lands the copies of groups before `group`; they lie in order.
void landUntil(Thread& thread, unsigned group) {
  size_t landed = 0;
  while (landed < thread.copies.size() && thread.copies[landed].group < group) land(thread.copies[landed++]);
  EngineAccess quiet;
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + std::ptrdiff_t(landed));
}

}  // namespace

void copyAsync(void* shared, const void* global, unsigned bytes, unsigned validBytes, const Location& at) {
  if (validBytes > bytes) fail(at, "cpAsync of %u bytes with %u valid ones", bytes, validBytes);
  Thread& thread = *scheduler().current();
  const BackgroundCopy copy{shared, global, bytes, validBytes, thread.group};
  const Timing timing = options().timing;
  if (timing == Timing::Early || (timing == Timing::Random && scheduler().random().below(2) == 0)) {
    land(copy);
  } else {
    EngineAccess quiet;
    thread.copies.push_back(copy);
  }
}

void copyCommit() { currentThread("cpAsyncCommit").group++; }

void copyWait(unsigned groupsInFlight) {
  Thread& thread = currentThread("cpAsyncWait");
  if (thread.group > groupsInFlight) landUntil(thread, thread.group - groupsInFlight);
}

void landAllCopies(Thread& thread) { landUntil(thread, thread.group + 1); }

}  // namespace emulator
