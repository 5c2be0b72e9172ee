// Requests at random times, and what became of them: the same trace can be run in more than one way and compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace ganglion::cli {

struct TraceOptions {
  std::int64_t requests = 64;
  std::int64_t shortest_prompt = 32, longest_prompt = 1024;  // tokens, uniform
  std::int64_t shortest_answer = 16, longest_answer = 256;
  std::int64_t in_flight = 64;  // at most; what arrives meanwhile is sent later
};

struct TraceRequest {
  double arrives = 0;  // seconds after the begin
  std::vector<std::int32_t> prompt;
  std::int64_t new_tokens = 0;
};

// Lengths are the same for every `text`; the tokens are not, so that no run finds another's prompts cached. Arrivals
// are a Poisson process of `rate` requests a second, all at once when it is 0.
std::vector<TraceRequest> make_trace(const TraceOptions& options, double rate, std::uint64_t text, std::int64_t vocab);

// Seconds after the begin.
struct TracedRequest {
  std::vector<double> tokens;
};

struct TraceFigures {
  std::int64_t tokens = 0;
  double seconds = 0;                               // until the last token
  double gap_median = 0, gap_p99 = 0, gap_max = 0;  // between two tokens of a request
  double first_median = 0, first_p99 = 0;           // from the arrival to the first token
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};
TraceFigures figures_of(const std::vector<TraceRequest>& trace, const std::vector<TracedRequest>& ran);

// The engine called directly.
std::vector<TracedRequest> run_on_engine(engine::Engine& engine, const std::vector<TraceRequest>& trace,
                                         std::int64_t in_flight);
// A server on this port over HTTP, one connection a request, its tokens streamed. Prompts are sent as numbers.
std::vector<TracedRequest> run_over_http(std::uint16_t port, const std::string& model,
                                         const std::vector<TraceRequest>& trace, std::int64_t in_flight);

}  // namespace ganglion::cli
