// Collectives of a warp: lanes meet, the last one to arrive does the work of all.
#include "gpu.h"

#include "sanitizers.h"
#include "state.h"

namespace emulator {
namespace {

// Runs the meeting if every lane that is still alive has come.
bool complete(Warp& warp, Meeting& meeting, const Thread* last) {
  const unsigned lanes = meeting.arrived;
  if (lanes != (meeting.mask & warp.existing & ~warp.exited)) return false;
  meeting.arrived = 0;
  void* arguments[32];
  for (unsigned i = 0; i < 32; i++) arguments[i] = lanes >> i & 1 ? warp.threads[i].argument : nullptr;
  {
    EngineAccess quiet;
    meeting.execute(arguments, lanes, meeting.at);
  }
  for (unsigned i = 0; i < 32; i++)
    if ((lanes >> i & 1) && &warp.threads[i] != last) scheduler().ready(&warp.threads[i]);
  return true;
}

// The meeting that this lane takes part in: one that already waits for it, or a new one.
Meeting& join(Thread& me, unsigned mask, const char* what, Execute execute, bool anySite, const Location& at) {
  Warp& warp = *me.warp;
  Meeting* free = nullptr;
  for (Meeting& meeting : warp.meetings) {
    if (meeting.arrived == 0) {
      if (free == nullptr) free = &meeting;
      continue;
    }
    if ((meeting.mask >> me.lane & 1) == 0) continue;
    const bool same = meeting.mask == mask && meeting.execute == execute && (anySite || sameSite(meeting.at, at));
    if (same) return meeting;
    if (meeting.arrived & mask)
      fail(at, "%s with mask %08x, while lanes %08x wait for this lane in %s at %s with mask %08x", what, mask,
           meeting.arrived, meeting.what, siteOf(meeting.at).c_str(), meeting.mask);
  }
  if (free == nullptr) fail(at, "more collectives at a time than a warp has lanes");
  *free = {mask, 0, what, execute, at, warp.meetingsSoFar++};
  return *free;
}

}  // namespace

unsigned lane() { return currentThread("laneId").lane; }

void collective(unsigned mask, const char* what, void* argument, Execute execute, const Location& at) {
  Thread& me = currentThread(what);
  Scheduler& s = scheduler();
  if ((mask >> me.lane & 1) == 0) fail(at, "%s: lane %u is not in its own mask %08x", what, me.lane, mask);
  const bool fence = argument == nullptr;
  Meeting& meeting = join(me, mask, what, execute, fence, at);
  meeting.arrived |= 1u << me.lane;
  me.argument = argument;
  char* const sync = &me.warp->sync[meeting.number % sizeof me.warp->sync];
  if (fence) release(sync);
  if (complete(*me.warp, meeting, &me)) {
    s.maybeYield(what, at);
  } else {
    s.wait(what, at);
  }
  if (fence) acquire(sync);
}

void leaveWarp(Thread& thread) {
  Warp& warp = *thread.warp;
  warp.exited |= 1u << thread.lane;
  for (Meeting& meeting : warp.meetings)
    if (meeting.arrived != 0 && (meeting.mask >> thread.lane & 1)) complete(warp, meeting, nullptr);
}

void executeShuffle(void* const* lanes, unsigned active, const Location& at) {
  for (int i = 0; i < 32; i++) {
    if ((active >> i & 1) == 0) continue;
    auto* own = static_cast<Shuffle*>(lanes[i]);
    if ((active >> own->source & 1) == 0)
      fail(at, "lane %d reads from lane %d, which does not take part (lanes %08x do)", i, own->source, active);
    own->out = static_cast<Shuffle*>(lanes[own->source])->in;
  }
}

void executeVote(void* const* lanes, unsigned active, const Location&) {
  unsigned result = 0;
  for (int i = 0; i < 32; i++)
    if (active >> i & 1) result |= unsigned(static_cast<Vote*>(lanes[i])->predicate) << i;
  for (int i = 0; i < 32; i++) {
    if ((active >> i & 1) == 0) continue;
    auto* own = static_cast<Vote*>(lanes[i]);
    own->result = result;
    own->active = active;
  }
}

}  // namespace emulator
