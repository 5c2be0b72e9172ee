#include "http/server.h"

#include <pthread.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/error.h"
#include "base/log.h"
#include "http/connection.h"

namespace ganglion::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// How long to wait before accepting again when the process has no descriptor left.
constexpr Milliseconds kAcceptPause{100};

}  // namespace

struct Server::Impl {
  Impl(const ServerOptions& options, Handler handler, Refusal refusal)
      : io(std::make_shared<asio::io_context>(1)),
        acceptor(*io),
        pause(*io),
        deadline(*io),
        work(asio::make_work_guard(*io)) {
    host.options = options;
    host.handler = std::move(handler);
    host.refusal = std::move(refusal);
    host.closed = [this](Connection& connection) { closed(connection); };
  }

  void bind() {
    const ServerOptions& options = host.options;
    ErrorCode error;
    const std::string name = options.host == "localhost" ? "127.0.0.1" : options.host;
    const auto address = asio::ip::make_address(name, error);
    if (error) {
      fail(Code::kInvalidArgument, "[http] address {}:{}: wanted an IP address or localhost; change {}", options.host,
           options.port, options.where_to_change);
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(1024, error);
    if (error == asio::error::address_in_use) {
      fail(Code::kUnavailable, "[http] address {}:{} is in use by another program; stop that program or change {}",
           options.host, options.port, options.where_to_change);
    }
    if (error) {
      fail(Code::kInvalidArgument, "[http] address {}:{} cannot be used: {}; change {}", options.host, options.port,
           error.message(), options.where_to_change);
    }
    port = acceptor.local_endpoint().port();
  }

  void accept() {
    if (accepting || host.stopping || open.size() >= host.options.max_connections) return;
    accepting = true;
    acceptor.async_accept([this](const ErrorCode& error, tcp::socket socket) {
      accepting = false;
      if (host.stopping) return;
      if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
          error == asio::error::no_memory) {
        log::warning("[http] cannot accept a connection: {}; raise the limit of open files (ulimit -n)",
                     error.message());
        pause.expires_after(kAcceptPause);
        pause.async_wait([this](const ErrorCode& cancelled) {
          if (!cancelled) accept();
        });
        return;
      }
      if (!error) {
        auto connection = std::make_shared<Connection>(io, std::move(socket), host);
        open.insert(connection);
        count = open.size();
        connection->start();
      }
      accept();
    });
  }

  void closed(Connection& connection) {
    open.erase(connection.shared_from_this());
    count = open.size();
    if (host.stopping && open.empty()) return finish();
    accept();
  }

  void begin_stop(Milliseconds limit) {
    host.stopping = true;
    ErrorCode ignored;
    acceptor.close(ignored);
    pause.cancel(ignored);
    const auto all = open;  // a copy: closing one erases it from the set
    for (const auto& connection : all) connection->close_when_idle();
    if (open.empty()) return finish();
    deadline.expires_after(limit);
    deadline.async_wait([this](const ErrorCode& cancelled) {
      if (cancelled) return;
      const auto rest = open;
      for (const auto& connection : rest) connection->cut();
    });
  }

  void finish() {
    deadline.cancel();
    work.reset();
    io->stop();
  }

  ConnectionHost host;
  std::shared_ptr<asio::io_context> io;  // shared with responders, which may outlive the server
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  asio::steady_timer deadline;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::unordered_set<std::shared_ptr<Connection>> open;
  std::atomic<std::size_t> count{0};
  bool accepting = false;
  std::uint16_t port = 0;
  std::mutex stop_mutex;
  bool stopped = false;
  std::thread thread;
};

Server::Server(const ServerOptions& options, Handler handler, Refusal refusal)
    : impl_(std::make_unique<Impl>(options, std::move(handler), std::move(refusal))) {
  impl_->bind();
  impl_->accept();
  impl_->thread = std::thread([impl = impl_.get()] {
    pthread_setname_np(pthread_self(), "http-io");
    while (true) {
      try {
        impl->io->run();
        return;
      } catch (const std::exception& error) {
        log::error("[http] the io thread caught: {}", error.what());
      }
    }
  });
}

Server::~Server() { stop(Milliseconds(0)); }

std::uint16_t Server::port() const noexcept { return impl_->port; }

std::size_t Server::connections() const noexcept { return impl_->count; }

void Server::stop(Milliseconds deadline) {
  std::lock_guard lock(impl_->stop_mutex);
  if (impl_->stopped) return;
  impl_->stopped = true;
  asio::post(*impl_->io, [impl = impl_.get(), deadline] { impl->begin_stop(deadline); });
  impl_->thread.join();
}

}  // namespace ganglion::http
