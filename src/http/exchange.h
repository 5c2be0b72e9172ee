// The part of a request's life that several threads see: whether it is answered, whether the client left, how much of
// its answer waits to be written. The Responder that handlers hold is made here. For connection.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "http/responder.h"

namespace ganglion::http {

struct Exchange {
  enum class State { kOpen, kStreaming, kDone };

  std::mutex mutex;
  State state = State::kOpen;
  bool gone = false;       // the client left
  bool too_slow = false;   // the backlog passed its limit; the connection is about to be cut
  std::size_t posted = 0;  // bytes of the stream on their way to the io thread
  std::size_t unsent = 0;  // bytes that the io thread has and the socket has not taken
  std::function<void()> on_disconnect;

  // Marks the client as gone and calls the callback, unless the answer is complete. Not under a lock of the caller's.
  void disconnect() {
    std::function<void()> callback;
    {
      std::lock_guard lock(mutex);
      if (gone || state == State::kDone) return;
      gone = true;
      callback = std::move(on_disconnect);
    }
    if (callback) callback();
  }
};

}  // namespace ganglion::http
