// Failures that surface after the call that caused them: their messages name the op and the layer.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "check.h"

namespace neurite {

// The number by which calls know a layer; the same for equal names in the whole process. 0 is no layer.
int32_t layerNumber(const std::string& name);

// `[op] text`, and ` (layer "name")` if there is a layer. Any thread.
std::string located(const char* op, int32_t layer, const std::string& text);

// Turns whatever was thrown (inside a catch block) into a Failure that names op and layer.
std::shared_ptr<const Failure> failureOf(const char* op, int32_t layer = 0);

}  // namespace neurite
