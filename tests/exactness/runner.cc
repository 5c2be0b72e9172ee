#include "tests/exactness/runner.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace ganglion::exactness {

std::vector<Generated> run_together(engine::Engine& engine, std::vector<engine::Request> requests, std::int64_t vocab) {
  std::vector<Generated> out(requests.size());
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t left = requests.size();
  std::exception_ptr error;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].on_token = [&, mine = &out[i]](const engine::TokenEvent& event) {
      if (event.id >= 0) mine->ids.push_back(event.id);
      if (event.logits != nullptr) mine->logits.emplace_back(event.logits, event.logits + vocab);
      if (event.finish == engine::FinishReason::kNone) return;
      const std::lock_guard<std::mutex> lock(mutex);
      if (event.error) error = event.error;
      --left;
      ended.notify_one();
    };
  }
  for (engine::Request& request : requests) engine.submit(std::move(request));
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return left == 0; });
  if (error) std::rethrow_exception(error);
  return out;
}

std::vector<Generated> run_alone(engine::Engine& engine, const std::vector<engine::Request>& requests,
                                 std::int64_t vocab) {
  std::vector<Generated> out;
  for (const engine::Request& request : requests) {
    out.push_back(std::move(run_together(engine, {request}, vocab).front()));
  }
  return out;
}

}  // namespace ganglion::exactness
