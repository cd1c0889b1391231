// The Node-API addon: says what it was built from.
#include <napi.h>

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["version"] = Napi::String::New(env, NEURITE_VERSION);
  exports["opsHash"] = Napi::String::New(env, NEURITE_OPS_HASH);
  exports["buildInfo"] = Napi::String::New(env, NEURITE_BUILD_INFO);
  return exports;
}

NODE_API_MODULE(neurite, init)
