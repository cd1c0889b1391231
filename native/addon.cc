// The Node-API binding: the functions of lib/native.ts, one instance per JavaScript environment. The only file that knows Node-API.
#include <napi.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "amx.h"
#include "bfloat16-dots.h"
#include "check.h"
#include "cpu-features.h"
#include "environment.h"
#include "failure.h"
#include "thread-pool.h"

namespace neurite {
namespace {

constexpr size_t kArguments = 4;

// An Error with a `code`; empty if the environment is ending.
napi_value errorOf(napi_env env, const Failure& failure) {
  napi_value code = nullptr, message = nullptr, error = nullptr;
  if (napi_create_string_utf8(env, failure.code.c_str(), failure.code.size(), &code) != napi_ok ||
      napi_create_string_utf8(env, failure.message.c_str(), failure.message.size(), &message) != napi_ok)
    return nullptr;
  napi_create_error(env, code, message, &error);
  return error;
}

void throwError(napi_env env, const Failure& failure) {
  if (napi_value error = errorOf(env, failure)) napi_throw(env, error);
}

// Node-API calls are checked here and in Napi's own wrappers; a status other than ok can only be a defect or an environment that ends.
// Throws in JavaScript, except in a worker that is being ended: that takes no more exceptions, and says so by one of its own.
void passOn(const Napi::Error& error) {
  try {
    error.ThrowAsJavaScriptException();
  } catch (const Napi::Error&) {}
}

void check(napi_status status) {
  if (status != napi_ok && status != napi_closing) fail("NeuriteError", "Node-API status %d", static_cast<int>(status));
}

double numberOf(napi_env env, napi_value value) {
  double number = 0;
  check(napi_get_value_double(env, value, &number));
  return number;
}
int intOf(napi_env env, napi_value value) { return static_cast<int>(numberOf(env, value)); }

struct Bytes {
  void* data;
  size_t size;
};

// Memory of a typed array.
Bytes bytesOf(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  check(napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  constexpr size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  return {data, length * sizes[type]};
}

class Addon {
 public:
  explicit Addon(Napi::Env env) : env_(env) {
    check(napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "neurite"), 0, 1, nullptr,
                                          nullptr, this, runCompletions, &wake_));
    check(napi_unref_threadsafe_function(env, wake_));
    environment_ = std::make_unique<Environment>(
        [wake = wake_] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); });
    const char* debug = std::getenv("NEURITE_DEBUG_SYNC");
    environment_->setDebugSync(debug && *debug && *debug != '0');
  }

  ~Addon() {
    environment_.reset();
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  }

  // ---- What lib/native.ts declares.

  napi_value devices(napi_value*) {
    Napi::Array list = Napi::Array::New(env_);
    for (const DeviceInfo& info : deviceInfos()) {
      Napi::Object entry = Napi::Object::New(env_);
      entry.Set("name", info.name);
      entry.Set("type", info.cuda ? "cuda" : "cpu");
      entry.Set("usable", info.usable);
      if (!info.reason.empty()) entry.Set("reason", info.reason);
      entry.Set("description", info.description);
      entry.Set("memory", static_cast<double>(info.memory));
      if (!info.capability.empty()) entry.Set("capability", info.capability);
      list.Set(list.Length(), entry);
    }
    return list;
  }

  napi_value info(napi_value*) {
    Napi::Array list = Napi::Array::New(env_);
    auto add = [&](const char* label, const std::string& text) {
      Napi::Array pair = Napi::Array::New(env_, 2);
      pair.Set(0u, label);
      pair.Set(1u, text);
      list.Set(list.Length(), pair);
    };
    add("build", NEURITE_BUILD_INFO);
    add("CPU", cpuName());
    add("instruction set", instructionSetName(instructionSet()));
    add("AMX", amxAvailable() ? "in use for matrix products and convolutions" : "not in use: " + amxRefusal());
    add("AVX512-BF16", bfloat16Dots() ? "in use for bfloat16 products" : "not in use: " + bfloat16DotsRefusal());
    add("threads", std::to_string(threadCount()));
    return list;
  }

  napi_value setBuffer(napi_value* arguments) {
    const Bytes bytes = bytesOf(env_, arguments[0]);
    bufferReference_ = Napi::Persistent(Napi::Value(env_, arguments[0]).As<Napi::Object>());
    bufferReference_.SuppressDestruct();
    buffer_ = static_cast<double*>(bytes.data);
    length_ = bytes.size / sizeof(double);
    return nullptr;
  }

  napi_value submit(napi_value*) {
    environment_->submit(buffer_, length_);
    return tellExternalBytes();
  }

  napi_value upload(napi_value* arguments) {
    const Bytes bytes = bytesOf(env_, arguments[2]);
    const double handle = environment_->upload(intOf(env_, arguments[0]), static_cast<DType>(intOf(env_, arguments[1])),
                                               buffer_, bytes.data, bytes.size);
    tellExternalBytes();
    return number(handle);
  }

  napi_value view(napi_value* arguments) { return number(environment_->view(numberOf(env_, arguments[0]), buffer_)); }

  napi_value release(napi_value* arguments) {
    environment_->release(buffer_, static_cast<size_t>(numberOf(env_, arguments[0])));
    return tellExternalBytes();
  }

  napi_value transfer(napi_value* arguments) {
    return number(environment_->transfer(numberOf(env_, arguments[0]), intOf(env_, arguments[1])));
  }

  napi_value read(napi_value* arguments) {
    const double handle = numberOf(env_, arguments[0]);
    const Bytes bytes = bytesOf(env_, arguments[1]);
    if (environment_->readNow(handle, bytes.data, bytes.size)) return nullptr;
    napi_ref target;
    check(napi_create_reference(env_, arguments[1], 1, &target));
    napi_value promise;
    environment_->read(handle, bytes.data, bytes.size, settle(&promise, target));
    return promise;
  }

  napi_value readNow(napi_value* arguments) {
    const auto bytes = static_cast<size_t>(numberOf(env_, arguments[1]));
    NEURITE_CHECK(bytes <= length_ * sizeof(double));
    napi_value result;
    check(napi_get_boolean(env_, environment_->readNow(numberOf(env_, arguments[0]), buffer_, bytes), &result));
    return result;
  }

  napi_value readSync(napi_value* arguments) {
    const Bytes bytes = bytesOf(env_, arguments[1]);
    environment_->readSync(numberOf(env_, arguments[0]), bytes.data, bytes.size);
    return nullptr;
  }

  napi_value synchronize(napi_value* arguments) {
    const int device = intOf(env_, arguments[0]);
    const int run = intOf(env_, arguments[1]);
    if (environment_->synchronizeNow(device, run)) return nullptr;
    napi_value promise;
    environment_->synchronize(device, run, settle(&promise, nullptr));
    return promise;
  }

  napi_value beginRun(napi_value*) { return number(environment_->beginRun()); }
  napi_value setRun(napi_value* arguments) {
    environment_->setRun(intOf(env_, arguments[0]));
    return nullptr;
  }
  napi_value endRun(napi_value* arguments) {
    environment_->endRun(intOf(env_, arguments[0]));
    return nullptr;
  }

  napi_value beginRecording(napi_value* arguments) {
    environment_->beginRecording(intOf(env_, arguments[0]), buffer_, static_cast<size_t>(numberOf(env_, arguments[1])));
    return nullptr;
  }
  napi_value endRecording(napi_value* arguments) {
    return number(environment_->endRecording(buffer_, static_cast<size_t>(numberOf(env_, arguments[0]))));
  }
  napi_value abortRecording(napi_value*) {
    environment_->abortRecording();
    return nullptr;
  }
  napi_value replay(napi_value* arguments) {
    environment_->replay(intOf(env_, arguments[0]), buffer_, static_cast<size_t>(numberOf(env_, arguments[1])));
    return tellExternalBytes();
  }
  napi_value releaseProgram(napi_value* arguments) {
    environment_->releaseProgram(intOf(env_, arguments[0]));
    return nullptr;
  }

  napi_value memory(napi_value* arguments) {
    const int device = intOf(env_, arguments[0]);
    const MemoryStatistics statistics = Stream::of(device).allocator().statistics();
    Napi::Object result = Napi::Object::New(env_);
    result.Set("tensors", static_cast<double>(environment_->tensors(device)));
    result.Set("bytes", static_cast<double>(statistics.bytes));
    result.Set("pool", static_cast<double>(statistics.pool));
    result.Set("peak", static_cast<double>(statistics.peak));
    result.Set("allocations", static_cast<double>(statistics.allocations));
    return result;
  }
  napi_value setMemoryLimit(napi_value* arguments) {
    Stream::of(intOf(env_, arguments[0])).setMemoryLimit(static_cast<size_t>(numberOf(env_, arguments[1])));
    return nullptr;
  }
  napi_value resetPeak(napi_value* arguments) {
    Stream::of(intOf(env_, arguments[0])).allocator().resetPeak();
    return nullptr;
  }
  napi_value layerNumber(napi_value* arguments) {
    return number(neurite::layerNumber(Napi::Value(env_, arguments[0]).As<Napi::String>().Utf8Value()));
  }
  napi_value setDebugSync(napi_value* arguments) {
    environment_->setDebugSync(Napi::Value(env_, arguments[0]).ToBoolean());
    return nullptr;
  }

  // ----

  template <napi_value (Addon::*method)(napi_value*)> static napi_value entry(napi_env env, napi_callback_info info) {
    napi_value arguments[kArguments];
    size_t count = kArguments;
    void* self = nullptr;
    if (napi_get_cb_info(env, info, &count, arguments, nullptr, &self) != napi_ok) return nullptr;
    try {
      return (static_cast<Addon*>(self)->*method)(arguments);
    } catch (const Error& error) {
      throwError(env, error.failure());
    } catch (const Napi::Error& error) {
      passOn(error);
    } catch (const std::bad_alloc&) {
      throwError(env, {"OutOfMemoryError", "host memory is used up"});
    } catch (const std::exception& error) {
      throwError(env, {"NeuriteError", error.what()});
    }
    return nullptr;
  }

 private:
  napi_value number(double value) {
    napi_value result;
    check(napi_create_double(env_, value, &result));
    return result;
  }

  napi_value tellExternalBytes() {
    if (const int64_t bytes = environment_->takeExternalBytes()) {
      int64_t total;
      check(napi_adjust_external_memory(env_, bytes, &total));
    }
    return nullptr;
  }

  // A promise and what settles it. `held` stays alive until then. The event loop stays alive exactly while promises are pending.
  Completion settle(napi_value* promise, napi_ref held) {
    napi_deferred deferred;
    check(napi_create_promise(env_, &deferred, promise));
    if (pending_++ == 0) check(napi_ref_threadsafe_function(env_, wake_));
    return [this, deferred, held](std::shared_ptr<const Failure> failure) {
      if (held) napi_delete_reference(env_, held);
      if (--pending_ == 0) napi_unref_threadsafe_function(env_, wake_);
      if (failure) {
        napi_reject_deferred(env_, deferred, errorOf(env_, *failure));
      } else {
        napi_resolve_deferred(env_, deferred, Napi::Env(env_).Undefined());
      }
    };
  }

  static void runCompletions(napi_env env, napi_value, void* self, void*) {
    if (!env) return;  // the environment ends
    const Napi::HandleScope scope(env);
    static_cast<Addon*>(self)->environment_->runCompletions();
  }

  napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unique_ptr<Environment> environment_;
  Napi::ObjectReference bufferReference_;
  double* buffer_ = nullptr;
  size_t length_ = 0;
  int pending_ = 0;
};

// How an attribute's type is packed.
template <class T> constexpr const char* kKind = std::is_same_v<T, Ints> ? "list" : "number";

Napi::Value opTable(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env);
  auto add = [&](const char* name, int inputs, int outputs,
                 std::initializer_list<std::pair<const char*, const char*>> attributes) {
    Napi::Array pairs = Napi::Array::New(env);
    for (const auto& [attribute, kind] : attributes) {
      Napi::Array pair = Napi::Array::New(env, 2);
      pair.Set(0u, attribute);
      pair.Set(1u, kind);
      pairs.Set(pairs.Length(), pair);
    }
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", name);
    entry.Set("inputs", inputs);
    entry.Set("outputs", outputs);
    entry.Set("attributes", pairs);
    list.Set(list.Length(), entry);
  };
#define ATTR(type, name) {#name, kKind<type>},
#define OP(name, inputs, outputs, attrs) add(#name, inputs, outputs, {attrs});
#include "ops.def"
#undef OP
#undef ATTR
  return list;
}

napi_value init(napi_env rawEnv, napi_value rawExports) {
  const Napi::Env env(rawEnv);
  Napi::Object exports(rawEnv, rawExports);
  auto* addon = new Addon(env);
  // Runs before the environment's handles are gone: drops queued commands, waits for the running one, frees everything.
  napi_add_env_cleanup_hook(
      rawEnv, [](void* self) { delete static_cast<Addon*>(self); }, addon);

  auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    check(napi_create_function(rawEnv, name, NAPI_AUTO_LENGTH, callback, addon, &function));
    exports.Set(name, function);
  };
#define METHOD(name) add(#name, Addon::entry<&Addon::name>)
  METHOD(devices);
  METHOD(info);
  METHOD(setBuffer);
  METHOD(submit);
  METHOD(upload);
  METHOD(view);
  METHOD(release);
  METHOD(transfer);
  METHOD(read);
  METHOD(readNow);
  METHOD(readSync);
  METHOD(synchronize);
  METHOD(beginRun);
  METHOD(setRun);
  METHOD(endRun);
  METHOD(beginRecording);
  METHOD(endRecording);
  METHOD(abortRecording);
  METHOD(replay);
  METHOD(releaseProgram);
  METHOD(memory);
  METHOD(setMemoryLimit);
  METHOD(resetPeak);
  METHOD(layerNumber);
  METHOD(setDebugSync);
#undef METHOD
  exports.Set("version", NEURITE_VERSION);
  exports.Set("opsHash", NEURITE_OPS_HASH);
  exports.Set("buildInfo", NEURITE_BUILD_INFO);
  exports.Set("ops", opTable(env));
  return exports;
}

}  // namespace
}  // namespace neurite

NAPI_MODULE_INIT() {
  try {
    return neurite::init(env, exports);
  } catch (const neurite::Error& error) {
    neurite::throwError(env, error.failure());
  } catch (const Napi::Error& error) {
    neurite::passOn(error);
  }
  return nullptr;  // a worker that is ended while it loads this
}
