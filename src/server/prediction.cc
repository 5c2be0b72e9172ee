#include "server/prediction.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "server/json_text.h"
#include "server/replies.h"
#include "server/task.h"

namespace ganglion::server {
namespace {

using Json = nlohmann::ordered_json;

// One prompt and what came of it.
struct Row {
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> generated;
  std::vector<float> log_probs;
  engine::FinishReason finish = engine::FinishReason::kNone;
  std::uint64_t engine_id = 0;
  bool submitted = false;
};

std::string_view finish_name(engine::FinishReason reason) {
  return reason == engine::FinishReason::kEos ? "eos_token" : "length";
}

class Prediction : public std::enable_shared_from_this<Prediction> {
 public:
  Prediction(PredictionContext context, std::shared_ptr<http::Responder> responder, std::string request_id)
      : token_(*context.in_flight),
        context_(std::move(context)),
        responder_(std::move(responder)),
        request_id_(std::move(request_id)) {}

  void start(const std::string& body) {
    try {
      Predictor& predictor = *context_.predictor;
      task_ = parse_task(body, {.batch_size = context_.batch_size,
                                .n_positions = predictor.n_positions(),
                                .vocabulary = predictor.vocabulary()});
      encode();
      submit();
    } catch (const Error& error) {
      fail_with(error.code() == Code::kUnavailable
                    ? error_reply(503, "WlmCapacityException",
                                  "Worker queue capacity exceeded for model: " + context_.model, request_id_)
                    : prediction_failure(error.what(), request_id_));
    } catch (const std::exception& error) {
      fail_with(prediction_failure(error.what(), request_id_));
    }
  }

 private:
  void encode() {
    const Predictor& predictor = *context_.predictor;
    const std::int64_t most = predictor.n_positions();
    for (std::size_t i = 0; i < task_.prompts.size(); ++i) {
      const std::string& text = task_.prompts[i];
      if (text.size() > predictor.longest_prompt_bytes()) {
        fail(
            Code::kInvalidArgument,
            "[request] prompt {} has {} bytes, which is more than {} tokens (option.n_positions in serving.properties)",
            i, text.size(), most);
      }
      Row row;
      row.prompt = predictor.encode(text);
      rows_.push_back(std::move(row));
      check_length(i);
    }
  }

  // Throws when prompt and answer cannot fit.
  void check_length(std::size_t i) const {
    const auto length = static_cast<std::int64_t>(rows_[i].prompt.size());
    const std::int64_t most = context_.predictor->n_positions();
    if (task_.form != Task::Form::kParameters) {
      if (length <= task_.seq_length) return;
      fail(Code::kInvalidArgument, "[request] seq_length is {}, but prompt {} has {} tokens already; wanted {} to {}",
           task_.seq_length, i, length, length, most);
    }
    if (length >= most) {
      fail(Code::kInvalidArgument,
           "[request] prompt {} has {} tokens; wanted at most {}, one less than option.n_positions in "
           "serving.properties",
           i, length, most - 1);
    }
    if (task_.max_new_tokens && length + *task_.max_new_tokens > most) {
      fail(Code::kInvalidArgument,
           "[request] parameters.max_new_tokens is {}, and prompt {} has {} tokens: {} together; wanted at most {} "
           "(option.n_positions in "
           "serving.properties)",
           *task_.max_new_tokens, i, length, length + *task_.max_new_tokens, most);
    }
    if (!task_.max_new_tokens && task_.max_length && *task_.max_length <= length) {
      fail(Code::kInvalidArgument,
           "[request] parameters.max_length is {}, but prompt {} has {} tokens already; wanted {} to {}",
           *task_.max_length, i, length, length + 1, most);
    }
  }

  std::int64_t new_tokens(const Row& row) const {
    const auto length = static_cast<std::int64_t>(row.prompt.size());
    if (task_.form != Task::Form::kParameters) return task_.seq_length - length;
    if (task_.max_new_tokens) return *task_.max_new_tokens;
    if (task_.max_length) return *task_.max_length - length;
    return std::min(kDefaultNewTokens, context_.predictor->n_positions() - length);
  }

  void submit() {
    auto self = shared_from_this();
    unfinished_ = rows_.size();
    if (task_.stream) text_ = context_.predictor->open_stream(Specials::kSkip);
    deadline_ = context_.deadlines->add(Clock::now() + context_.timeout, [weak = weak_from_this()] {
      if (auto alive = weak.lock()) alive->time_out();
    });
    responder_->on_disconnect([weak = weak_from_this()] {
      if (auto alive = weak.lock()) alive->give_up();
    });
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      engine::Request request;
      request.max_new_tokens = new_tokens(rows_[i]);
      if (request.max_new_tokens == 0) {
        finish_row(i, engine::FinishReason::kLength);
        continue;
      }
      request.prompt = rows_[i].prompt;
      request.sampling = task_.sampling;
      request.cache_salt = task_.cache_salt;
      // Rows of one request with one seed must not be copies of each other.
      if (request.sampling.seed) *request.sampling.seed += i;
      if (task_.form == Task::Form::kParameters && !task_.ignore_eos) {
        request.stop_ids = task_.eos_ids ? *task_.eos_ids : context_.predictor->eos_ids();
      }
      request.on_token = [self, i](const engine::TokenEvent& event) { self->on_token(i, event); };
      const std::uint64_t id = context_.predictor->submit(std::move(request));
      bool cancel = false;
      {
        std::lock_guard lock(mutex_);
        rows_[i].engine_id = id;
        rows_[i].submitted = true;
        cancel = given_up_;
      }
      if (cancel) context_.predictor->cancel(id);
    }
  }

  // On the engine thread.
  void on_token(std::size_t i, const engine::TokenEvent& event) {
    Row& row = rows_[i];  // only this thread and, after the last event, finish() touch these members
    if (event.id >= 0 && event.finish != engine::FinishReason::kCancelled &&
        event.finish != engine::FinishReason::kError) {
      row.generated.push_back(event.id);
      row.log_probs.push_back(event.log_prob);
      if (task_.stream) stream_token(row, event);
    }
    if (event.finish == engine::FinishReason::kNone) return;
    if (event.error) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = event.error;
    }
    finish_row(i, event.finish);
  }

  void finish_row(std::size_t i, engine::FinishReason reason) {
    {
      std::lock_guard lock(mutex_);
      rows_[i].finish = reason;
      if (--unfinished_ > 0) return;
    }
    context_.jobs->post([self = shared_from_this()] { self->finish(); });
  }

  void stream_token(const Row& row, const engine::TokenEvent& event) {
    const bool last = event.finish != engine::FinishReason::kNone;
    std::string piece = text_->push(event.id);
    if (last) piece += text_->flush();
    streamed_ += piece;
    Json token = {{"id", {event.id}}};
    if (!piece.empty()) token["text"] = piece;
    if (event.log_prob != 0) token["log_prob"] = event.log_prob;
    Json line = {{"token", std::move(token)}};
    if (last) {
      const std::string prompt = task_.return_full_text.value_or(false) ? task_.prompts[0] : "";
      line["generated_text"] = prompt + streamed_;
      if (task_.details) {
        line["details"] = {{"finish_reason", finish_name(event.finish)},
                           {"generated_tokens", row.generated.size()},
                           {"inputs", task_.prompts[0]}};
      }
    }
    write_line(python_line(line));
  }

  void write_line(std::string line) {
    line += '\n';
    if (streaming_) {
      responder_->write_chunk(std::move(line));
    } else {
      streaming_ = true;
      responder_->start_stream(reply(200, std::move(line), "application/jsonlines", request_id_));
    }
  }

  // On a worker, when every row has ended.
  void finish() {
    context_.deadlines->remove(deadline_);
    std::exception_ptr error;
    bool cancelled = false;
    {
      std::lock_guard lock(mutex_);
      error = error_;
      for (const Row& row : rows_) cancelled = cancelled || row.finish == engine::FinishReason::kCancelled;
    }
    if (error) return fail_in_prediction(error);
    if (cancelled) {
      if (streaming_) return end_broken_stream("the prediction was cancelled");
      responder_->send(
          error_reply(503, "WlmException", "The prediction was cancelled: the server is stopping", request_id_));
      return;
    }
    if (streaming_) {
      responder_->end();
      return;
    }
    try {
      responder_->send(reply(200, python_text(answer()), "application/json", request_id_));
    } catch (const std::exception& failure) {
      responder_->send(prediction_failure(failure.what(), request_id_));
    }
  }

  void fail_in_prediction(const std::exception_ptr& error) {
    std::string message = "unknown";
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& failure) {
      message = failure.what();
    } catch (...) {
    }
    log::error("[server] {}: a prediction failed: {}", context_.model, message);
    if (streaming_) return end_broken_stream(message);
    responder_->send(prediction_failure(message, request_id_));
  }

  void end_broken_stream(const std::string& message) {
    write_line(python_line({{"code", 424}, {"error", message}}));
    responder_->end();
  }

  Json answer() const {
    Json list = Json::array();
    for (const Row& row : rows_) list.push_back(row_answer(row));
    if (task_.form == Task::Form::kText) return Json{{"outputs", std::move(list)}};
    return list;
  }

  Json row_answer(const Row& row) const {
    const Predictor& predictor = *context_.predictor;
    std::vector<std::int32_t> all = row.prompt;
    all.insert(all.end(), row.generated.begin(), row.generated.end());
    if (task_.form != Task::Form::kParameters) return predictor.decode(all, Specials::kKeep);
    std::string text = predictor.decode(all, Specials::kSkip);
    if (!task_.return_full_text.value_or(true)) {
      const std::string prompt = predictor.decode(row.prompt, Specials::kSkip);
      text = text.starts_with(prompt) ? text.substr(prompt.size()) : predictor.decode(row.generated, Specials::kSkip);
    }
    Json out = {{"generated_text", std::move(text)}};
    if (task_.details) out["details"] = details(row);
    return out;
  }

  Json details(const Row& row) const {
    const auto stream = context_.predictor->open_stream(Specials::kSkip);
    Json tokens = Json::array();
    for (std::size_t t = 0; t < row.generated.size(); ++t) {
      const std::int32_t id = row.generated[t];
      std::string piece = stream->push(id);
      if (t + 1 == row.generated.size()) piece += stream->flush();
      Json token = {{"id", {id}}, {"text", std::move(piece)}, {"log_prob", row.log_probs[t]}};
      if (context_.predictor->is_special(id)) token["special_token"] = true;
      tokens.push_back(std::move(token));
    }
    return {{"finish_reason", finish_name(row.finish)},
            {"generated_tokens", row.generated.size()},
            {"inputs", task_.prompts[static_cast<std::size_t>(&row - rows_.data())]},
            {"tokens", std::move(tokens)}};
  }

  void fail_with(http::Response response) {
    responder_->send(std::move(response));
    context_.deadlines->remove(deadline_);
    give_up();
  }

  void time_out() {
    log::warning("[server] {}: no answer within predict_timeout, {} ms", context_.model, context_.timeout.count());
    const std::string message =
        fmt::format("No answer from model {} within {} s; change option.predict_timeout in serving.properties",
                    context_.model, static_cast<double>(context_.timeout.count()) / 1000);
    responder_->send(error_reply(503, "WlmException", message, request_id_));  // nothing happens in mid-stream
    give_up();
  }

  // Ends what the engine still runs.
  void give_up() {
    std::vector<std::uint64_t> running;
    {
      std::lock_guard lock(mutex_);
      given_up_ = true;
      for (const Row& row : rows_) {
        if (row.submitted && row.finish == engine::FinishReason::kNone) running.push_back(row.engine_id);
      }
    }
    for (const std::uint64_t id : running) context_.predictor->cancel(id);
  }

  // First, so that it goes last: an engine must not be destroyed by its own thread, which may drop the last reference
  // to a prediction, so the server waits for all predictions before it drops its engines.
  const InFlight::Token token_;
  const PredictionContext context_;
  const std::shared_ptr<http::Responder> responder_;
  const std::string request_id_;
  Task task_;
  std::unique_ptr<TextStream> text_;  // of a stream, like the next two: the engine thread's until the last event
  std::string streamed_;
  bool streaming_ = false;
  Deadlines::Key deadline_;

  std::mutex mutex_;  // of rows_' finish, engine_id and submitted, and of what follows
  std::vector<Row> rows_;
  std::size_t unfinished_ = 0;
  bool given_up_ = false;
  std::exception_ptr error_;
};

}  // namespace

void start_prediction(const PredictionContext& context, std::string body, std::shared_ptr<http::Responder> responder,
                      std::string request_id) {
  std::make_shared<Prediction>(context, std::move(responder), std::move(request_id))->start(body);
}

}  // namespace ganglion::server
