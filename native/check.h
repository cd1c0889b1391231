// The one exception type of the native side, and the checks that throw it. addon.cc has the one try/catch that turns it into a JavaScript error.
#pragma once
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace neurite {

// Why something did not happen. `code` is the name of an error class in lib/errors.ts.
struct Failure {
  std::string code;
  std::string message;
};

class Error : public std::exception {
 public:
  explicit Error(Failure failure) : failure_(std::move(failure)) {}
  const Failure& failure() const { return failure_; }
  const char* what() const noexcept override { return failure_.message.c_str(); }

 private:
  Failure failure_;
};

// printf into a string.
template <class... A> std::string format(const char* pattern, A... values) {
  const int length = std::snprintf(nullptr, 0, pattern, values...);
  std::string text(static_cast<size_t>(length), '\0');
  std::snprintf(text.data(), text.size() + 1, pattern, values...);
  return text;
}
inline std::string format(const char* text) { return text; }

template <class... A> [[noreturn]] void fail(const char* code, const char* pattern, A... values) {
  throw Error({code, format(pattern, values...)});
}

// For what would corrupt memory and can only be a defect of this library: names the expression and its place.
#define NEURITE_CHECK(condition)                                                                            \
  do {                                                                                                      \
    if (!(condition))                                                                                       \
      ::neurite::fail("NeuriteError", "internal check failed: %s (%s:%d)", #condition, __FILE__, __LINE__); \
  } while (0)

}  // namespace neurite
