// The tile registers of AMX, which a CPU may have and a system may refuse.
#pragma once

namespace ganglion::kernels {

// Whether this process may use tiles, with products of bf16 and of eight bits. Asks the system for the registers: it
// saves their eight kilobytes only for a process that has asked, once, for all its threads; one that knows nothing of
// tiles, or a sandbox, refuses. A program of tests that has a model of the instructions has this function, too.
bool has_tile_registers() noexcept;

}  // namespace ganglion::kernels
