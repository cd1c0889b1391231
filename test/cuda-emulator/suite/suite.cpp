// Runs the registered cases: all of them, or those whose name holds one of the arguments.
//
//   suite [name...]   --list prints the names, --planted runs every planted bug in a process of its own
#include "suite.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#ifdef NEURITE_EMULATOR
#include "../planted-bugs/planted.h"
#include "../runtime/diagnostics.h"
#endif

namespace suite {
namespace {

struct Case {
  const char* name;
  void (*run)();
};

struct Skip {
  std::string reason;
};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

std::vector<Case>& checks() {
  static std::vector<Case> all;
  return all;
}

std::mt19937 generator;
const char* currentName = "";
int failures = 0;  // of the current case
cudaStream_t currentStream = nullptr;

void failed(const std::string& what) {
  constexpr int kPrinted = 10;
  if (++failures <= kPrinted) std::printf("FAIL %s: %s\n", currentName, what.c_str());
}

uint32_t seedOf(const char* name) {
  uint32_t hash = 2166136261u;
  for (; *name != 0; name++) hash = (hash ^ uint32_t(*name)) * 16777619u;
  return hash;
}

bool wanted(const char* name, int count, char** filters) {
  if (count == 0) return true;
  for (int i = 0; i < count; i++)
    if (std::strstr(name, filters[i]) != nullptr) return true;
  return false;
}

// Keeps what the emulator says about provoked errors off the terminal.
void setQuiet([[maybe_unused]] bool quiet) {
#ifdef NEURITE_EMULATOR
  emulator::quietErrors(quiet);
#endif
}

// Runs one case; returns 'p', 'f' or 's' for passed, failed, skipped.
char runCase(const Case& test) {
  currentName = test.name;
  failures = 0;
  generator.seed(seedOf(test.name));
  SUITE_CUDA(cudaStreamCreateWithFlags(&currentStream, cudaStreamNonBlocking));
  size_t freeBefore = 0, total = 0;
  cudaMemGetInfo(&freeBefore, &total);
  char result = 'p';
  try {
    test.run();
  } catch (const Skip& skip) {
    std::printf("skip %s: %s\n", test.name, skip.reason.c_str());
    result = 's';
  }
  SUITE_CUDA(cudaDeviceSynchronize());
  SUITE_CUDA(cudaGetLastError());
#ifdef NEURITE_EMULATOR
  size_t freeAfter = 0;  // of a device that nobody else uses
  cudaMemGetInfo(&freeAfter, &total);
  expect(freeBefore == freeAfter, "device memory is left allocated");
#endif
  cudaStreamDestroy(currentStream);
  if (failures > 0) {
    cudaDeviceReset();
    result = 'f';
  }
  return result;
}

int runAll(int count, char** filters) {
  int passed = 0, failedCases = 0, skipped = 0;
  const auto runOne = [&](const Case& test) {
    const char result = runCase(test);
    passed += result == 'p';
    failedCases += result == 'f';
    skipped += result == 's';
  };
  for (const Case& test : cases())
    if (wanted(test.name, count, filters)) runOne(test);
  if (count == 0)
    for (const Case& check : checks()) runOne(check);
  std::printf("%d passed, %d failed, %d skipped\n", passed, failedCases, skipped);
  return failedCases == 0 && passed + skipped > 0 ? 0 : 1;
}

}  // namespace

Registration::Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
Afterwards::Afterwards(const char* name, void (*run)()) { checks().push_back({name, run}); }

void requireComputeCapability(int atLeast) {
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  if (10 * major + minor < atLeast) throw Skip{"needs sm_" + std::to_string(atLeast)};
}

void expect(bool holds, const std::string& what) {
  if (!holds) failed(what);
}

void expectSuccess(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  failed(std::string(file) + ":" + std::to_string(line) + ": " + call + " gave " + cudaGetErrorName(error));
}

void expectError(const std::function<cudaError_t()>& run, cudaError_t expected, const char* call, const char* file,
                 int line) {
  setQuiet(true);
  const cudaError_t received = run();
  setQuiet(false);
  if (received != expected)
    failed(std::string(file) + ":" + std::to_string(line) + ": expected " + call + " to give " +
           cudaGetErrorName(expected) + ", received " + cudaGetErrorName(received));
  cudaGetLastError();
}

void expectClose(const std::string& what, const std::vector<double>& received, const std::vector<double>& reference,
                 double tolerance) {
  expect(received.size() == reference.size(), what + ": sizes differ");
  for (size_t i = 0; i < reference.size() && i < received.size(); i++) {
    if (std::isnan(reference[i]) && std::isnan(received[i])) continue;
    if (received[i] == reference[i]) continue;  // also infinities
    if (std::fabs(received[i] - reference[i]) <= tolerance * (1 + std::fabs(reference[i]))) continue;
    char text[160];
    std::snprintf(text, sizeof text, ": at %zu of %zu expected %.9g, received %.9g", i, reference.size(), reference[i],
                  received[i]);
    return failed(what + text);
  }
}

void expectRelativeError(const std::string& what, const std::vector<double>& received,
                         const std::vector<double>& reference, double tolerance) {
  expect(received.size() == reference.size(), what + ": sizes differ");
  double error = 0, norm = 0;
  for (size_t i = 0; i < reference.size() && i < received.size(); i++) {
    error += (received[i] - reference[i]) * (received[i] - reference[i]);
    norm += reference[i] * reference[i];
  }
  const double relative = std::sqrt(error) / std::sqrt(norm);
  if (relative <= tolerance || (error == 0 && norm == 0)) return;
  char text[120];
  std::snprintf(text, sizeof text, ": relative error %.3g, at most %.3g allowed", relative, tolerance);
  failed(what + text);
}

void expectSameBits(const std::string& what, const std::vector<uint32_t>& received,
                    const std::vector<uint32_t>& expected) {
  expect(received.size() == expected.size(), what + ": sizes differ");
  for (size_t i = 0; i < expected.size() && i < received.size(); i++) {
    if (received[i] == expected[i]) continue;
    char text[120];
    std::snprintf(text, sizeof text, ": at %zu expected %08x, received %08x", i, expected[i], received[i]);
    return failed(what + text);
  }
}

cudaStream_t stream() { return currentStream; }

std::vector<float> uniform(size_t count, float low, float high) {
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

std::vector<uint32_t> randomBits(size_t count) {
  std::vector<uint32_t> values(count);
  for (uint32_t& value : values) value = uint32_t(generator());
  return values;
}

#ifdef NEURITE_EMULATOR
void expectEmulatorError(const std::string& text, void (*launch)(), cudaError_t error) {
  setQuiet(true);
  launch();
  const cudaError_t received = cudaDeviceSynchronize();
  setQuiet(false);
  const std::string said = emulator::lastErrorText();
  expect(received == error, "expected " + std::string(cudaGetErrorName(error)) + ", received " +
                                cudaGetErrorName(received) + " (" + text + ")");
  expect(said.find(text) != std::string::npos, "expected an error with \"" + text + "\", received:\n" + said);
  cudaDeviceReset();
  cudaStreamCreateWithFlags(&currentStream, cudaStreamNonBlocking);
}
#endif

}  // namespace suite

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const suite::Case& test : suite::cases()) std::printf("%s\n", test.name);
    return 0;
  }
#ifdef NEURITE_EMULATOR
  if (argc == 2 && std::strcmp(argv[1], "--planted") == 0) return planted::runAll(argv[0]);
#endif
  return suite::runAll(argc - 1, argv + 1);
}
