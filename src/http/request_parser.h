// Turns the bytes of one connection into requests, one at a time, within limits. No sockets, no clock: it is fed by
// connection.cc and by the fuzzer. The grammar is Boost.Beast's; what Beast lets through and a proxy might read
// differently (two lengths, a length with a transfer coding) is refused here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace ganglion::http {

struct RequestLimits {
  std::uint64_t request_line_bytes = 4096;
  std::uint64_t header_bytes = 8192;
  std::uint64_t body_bytes = 64u << 20;
};

class RequestParser {
 public:
  enum class State {
    kHeader,       // the header is not complete
    kBody,         // the header is complete, the body is not
    kDone,         // take() may be called
    kMalformed,    // not HTTP, or over a header limit: answer 400 and close
    kBodyTooLarge  // the declared or the received body is over the limit: answer 413 and close
  };

  explicit RequestParser(const RequestLimits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Consumes from the front of `bytes` and says how many; the caller keeps the rest and offers it again, followed by
  // what arrives later. Stops at the end of a request: what follows belongs to the next one. Memory grows with the
  // bytes received, never with the bytes declared.
  std::size_t put(std::string_view bytes);
  State state() const noexcept { return state_; }
  // True from the end of the header on, when the client waits for "100 Continue" before it sends its body.
  bool expects_continue() const noexcept { return expects_continue_; }
  // Body bytes so far.
  std::uint64_t body_bytes() const noexcept;
  // The finished request (kDone); the parser is spent afterwards.
  Request take();

 private:
  struct Grammar;

  std::size_t put_header(std::string_view bytes);
  bool check_request_line(std::string_view bytes);
  bool check_header();

  RequestLimits limits_;
  State state_ = State::kHeader;
  bool expects_continue_ = false;
  std::size_t blank_bytes_ = 0;
  std::size_t header_bytes_ = 0;  // taken so far, the request line's among them
  std::size_t line_bytes_ = 0;    // of the request line, as far as it has come
  std::unique_ptr<Grammar> grammar_;
  Request request_;
};

}  // namespace ganglion::http
