// Loops that do nothing but reach a limit of the machine, to have something to measure kernels against. They run on the
// calling thread; the caller runs them on all threads and takes the time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ganglion::kernels {

// Ways of reading memory once, front to back. Which is the fastest differs between machines.
enum class ReadLoop : std::uint8_t { kPlain, kPrefetched, kStreams, kCount };
const char* read_loop_name(ReadLoop loop) noexcept;  // "plain", "prefetched 1 KiB ahead", "4 streams"
// Reads `bytes` (a multiple of 1024) at `memory` (64-byte aligned). The result depends on every byte, so that nothing
// is left out; its value means nothing.
std::uint64_t read_memory(ReadLoop loop, const void* memory, std::size_t bytes) noexcept;

// f32 multiply-adds on registers with the widest vectors of this CPU. Returns the floating-point operations done (a
// multiply-add is two); `rounds` in the order of 10^6 takes some ten milliseconds.
double multiply_add(std::int64_t rounds) noexcept;
// "avx512", "avx2" or "scalar": what multiply_add uses here.
const char* multiply_add_isa() noexcept;
// Products of bf16 on tiles, where there are tiles: the same, for `rounds` of four tiles. Tiles must be there.
bool has_tiles() noexcept;
double tile_multiply_add(std::int64_t rounds) noexcept;
// Products of whole numbers of eight bits, on tiles and, where the CPU has AVX512_VNNI, on vectors: the same.
double tile_multiply_add_whole(std::int64_t rounds) noexcept;
bool has_whole_products() noexcept;
double multiply_add_whole(std::int64_t rounds) noexcept;

}  // namespace ganglion::kernels
