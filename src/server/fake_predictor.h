// A model that can be steered by a test: one token per byte of text, "</s>" (id 2) before each prompt; its answer is
// the prompt's bytes over and over, unless the test holds it. Not a model of anything: it makes the server's own
// behaviour visible.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "server/predictor.h"

namespace ganglion::server {

class FakePredictor : public Predictor {
 public:
  static constexpr std::int32_t kEos = 2;
  static constexpr std::int32_t kFirstByte = 10;

  explicit FakePredictor(std::int64_t positions) : positions_(positions), thread_([this] { work(); }) {}
  ~FakePredictor() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // While held, requests are taken and no token is made.
  void hold(bool held) {
    {
      std::lock_guard lock(mutex_);
      held_ = held;
    }
    changed_.notify_all();
  }
  void set_capacity(std::size_t capacity) { capacity_ = capacity; }
  // Every request fails with this after its first token.
  void set_failure(std::exception_ptr failure) { failure_ = std::move(failure); }
  // Streams never end by themselves: max_new_tokens is not looked at.
  void set_endless() { endless_ = true; }
  bool wait_until(const std::function<bool(FakePredictor&)>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return condition(*this); });
  }
  std::size_t running() const { return running_.size(); }  // inside wait_until
  int cancelled() const { return cancelled_; }             // inside wait_until
  engine::Request last_request() {
    std::lock_guard lock(mutex_);
    return last_;
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids = {kEos};
    for (const unsigned char c : text) ids.push_back(kFirstByte + c);
    return ids;
  }
  std::string decode(std::span<const std::int32_t> ids, Specials specials) const override {
    std::string text;
    for (const std::int32_t id : ids) text += piece(id, specials);
    return text;
  }
  std::unique_ptr<TextStream> open_stream(Specials specials) const override {
    struct Stream : TextStream {
      explicit Stream(Specials kept) : specials(kept) {}
      std::string push(std::int32_t id) override { return piece(id, specials); }
      std::string flush() override { return ""; }
      Specials specials;
    };
    return std::make_unique<Stream>(specials);
  }
  bool is_special(std::int32_t id) const override { return id == kEos; }
  std::vector<std::int32_t> eos_ids() const override { return {kEos}; }
  std::int64_t vocabulary() const override { return kFirstByte + 256; }
  std::int64_t n_positions() const override { return positions_; }
  std::size_t longest_prompt_bytes() const override { return static_cast<std::size_t>(positions_) * 4; }

  std::uint64_t submit(engine::Request request) override {
    std::uint64_t id;
    {
      std::lock_guard lock(mutex_);
      if (running_.size() >= capacity_) fail(Code::kUnavailable, "[fake] the queue is full");
      id = next_id_++;
      last_ = request;
      running_[id] = {std::move(request), 0};
    }
    changed_.notify_all();
    return id;
  }
  void cancel(std::uint64_t id) override {
    engine::Request request;
    {
      std::lock_guard lock(mutex_);
      const auto found = running_.find(id);
      if (found == running_.end()) return;
      request = std::move(found->second.request);
      running_.erase(found);
      ++cancelled_;
      ended_.push_back(std::move(request));
    }
    changed_.notify_all();
  }

 private:
  struct Running {
    engine::Request request;
    std::int64_t made = 0;
  };

  static std::string piece(std::int32_t id, Specials specials) {
    if (id == kEos) return specials == Specials::kKeep ? "</s>" : "";
    return std::string(1, static_cast<char>(id - kFirstByte));
  }

  // One token at a time to one request at a time, always on this thread, as the engine does it.
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !ended_.empty() || (!held_ && !running_.empty()); });
      if (stopping_) return;
      if (!ended_.empty()) {
        const engine::Request request = std::move(ended_.back());
        ended_.pop_back();
        lock.unlock();
        engine::TokenEvent end;
        end.finish = engine::FinishReason::kCancelled;
        request.on_token(end);
        lock.lock();
        continue;
      }
      const auto first = running_.begin();
      Running& running = first->second;
      const std::vector<std::int32_t>& prompt = running.request.prompt;
      engine::TokenEvent event;
      event.id = prompt.size() > 1 ? prompt[1 + static_cast<std::size_t>(running.made) % (prompt.size() - 1)]
                                   : kFirstByte + 'x';
      event.log_prob = -0.5F;
      ++running.made;
      const auto on_token = running.request.on_token;
      if (failure_ && running.made > 1) {
        event.id = -1;
        event.finish = engine::FinishReason::kError;
        event.error = failure_;
      } else if (!endless_ && running.made == running.request.max_new_tokens) {
        event.finish = engine::FinishReason::kLength;
      }
      if (event.finish != engine::FinishReason::kNone) running_.erase(first);
      lock.unlock();
      changed_.notify_all();
      on_token(event);
      lock.lock();
    }
  }

  const std::int64_t positions_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Running> running_;
  std::vector<engine::Request> ended_;
  engine::Request last_;
  std::uint64_t next_id_ = 1;
  std::size_t capacity_ = 1000;
  std::exception_ptr failure_;
  bool held_ = false;
  bool endless_ = false;
  bool stopping_ = false;
  int cancelled_ = 0;
  std::thread thread_;
};

}  // namespace ganglion::server
