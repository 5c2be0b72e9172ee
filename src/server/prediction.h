// One prediction request on its way through a model: from its body to its answer or its stream. Runs on a worker
// (reading the body, tokenizing, writing the answer) and on the engine thread (collecting tokens).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "http/responder.h"
#include "server/jobs.h"
#include "server/predictor.h"

namespace ganglion::server {

struct PredictionContext {
  std::string model;  // its name, for messages
  std::shared_ptr<Predictor> predictor;
  std::int64_t batch_size = 1;
  std::chrono::milliseconds timeout{120'000};
  Jobs* jobs = nullptr;  // not owned, like the next one: both outlive every prediction
  Deadlines* deadlines = nullptr;
};

// Reads `body`, runs what it asks for, answers through `responder`; returns when the work is handed to the engine.
// Never throws: what is wrong with the request is answered with 424, a full queue or a timeout with 503. A client that
// leaves cancels its tokens.
void start_prediction(const PredictionContext& context, std::string body, std::shared_ptr<http::Responder> responder,
                      std::string request_id);

}  // namespace ganglion::server
