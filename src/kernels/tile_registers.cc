#include "kernels/tile_registers.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ganglion::kernels {

bool has_tile_registers() noexcept {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;  // leaf 7, edx
  constexpr int kRequestPermission = 0x1023, kTileData = 18;                // arch_prctl's ARCH_REQ_XCOMP_PERM
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kBf16) == 0 || (edx & kTile) == 0 || (edx & kInt8) == 0) return false;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace ganglion::kernels
