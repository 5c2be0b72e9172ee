// `ganglion bench serve`: a bounded load on a running server, over keep-alive connections, closed loop: each of
// `concurrency` clients sends its next request when the last was answered.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "cli/bench.h"

namespace ganglion::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  std::string port = "8080";
  std::string model = "opt13b";
  std::string prompt = "Hello, I am";
  std::int64_t new_tokens = 32;
  std::int64_t requests = 32;
  int concurrency = 8;
  bool json = false;
};

// A blocking HTTP/1.1 connection; enough of a client for our own server's answers with a content-length.
class Connection {
 public:
  Connection(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
      fail(Code::kUnavailable, "[bench serve] {}:{} cannot be resolved; change --host or --port", host, port);
    }
    for (addrinfo* address = found; address != nullptr && socket_ < 0; address = address->ai_next) {
      socket_ = ::socket(address->ai_family, address->ai_socktype, address->ai_protocol);
      if (socket_ >= 0 && ::connect(socket_, address->ai_addr, address->ai_addrlen) != 0) {
        ::close(socket_);
        socket_ = -1;
      }
    }
    ::freeaddrinfo(found);
    if (socket_ < 0)
      fail(Code::kUnavailable, "[bench serve] {}:{} does not answer: {}; is the server running?", host, port,
           std::strerror(errno));
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;

  // Sends a POST; returns the status, throws kUnavailable when the connection breaks.
  int post(const std::string& target, const std::string& host, const std::string& body) {
    const std::string request =
        fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    target, host, body.size(), body);
    for (std::size_t sent = 0; sent < request.size();) {
      const ssize_t n = ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) fail(Code::kUnavailable, "[bench serve] the connection broke while sending");
      sent += static_cast<std::size_t>(n);
    }
    std::size_t head = std::string::npos;
    while ((head = buffer_.find("\r\n\r\n")) == std::string::npos) receive();
    const int status = std::atoi(buffer_.c_str() + std::min<std::size_t>(9, buffer_.size()));
    std::string lower = buffer_.substr(0, head);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::size_t at = lower.find("content-length:");
    const std::size_t length =
        at == std::string::npos ? 0 : static_cast<std::size_t>(std::atoll(lower.c_str() + at + 15));
    while (buffer_.size() < head + 4 + length) receive();
    buffer_.erase(0, head + 4 + length);
    return status;
  }

 private:
  void receive() {
    char bytes[16384];
    const ssize_t n = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (n <= 0) fail(Code::kUnavailable, "[bench serve] the server closed the connection");
    buffer_.append(bytes, static_cast<std::size_t>(n));
  }

  int socket_ = -1;
  std::string buffer_;
};

int bench_serve(const Options& options) {
  const nlohmann::json body = {{"inputs", options.prompt},
                               {"parameters", {{"max_new_tokens", options.new_tokens}, {"ignore_eos_token", true}}}};
  const std::string text = body.dump();
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::vector<double> latencies;
  std::int64_t refused = 0;
  std::exception_ptr failure;
  const auto begin = Clock::now();
  std::vector<std::jthread> clients;
  for (int i = 0; i < options.concurrency; ++i) {
    clients.emplace_back([&] {
      try {
        Connection connection(options.host, options.port);
        while (next.fetch_add(1) < options.requests) {
          const auto start = Clock::now();
          const int status = connection.post("/predictions/" + options.model, options.host, text);
          const std::lock_guard<std::mutex> lock(mutex);
          latencies.push_back(std::chrono::duration<double>(Clock::now() - start).count());
          if (status != 200) {
            ++refused;
            return;
          }
        }
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        failure = std::current_exception();
      }
    });
  }
  clients.clear();
  if (failure) std::rethrow_exception(failure);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const Spread latency = spread(latencies);
  const auto answered = static_cast<std::int64_t>(latencies.size()) - refused;
  const double rate = static_cast<double>(answered * options.new_tokens) / seconds;
  if (options.json) {
    const nlohmann::json out = {
        {"benchmark", "serve"},
        {"requests", answered},
        {"not_answered_with_200", refused},
        {"concurrency", options.concurrency},
        {"tokens_per_second", rate},
        {"latency_s", {{"median", latency.median}, {"min", latency.min}, {"max", latency.max}}}};
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    std::printf("%lld requests answered, %lld not, %d at once: %.1f tokens/s, latency %.3f s (%.3f to %.3f)\n",
                static_cast<long long>(answered), static_cast<long long>(refused), options.concurrency, rate,
                latency.median, latency.min, latency.max);
  }
  return refused == 0 ? 0 : exit_code(Code::kUnavailable);
}

}  // namespace

Action add_bench_serve(CLI::App& verb, const Settings&) {
  auto options = std::make_shared<Options>();
  verb.add_option("--host", options->host, "where the server is")->capture_default_str();
  verb.add_option("--port", options->port, "its port")->capture_default_str();
  verb.add_option("--model", options->model, "the model to ask")->capture_default_str();
  verb.add_option("--prompt", options->prompt, "the prompt of every request")->capture_default_str();
  verb.add_option("--max-new-tokens", options->new_tokens, "tokens of every answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  verb.add_option("--requests", options->requests, "requests in all")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  verb.add_option("--concurrency", options->concurrency, "clients at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  verb.add_flag("--json", options->json, "print JSON");
  verb.footer("example: ganglion bench serve --model opt13b --concurrency 8 --requests 64");
  return [=] { return bench_serve(*options); };
}

}  // namespace ganglion::cli
