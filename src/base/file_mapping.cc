#include "base/file_mapping.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace ganglion {
namespace {

// Pages of the file in this process's memory before they are given back: the page cache keeps them, but they would
// count as ours. A small part of the whole, and not so often that giving back takes time.
constexpr std::uint64_t kMostResident = 32 << 20, kLeastResident = 1 << 20, kResidentPart = 64;

// What this thread is reading, and where it goes on when it is not there.
struct Guard {
  const std::byte* begin;
  const std::byte* end;
  sigjmp_buf leave;
};
thread_local Guard* guard = nullptr;
struct sigaction before;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  if (guard != nullptr && guard->begin <= at && at < guard->end) siglongjmp(guard->leave, 1);
  // Not ours: whoever was asked before us.
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // Ends the process as it would have, once this handler has returned.
  ::sigaction(SIGBUS, &before, nullptr);
  ::raise(signal);
}

void watch_bus_errors() {
  static const bool once = [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &before);
    return true;
  }();
  static_cast<void>(once);
}

// Asks for the pages of bytes [offset, offset + count) of a mapping at once rather than by one fault after another;
// from the disk, where the first is not in the page cache, in the largest pieces. Hints: what fails, faults.
void fetch(const std::byte* start, std::uint64_t offset, std::size_t count) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  auto* first = const_cast<std::byte*>(start) + offset / page * page;
  const std::size_t bytes = count + offset % page;
  unsigned char cached = 0;
  if (::mincore(first, page, &cached) == 0 && (cached & 1) == 0) ::madvise(first, bytes, MADV_WILLNEED);
#ifdef MADV_POPULATE_READ
  ::madvise(first, bytes, MADV_POPULATE_READ);
#endif
}

// Apart from use(), whose variables a jump back could leave in doubt. True when the work was done.
bool guarded(Guard& with, const std::function<void(const std::byte*)>& work) {
  if (sigsetjmp(with.leave, 1) != 0) {
    guard = nullptr;
    return false;
  }
  guard = &with;
  work(with.begin);
  guard = nullptr;
  return true;
}

}  // namespace

FileMapping::~FileMapping() {
  if (std::byte* start = start_) ::munmap(start, size_);
}

const std::byte* FileMapping::mapped() const {
  std::byte* start = start_.load(std::memory_order_acquire);
  if (start != nullptr) return start;
  void* fresh = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (fresh == MAP_FAILED) return nullptr;
  if (start_.compare_exchange_strong(start, static_cast<std::byte*>(fresh), std::memory_order_acq_rel))
    return static_cast<std::byte*>(fresh);
  ::munmap(fresh, size_);  // another thread was first
  return start;
}

void FileMapping::used(std::size_t count) const {
  if (resident_.fetch_add(count) + count < std::clamp(size_ / kResidentPart, kLeastResident, kMostResident)) return;
  resident_ = 0;
  ::madvise(start_, size_, MADV_DONTNEED);  // pages that another thread is reading come back at once
}

FileMapping::Outcome FileMapping::use(std::uint64_t offset, std::size_t count,
                                      const std::function<void(const std::byte*)>& work) const {
  if (count == 0) {
    work(nullptr);
    return Outcome::kDone;
  }
  const std::byte* const start = mapped();
  if (start == nullptr) return Outcome::kCannotMap;
  watch_bus_errors();
  fetch(start, offset, count);
  Guard with{start + offset, start + offset + count, {}};
  const bool done = guarded(with, work);
  used(count);
  return done ? Outcome::kDone : Outcome::kGone;
}

}  // namespace ganglion
