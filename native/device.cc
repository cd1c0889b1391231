// The process's devices.
#include "device.h"

#include "check.h"

namespace neurite {

const std::vector<DeviceInfo>& deviceInfos() {
  static const std::vector<DeviceInfo> infos = [] {
    std::vector<DeviceInfo> all{cpu::probe()};
    for (DeviceInfo& info : cuda::probe()) all.push_back(std::move(info));
    return all;
  }();
  return infos;
}

std::unique_ptr<Device> makeDevice(int index) {
  const auto& infos = deviceInfos();
  NEURITE_CHECK(index >= 0 && index < static_cast<int>(infos.size()));
  const DeviceInfo& info = infos[static_cast<size_t>(index)];
  if (!info.usable) fail("DeviceError", "%s cannot be used: %s", info.name.c_str(), info.reason.c_str());
  return index == 0 ? cpu::make() : cuda::make(index - 1);
}

}  // namespace neurite
