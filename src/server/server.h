// The model server: models loaded, routes answered, stopped in order. What a client sees is DJL Serving's HTTP surface:
//   any method  /predictions/{model}[/{version}]   /invocations   /models/{model}/invoke
//   any method  /ping        GET /metrics (Prometheus)        everything else: 404
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "http/server.h"
#include "server/config.h"
#include "server/hosted_models.h"

namespace ganglion::metrics {
class Registry;
}

namespace ganglion::server {

class Server {
 public:
  // Loads the models and serves. With wait_model_loading the models are ready before the port is bound; what a model or
  // the address fails with is thrown. Without it the port is bound first, and a model that cannot be loaded is FAILED.
  // `http` carries timeouts for tests; its address and limits come from `config`. The registry must outlive the server.
  Server(const ServerConfig& config, ModelLoader loader, metrics::Registry& registry, http::ServerOptions http = {});
  // stop() with no time to finish.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port it listens on.
  std::uint16_t port() const noexcept;
  // Stops accepting, finishes what is in flight for at most `deadline`, cancels the rest. Thread-safe, not for signal
  // handlers.
  void stop(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ganglion::server
