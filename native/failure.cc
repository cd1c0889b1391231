// Failures that surface after the call that caused them.
#include "failure.h"

#include <deque>
#include <mutex>
#include <new>
#include <unordered_map>

namespace neurite {

namespace {
std::mutex mutex;
std::unordered_map<std::string, int32_t> numbers;
std::deque<std::string> names;  // of layers 1, 2, …
}  // namespace

int32_t layerNumber(const std::string& name) {
  std::lock_guard lock(mutex);
  const auto [entry, added] = numbers.try_emplace(name, static_cast<int32_t>(names.size()) + 1);
  if (added) names.push_back(name);
  return entry->second;
}

std::string located(const char* op, int32_t layer, const std::string& text) {
  std::string message = format("[%s] ", op) + text;
  if (layer == 0) return message;
  std::lock_guard lock(mutex);
  return message + " (layer \"" + names.at(static_cast<size_t>(layer) - 1) + "\")";
}

std::shared_ptr<const Failure> failureOf(const char* op, int32_t layer) {
  auto at = [&](const std::string& code, const std::string& text) {
    return std::make_shared<const Failure>(Failure{code, located(op, layer, text)});
  };
  try {
    throw;
  } catch (const Error& error) {
    return at(error.failure().code, error.what());
  } catch (const std::bad_alloc&) {
    return at("OutOfMemoryError", "host memory is used up");
  } catch (const std::exception& error) {
    return at("DeviceError", error.what());
  }
}

}  // namespace neurite
