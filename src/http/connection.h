// One client's socket: reads requests, hands them to the handler one at a time, writes the answers in order. Lives on
// the io thread; only what Exchange guards is touched by others. Includes Asio: for server.cc and connection.cc only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/server.h"

namespace ganglion::http {

// What all connections of a server share. Outlives every connection that is still being run.
struct ConnectionHost {
  ServerOptions options;
  Handler handler;
  Refusal refusal;
  bool stopping = false;
  std::function<void(class Connection&)> closed;
};

// One request's answer, shared by the connection and by the handler's Responder.
struct Exchange;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(const std::shared_ptr<boost::asio::io_context>& io, boost::asio::ip::tcp::socket socket,
             ConnectionHost& host);

  void start();
  // Closes now when nothing is in flight, otherwise after the answer.
  void close_when_idle();
  // Closes now; a request in flight sees its client leave.
  void cut();

  // Called on the io thread for the exchange `id`; ignored when it is not the current one.
  void respond(std::uint64_t id, Response response);
  void begin_stream(std::uint64_t id, Response head);
  void write_part(std::uint64_t id, std::string data);
  void end_stream(std::uint64_t id);
  void cut_exchange(std::uint64_t id, const char* why);

 private:
  enum class Phase { kIdle, kReading, kInFlight, kLinger, kClosed };

  void read();
  void on_read();
  void on_end_of_input();
  void advance();
  void dispatch();
  void refuse(int status, const std::string& message);
  void write_head(const Response& head, bool stream);
  void append_part(std::string data);
  void queue(std::string bytes);
  void write();
  void note_backlog();
  void finish_exchange();
  void after_answer();
  void linger();
  void arm(Milliseconds limit);
  void disarm();
  void on_deadline();
  bool is_current(std::uint64_t id) const;

  // Weak: work that waits in the io_context owns connections, and would keep it and itself alive for ever.
  const std::weak_ptr<boost::asio::io_context> io_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  ConnectionHost& host_;
  std::string remote_;

  Phase phase_ = Phase::kIdle;
  std::unique_ptr<RequestParser> parser_;
  std::string input_;  // read and not yet parsed
  bool reading_ = false;
  bool saw_continue_ = false;
  std::uint64_t body_credit_ = 0;  // body bytes that the running deadline already counts

  std::string sending_;  // handed to the socket, from sent_ on
  std::size_t sent_ = 0;
  std::string queued_;  // to be sent after it
  bool close_after_ = false;

  std::uint64_t exchange_id_ = 0;
  std::shared_ptr<Exchange> exchange_;
  bool head_request_ = false;
  bool chunked_ = false;
  int minor_version_ = 1;
  bool keep_alive_ = true;
  std::uint64_t timer_generation_ = 0;
};

}  // namespace ganglion::http
