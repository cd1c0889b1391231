// What an environment keeps of a program while it is recorded, and afterwards.
#pragma once
#include <memory>
#include <vector>

#include "environment.h"
#include "program.h"

namespace neurite {

struct Environment::Recorder {
  uint64_t number;
  int device;
  std::shared_ptr<Program> program = std::make_shared<Program>();
  std::vector<int32_t> inputs;
  // Storages by buffer. Inputs and externals are held by a reference until the recording ends; temporaries are not, so that their memory is used again
  // as in any eager run: one that has been given back is null here.
  std::vector<Storage*> storages;
};

struct Environment::Recorded {
  int device;
  std::shared_ptr<Program> program;
  std::vector<Storage*> held;  // externals
  std::vector<Block*> own;     // what is kept between replays; copies of inputs and results on a device with graphs
  // A result of a replay: a buffer of the program (a new block), an input, or an external, each with a shape of its own.
  struct Result {
    Program::Kind kind;
    int32_t index;
    Storage* external;
    Tensor tensor;
  };
  std::vector<Result> results;
  std::vector<size_t> resultBytes;  // of the results that are new blocks
};

}  // namespace neurite
