// How much memory a model may take on this machine.
#pragma once

#include <cstdint>
#include <filesystem>

namespace ganglion::planner {

// Bytes that can still be had without swapping: the smaller of the kernel's MemAvailable and what the process's control
// group leaves (its file cache counts as free). `root` is where /proc and /sys are found, for tests. Returns INT64_MAX
// when neither can be read. Thread-safe.
std::int64_t available_memory(const std::filesystem::path& root = "/");

}  // namespace ganglion::planner
