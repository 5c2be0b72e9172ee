#include "cli/request_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/error.h"
#include "http/client.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void sleep_until(Clock::time_point begin, double seconds) {
  std::this_thread::sleep_until(begin +
                                std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
}

double percentile(std::vector<double> numbers, double part) {
  if (numbers.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(numbers.size() - 1));
  std::nth_element(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(at), numbers.end());
  return numbers[at];
}

// Sends one request and notes when each token's line came.
void stream_one(std::uint16_t port, const std::string& model, const TraceRequest& request, Clock::time_point begin,
                TracedRequest& ran) {
  const nlohmann::json body = {{"inputs", fmt::format("{}", fmt::join(request.prompt, " "))},
                               {"parameters", {{"max_new_tokens", request.new_tokens}, {"ignore_eos_token", true}}},
                               {"stream", true}};
  const std::string text = body.dump();
  http::Client client(port, std::chrono::seconds(600));
  client.send(
      fmt::format("POST /predictions/{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  model, text.size(), text));
  const auto head = client.read_until("\r\n\r\n");
  if (!head || !head->starts_with("HTTP/1.1 200")) {
    fail(Code::kUnavailable, "[bench mixed] the server answered: {}", head ? head->substr(0, 200) : "nothing");
  }
  // Chunked: lines with a size, and lines with a token, which begin with a brace.
  while (true) {
    const auto line = client.read_until("\n");
    if (!line) fail(Code::kUnavailable, "[bench mixed] the server broke off a stream");
    if (line->starts_with("0\r")) return;
    if (!line->starts_with("{")) continue;
    if (line->starts_with("{\"code\"")) fail(Code::kUnavailable, "[bench mixed] the server answered: {}", *line);
    ran.tokens.push_back(seconds_since(begin));
  }
}

}  // namespace

std::vector<TraceRequest> make_trace(const TraceOptions& options, double rate, std::uint64_t text, std::int64_t vocab) {
  std::mt19937_64 lengths(1);
  std::mt19937_64 tokens(text);
  const auto between = [](std::mt19937_64& random, std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  std::vector<TraceRequest> out(static_cast<std::size_t>(options.requests));
  double now = 0;
  for (TraceRequest& request : out) {
    const double gap = std::exponential_distribution<double>(1)(lengths);  // drawn always: lengths do not depend on it
    request.arrives = rate > 0 ? now += gap / rate : 0;
    request.new_tokens = between(lengths, options.shortest_answer, options.longest_answer);
    const std::int64_t prompt = between(lengths, options.shortest_prompt, options.longest_prompt);
    while (static_cast<std::int64_t>(request.prompt.size()) < prompt)
      request.prompt.push_back(static_cast<std::int32_t>(between(tokens, 0, vocab - 1)));
  }
  return out;
}

TraceFigures figures_of(const std::vector<TraceRequest>& trace, const std::vector<TracedRequest>& ran) {
  TraceFigures out;
  std::vector<double> gaps, firsts;
  for (std::size_t i = 0; i < ran.size(); ++i) {
    const std::vector<double>& tokens = ran[i].tokens;
    if (static_cast<std::int64_t>(tokens.size()) != trace[i].new_tokens) {
      fail(Code::kInternal, "[bench mixed] request {} got {} tokens; wanted {}", i, tokens.size(), trace[i].new_tokens);
    }
    out.tokens += trace[i].new_tokens;
    out.seconds = std::max(out.seconds, tokens.back());
    firsts.push_back(tokens.front() - trace[i].arrives);
    for (std::size_t t = 1; t < tokens.size(); ++t) gaps.push_back(tokens[t] - tokens[t - 1]);
  }
  out.gap_median = percentile(gaps, 0.5);
  out.gap_p99 = percentile(gaps, 0.99);
  out.gap_max = percentile(gaps, 1);
  out.first_median = percentile(firsts, 0.5);
  out.first_p99 = percentile(firsts, 0.99);
  return out;
}

std::vector<TracedRequest> run_on_engine(engine::Engine& engine, const std::vector<TraceRequest>& trace,
                                         std::int64_t in_flight) {
  std::vector<TracedRequest> out(trace.size());
  std::mutex mutex;
  std::condition_variable ended;
  std::int64_t running = 0;
  std::exception_ptr error;
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < trace.size(); ++i) {
    sleep_until(begin, trace[i].arrives);
    {
      std::unique_lock<std::mutex> lock(mutex);
      ended.wait(lock, [&] { return running < in_flight; });
      ++running;
    }
    engine::Request request;
    request.prompt = trace[i].prompt;
    request.max_new_tokens = trace[i].new_tokens;
    request.on_token = [&, mine = &out[i]](const engine::TokenEvent& event) {
      if (event.id >= 0) mine->tokens.push_back(seconds_since(begin));
      if (event.finish == engine::FinishReason::kNone) return;
      const std::lock_guard<std::mutex> lock(mutex);
      if (event.error) error = event.error;
      --running;
      ended.notify_all();
    };
    engine.submit(std::move(request));
  }
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return running == 0; });
  if (error) std::rethrow_exception(error);
  return out;
}

std::vector<TracedRequest> run_over_http(std::uint16_t port, const std::string& model,
                                         const std::vector<TraceRequest>& trace, std::int64_t in_flight) {
  std::vector<TracedRequest> out(trace.size());
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> clients;
    for (std::int64_t client = 0; client < in_flight; ++client) {
      clients.emplace_back([&] {
        try {
          for (std::size_t i = next++; i < trace.size(); i = next++) {
            sleep_until(begin, trace[i].arrives);
            stream_one(port, model, trace[i], begin, out[i]);
          }
        } catch (...) {
          const std::lock_guard<std::mutex> lock(mutex);
          error = std::current_exception();
        }
      });
    }
  }
  if (error) std::rethrow_exception(error);
  return out;
}

}  // namespace ganglion::cli
