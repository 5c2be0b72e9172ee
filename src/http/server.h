// An HTTP/1.1 server: one io thread that reads, writes and watches the clock. Handlers run on it and must return at
// once; they answer later through their Responder (responder.h). It knows no routes (router.h) and no DJL.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/message.h"
#include "http/request_parser.h"
#include "http/responder.h"

namespace ganglion::http {

using Milliseconds = std::chrono::milliseconds;

struct ServerOptions {
  std::string host = "127.0.0.1";                      // an IP address or "localhost"
  std::uint16_t port = 8080;                           // 0: any free port, see Server::port()
  std::string where_to_change = "the listen address";  // names the setting when the address cannot be used

  RequestLimits limits;
  Milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its header
  Milliseconds body_timeout{30'000};    // for the whole body, plus one second for each slow_body_bytes received
  std::uint64_t slow_body_bytes = 16384;
  Milliseconds idle_timeout{75'000};       // between two requests on a kept-alive connection
  Milliseconds write_timeout{30'000};      // without any progress in writing
  std::uint64_t backlog_bytes = 1u << 20;  // of a stream, waiting for a client that reads too slowly
  std::size_t max_connections = 4096;      // further ones wait in the kernel's queue
};

using Handler = std::function<void(Request, std::shared_ptr<Responder>)>;
// Makes the answer to what never becomes a request: status 400, 408 or 413, with a sentence about it.
using Refusal = std::function<Response(int status, const std::string& message)>;

class Server {
 public:
  // Binds and starts to serve. Errors: kUnavailable when the address is in use, kInvalidArgument when it cannot be
  // used.
  Server(const ServerOptions& options, Handler handler, Refusal refusal);
  // stop() with no time to finish.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port it listens on.
  std::uint16_t port() const noexcept;
  // Open connections. Thread-safe.
  std::size_t connections() const noexcept;
  // Stops accepting, closes idle connections, lets requests in flight finish for at most `deadline`, then cuts the
  // rest. Returns when the io thread has ended. Thread-safe, but never from a handler; later calls return at once.
  void stop(Milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ganglion::http
