#include "http/connection.h"

#include <fmt/core.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "http/exchange.h"

namespace ganglion::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// Unparsed input that is kept while a request is in flight: a client may pipeline, but not without bound. While the
// buffer is full the socket is not read, so a client that leaves then is noticed when it is written to.
constexpr std::size_t kInputBytes = 64 << 10;
constexpr Milliseconds kLingerTime{2000};

// Posts to the connection; holds the io_context so that a handler may outlive its server.
class PostingResponder : public Responder {
 public:
  PostingResponder(std::shared_ptr<asio::io_context> io, std::weak_ptr<Connection> connection,
                   std::shared_ptr<Exchange> exchange, std::uint64_t id, std::size_t backlog_limit)
      : io_(std::move(io)),
        connection_(std::move(connection)),
        exchange_(std::move(exchange)),
        id_(id),
        backlog_limit_(backlog_limit) {}

  ~PostingResponder() override {
    const Exchange::State before = finish();
    if (before == Exchange::State::kDone) return;
    post([id = id_, before](Connection& connection) {
      if (before == Exchange::State::kStreaming) return connection.cut_exchange(id, "its handler dropped the stream");
      Response response;
      response.status = 500;
      response.close = true;
      connection.respond(id, std::move(response));
    });
  }

  bool send(Response response) override {
    if (!move_on(Exchange::State::kOpen, Exchange::State::kDone)) return false;
    post([id = id_, response = std::move(response)](Connection& connection) mutable {
      connection.respond(id, std::move(response));
    });
    return true;
  }

  bool start_stream(Response head) override {
    if (!move_on(Exchange::State::kOpen, Exchange::State::kStreaming)) return false;
    post([id = id_, head = std::move(head)](Connection& connection) mutable {
      connection.begin_stream(id, std::move(head));
    });
    return true;
  }

  bool write_chunk(std::string data) override {
    bool backlog_fits = false;
    {
      std::lock_guard lock(exchange_->mutex);
      if (exchange_->gone || exchange_->too_slow || exchange_->state != Exchange::State::kStreaming) return false;
      exchange_->posted += data.size();
      exchange_->too_slow = exchange_->posted + exchange_->unsent > backlog_limit_;
      if (!exchange_->too_slow) backlog_fits = true;
    }
    if (!backlog_fits) {
      post([id = id_](Connection& connection) { connection.cut_exchange(id, "it does not read its stream"); });
      return false;
    }
    post([id = id_, data = std::move(data)](Connection& connection) mutable {
      connection.write_part(id, std::move(data));
    });
    return true;
  }

  bool end() override {
    if (!move_on(Exchange::State::kStreaming, Exchange::State::kDone)) return false;
    post([id = id_](Connection& connection) { connection.end_stream(id); });
    return true;
  }

  void abort() override {
    if (finish() == Exchange::State::kDone) return;
    post([id = id_](Connection& connection) { connection.cut_exchange(id, "its handler gave up"); });
  }

  void on_disconnect(std::function<void()> callback) override {
    {
      std::lock_guard lock(exchange_->mutex);
      if (exchange_->state == Exchange::State::kDone) return;
      if (!exchange_->gone) {
        exchange_->on_disconnect = std::move(callback);
        return;
      }
    }
    callback();
  }

  bool disconnected() const override {
    std::lock_guard lock(exchange_->mutex);
    return exchange_->gone;
  }

 private:
  bool move_on(Exchange::State from, Exchange::State to) {
    std::function<void()> forgotten;  // destroyed outside the lock: it may own anything
    std::lock_guard lock(exchange_->mutex);
    if (exchange_->gone || exchange_->state != from) return false;
    exchange_->state = to;
    if (to == Exchange::State::kDone) forgotten = std::move(exchange_->on_disconnect);
    return true;
  }

  // Marks the exchange as complete; returns the state before.
  Exchange::State finish() {
    std::function<void()> forgotten;
    std::lock_guard lock(exchange_->mutex);
    forgotten = std::move(exchange_->on_disconnect);
    return std::exchange(exchange_->state, Exchange::State::kDone);
  }

  template <typename F>
  void post(F&& work) {
    asio::post(*io_, [connection = connection_, work = std::forward<F>(work)]() mutable {
      if (auto alive = connection.lock()) work(*alive);
    });
  }

  const std::shared_ptr<asio::io_context> io_;
  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<Exchange> exchange_;
  const std::uint64_t id_;
  const std::size_t backlog_limit_;
};

}  // namespace

Connection::Connection(const std::shared_ptr<asio::io_context>& io, tcp::socket socket, ConnectionHost& host)
    : io_(io), socket_(std::move(socket)), timer_(*io), host_(host) {
  ErrorCode ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  const auto end = socket_.remote_endpoint(ignored);
  remote_ = fmt::format("{}:{}", end.address().to_string(ignored), end.port());
}

void Connection::start() {
  parser_ = std::make_unique<RequestParser>(host_.options.limits);
  arm(host_.options.header_timeout);
  read();
}

// ---- reading -------------------------------------------------------------------------------------------------------

void Connection::read() {
  if (reading_ || phase_ == Phase::kClosed) return;
  if (input_.size() >= kInputBytes) {
    if (phase_ != Phase::kLinger) return;
    input_.clear();
  }
  reading_ = true;
  // Waiting first costs an idle connection no buffer.
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
    self->reading_ = false;
    if (self->phase_ == Phase::kClosed) return;
    if (error) return self->cut();
    const std::size_t before = self->input_.size();
    self->input_.resize(before + 16384);
    ErrorCode failure;
    const std::size_t bytes = self->socket_.read_some(asio::buffer(self->input_.data() + before, 16384), failure);
    self->input_.resize(before + bytes);
    if (failure == asio::error::would_block || failure == asio::error::try_again) return self->read();
    if (failure == asio::error::eof) return self->on_end_of_input();
    if (failure) return self->cut();
    self->on_read();
  });
}

void Connection::on_read() {
  if (phase_ == Phase::kLinger) {
    input_.clear();
  } else {
    advance();
  }
  read();
}

// The client closed its side. An answer that is complete is still written; a request in flight is taken as abandoned.
void Connection::on_end_of_input() {
  const bool answered = phase_ == Phase::kInFlight && exchange_ == nullptr;
  if (answered) {
    close_after_ = true;
    input_.clear();
    return;
  }
  if (phase_ == Phase::kInFlight) {
    // An answer may have been posted already and wait its turn: let it come first.
    bool done = false;
    {
      std::lock_guard lock(exchange_->mutex);
      done = exchange_->state == Exchange::State::kDone;
    }
    if (done) {
      close_after_ = true;
      keep_alive_ = false;
      input_.clear();
      return;
    }
  }
  cut();
}

// Feeds the parser with what was read, unless a request is being answered.
void Connection::advance() {
  if (phase_ != Phase::kIdle && phase_ != Phase::kReading) return;
  if (input_.empty()) return;
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kReading;
    saw_continue_ = false;
    body_credit_ = 0;
    arm(host_.options.header_timeout);
  }
  const bool had_header = parser_->state() == RequestParser::State::kBody;
  const std::size_t used = parser_->put(input_);
  input_.erase(0, used);
  switch (parser_->state()) {
    case RequestParser::State::kHeader:
      return;
    case RequestParser::State::kBody: {
      if (!had_header) arm(host_.options.body_timeout);
      // A body may take body_timeout and one second more for each slow_body_bytes that arrived.
      const std::uint64_t earned = parser_->body_bytes() / host_.options.slow_body_bytes;
      if (earned > body_credit_) {
        const auto left =
            std::chrono::duration_cast<Milliseconds>(timer_.expiry() - asio::steady_timer::clock_type::now());
        arm(left + std::chrono::seconds(earned - body_credit_));
        body_credit_ = earned;
      }
      if (parser_->expects_continue() && !saw_continue_) {
        saw_continue_ = true;
        if (parser_->body_bytes() == 0 && input_.empty()) queue("HTTP/1.1 100 Continue\r\n\r\n");
      }
      return;
    }
    case RequestParser::State::kDone:
      return dispatch();
    case RequestParser::State::kMalformed:
      return refuse(400, "Invalid HTTP message.");
    case RequestParser::State::kBodyTooLarge:
      return refuse(413, fmt::format("the request's body is larger than {} bytes", host_.options.limits.body_bytes));
  }
}

void Connection::dispatch() {
  Request request = parser_->take();
  request.remote = remote_;
  phase_ = Phase::kInFlight;
  disarm();
  head_request_ = request.method == "HEAD";
  minor_version_ = request.minor_version;
  keep_alive_ = request.keep_alive;
  exchange_ = std::make_shared<Exchange>();
  auto responder = std::make_shared<PostingResponder>(io_.lock(), weak_from_this(), exchange_, ++exchange_id_,
                                                      host_.options.backlog_bytes);
  try {
    host_.handler(std::move(request), std::move(responder));
  } catch (const std::exception& error) {
    // The responder that the handler dropped on its way out answers 500.
    log::error("[http] a handler failed: {}", error.what());
  }
}

void Connection::refuse(int status, const std::string& message) {
  phase_ = Phase::kInFlight;
  disarm();
  head_request_ = false;
  minor_version_ = 1;
  input_.clear();
  Response response = host_.refusal(status, message);
  response.close = true;
  ++exchange_id_;
  exchange_ = std::make_shared<Exchange>();
  exchange_->state = Exchange::State::kDone;
  respond(exchange_id_, std::move(response));
}

// ---- answering -----------------------------------------------------------------------------------------------------

bool Connection::is_current(std::uint64_t id) const {
  return phase_ == Phase::kInFlight && exchange_ != nullptr && exchange_id_ == id;
}

void Connection::write_head(const Response& head, bool stream) {
  close_after_ = close_after_ || head.close || !keep_alive_ || host_.stopping || (stream && minor_version_ == 0);
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", head.status, head.reason.empty() ? reason_phrase(head.status) : head.reason);
  for (const auto& [name, value] : head.headers.fields()) {
    // A line break inside a value would let whoever chose the value write headers of his own.
    std::string clean = value;
    for (char& c : clean) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    }
    out += name + ": " + clean + "\r\n";
  }
  chunked_ = stream && minor_version_ == 1;
  if (chunked_) {
    out += "transfer-encoding: chunked\r\n";
  } else if (!stream) {
    out += fmt::format("content-length: {}\r\n", head.body.size());
  }
  out += close_after_ ? "connection: close\r\n\r\n" : "connection: keep-alive\r\n\r\n";
  queue(std::move(out));
}

void Connection::respond(std::uint64_t id, Response response) {
  if (!is_current(id)) return;
  for (char& c : response.reason) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  write_head(response, false);
  if (!head_request_) queue(std::move(response.body));
  finish_exchange();
}

void Connection::begin_stream(std::uint64_t id, Response head) {
  if (!is_current(id)) return;
  std::string first = std::move(head.body);
  head.body.clear();
  write_head(head, true);
  append_part(std::move(first));
}

void Connection::write_part(std::uint64_t id, std::string data) {
  if (!is_current(id)) return;
  {
    std::lock_guard lock(exchange_->mutex);
    exchange_->posted -= data.size();
  }
  append_part(std::move(data));
  note_backlog();
}

void Connection::append_part(std::string data) {
  if (data.empty() || head_request_) return;
  if (!chunked_) return queue(std::move(data));
  queue(fmt::format("{:x}\r\n{}\r\n", data.size(), data));
}

void Connection::end_stream(std::uint64_t id) {
  if (!is_current(id)) return;
  if (chunked_ && !head_request_) queue("0\r\n\r\n");
  finish_exchange();
}

void Connection::cut_exchange(std::uint64_t id, const char* why) {
  if (!is_current(id)) return;
  log::warning("[http] connection of {} cut: {}", remote_, why);
  cut();
}

void Connection::finish_exchange() {
  exchange_.reset();
  if (sending_.empty() && queued_.empty()) after_answer();
}

void Connection::queue(std::string bytes) {
  if (bytes.empty()) return;
  queued_.empty() ? queued_ = std::move(bytes) : queued_ += bytes;
  if (sending_.empty()) write();
}

void Connection::write() {
  if (sent_ == sending_.size()) {
    sending_ = std::move(queued_);
    queued_.clear();
    sent_ = 0;
  }
  if (phase_ == Phase::kInFlight) arm(host_.options.write_timeout);
  socket_.async_write_some(asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
                           [self = shared_from_this()](const ErrorCode& error, std::size_t bytes) {
                             if (self->phase_ == Phase::kClosed) return;
                             if (error) return self->cut();
                             self->sent_ += bytes;
                             self->note_backlog();
                             if (self->sent_ < self->sending_.size()) return self->write();
                             self->sending_.clear();
                             self->sent_ = 0;
                             if (!self->queued_.empty()) return self->write();
                             if (self->phase_ != Phase::kInFlight) return;
                             self->disarm();
                             if (!self->exchange_) self->after_answer();
                           });
}

void Connection::note_backlog() {
  if (!exchange_) return;
  std::lock_guard lock(exchange_->mutex);
  exchange_->unsent = sending_.size() - sent_ + queued_.size();
}

// The answer is written: next request, or good-bye.
void Connection::after_answer() {
  if (close_after_) return linger();
  phase_ = Phase::kIdle;
  parser_ = std::make_unique<RequestParser>(host_.options.limits);
  arm(host_.options.idle_timeout);
  advance();
  read();
}

// Closing a socket with unread input resets it, and the client may lose the answer: say that nothing more comes, and
// read what it still sends for a moment.
void Connection::linger() {
  phase_ = Phase::kLinger;
  ErrorCode ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  arm(kLingerTime);
  read();
}

// ---- ending --------------------------------------------------------------------------------------------------------

void Connection::close_when_idle() {
  if (phase_ == Phase::kIdle ||
      (phase_ == Phase::kReading && input_.empty() && parser_->state() == RequestParser::State::kHeader)) {
    cut();
  } else {
    close_after_ = phase_ != Phase::kLinger;
  }
}

void Connection::cut() {
  if (phase_ == Phase::kClosed) return;
  auto self = shared_from_this();
  phase_ = Phase::kClosed;
  ErrorCode ignored;
  timer_.cancel(ignored);
  socket_.close(ignored);
  if (auto exchange = std::move(exchange_)) exchange->disconnect();
  host_.closed(*this);
}

void Connection::arm(Milliseconds limit) {
  const std::uint64_t generation = ++timer_generation_;
  timer_.expires_after(limit);
  timer_.async_wait([self = shared_from_this(), generation](const ErrorCode& error) {
    if (!error && generation == self->timer_generation_) self->on_deadline();
  });
}

void Connection::disarm() {
  ++timer_generation_;
  timer_.cancel();
}

void Connection::on_deadline() {
  switch (phase_) {
    case Phase::kReading: {
      const bool header = parser_->state() == RequestParser::State::kHeader;
      const Milliseconds limit = header ? host_.options.header_timeout : host_.options.body_timeout;
      return refuse(408,
                    fmt::format("the request's {} took longer than {} ms", header ? "header" : "body", limit.count()));
    }
    case Phase::kInFlight:
      log::warning("[http] connection of {} cut: nothing could be written for {} ms", remote_,
                   host_.options.write_timeout.count());
      return cut();
    case Phase::kIdle:
    case Phase::kLinger:
    case Phase::kClosed:
      return cut();
  }
}

}  // namespace ganglion::http
