#include "http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "http/client.h"

namespace ganglion::http {
namespace {

// Something that happens on another thread and is waited for.
class Event {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// Responders of requests that the test answers itself.
class Held {
 public:
  void add(std::shared_ptr<Responder> responder) {
    std::lock_guard lock(mutex_);
    responders_.push_back(std::move(responder));
    changed_.notify_all();
  }
  std::shared_ptr<Responder> take() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !responders_.empty(); });
    auto first = responders_.at(0);
    responders_.erase(responders_.begin());
    return first;
  }
  bool empty() {
    std::lock_guard lock(mutex_);
    return responders_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Responder>> responders_;
};

Response text(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response refusal(int status, const std::string& message) { return text(status == 413 ? "" : message, status); }

ServerOptions on_any_port() {
  ServerOptions options;
  options.port = 0;
  return options;
}

// Answers at once with "METHOD target body".
void echo(Request request, std::shared_ptr<Responder> responder) {
  responder->send(text(request.method + " " + request.target + " " + request.body));
}

TEST(HttpServer, AnswersManyRequestsOnOneConnection) {
  Server server(on_any_port(), echo, refusal);
  Client client(server.port());
  for (int i = 0; i < 20; ++i) {
    const Response response = client.request("POST", "/" + std::to_string(i), "body");
    EXPECT_EQ(response.body, "POST /" + std::to_string(i) + " body");
    EXPECT_EQ(response.headers.get("connection"), "keep-alive");
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  Held held;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server.port());
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
  ASSERT_TRUE(client.send(bytes));
  for (int i = 0; i < 1000; ++i) held.take()->send(text(std::to_string(i)));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(client.read()->body, std::to_string(i));
}

TEST(HttpServer, AnswersFromAnotherThread) {
  Held held;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server.port());
  std::thread other([&] { held.take()->send(text("late")); });
  EXPECT_EQ(client.request("GET", "/").body, "late");
  other.join();
}

TEST(HttpServer, HonoursConnectionCloseAndHttp10) {
  Server server(on_any_port(), echo, refusal);
  for (const char* bytes : {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    Client client(server.port());
    ASSERT_TRUE(client.send(bytes));
    EXPECT_EQ(client.read()->headers.get("connection"), "close");
    EXPECT_TRUE(client.closed());
  }
}

TEST(HttpServer, AnAnswerMarkedCloseClosesTheConnection) {
  Server server(
      on_any_port(),
      [](Request, std::shared_ptr<Responder> responder) {
        Response response = text("no", 404);
        response.close = true;
        responder->send(std::move(response));
      },
      refusal);
  Client client(server.port());
  EXPECT_EQ(client.request("GET", "/").headers.get("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, HeadGetsTheLengthAndNoBody) {
  Server server(on_any_port(), echo, refusal);
  Client client(server.port());
  EXPECT_EQ(client.request("HEAD", "/abc").headers.get("content-length"), "10");
  EXPECT_EQ(client.request("GET", "/").body, "GET / ");
}

TEST(HttpServer, StreamsChunksAsTheyAreWritten) {
  Held held;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  EXPECT_TRUE(responder->start_stream(text("")));
  EXPECT_TRUE(responder->write_chunk("first"));
  EXPECT_TRUE(client.read_until("5\r\nfirst\r\n").has_value());  // before the second exists
  EXPECT_TRUE(responder->write_chunk("second"));
  EXPECT_TRUE(client.read_until("6\r\nsecond\r\n").has_value());
  EXPECT_TRUE(responder->end());
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_FALSE(responder->write_chunk("after the end"));
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  held.take()->send(text("next"));
  EXPECT_EQ(client.read()->body, "next");
}

TEST(HttpServer, AnHttp10ClientGetsItsStreamWithoutChunks) {
  Server server(
      on_any_port(),
      [](Request, std::shared_ptr<Responder> responder) {
        responder->start_stream(text("a"));
        responder->write_chunk("b");
        responder->end();
      },
      refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\n\r\n"));
  const auto response = client.read();
  EXPECT_FALSE(response->headers.has("transfer-encoding"));
  EXPECT_EQ(response->body, "ab");
}

TEST(HttpServer, TheFirstAnswerWins) {
  Server server(
      on_any_port(),
      [](Request, std::shared_ptr<Responder> responder) {
        EXPECT_TRUE(responder->send(text("first")));
        EXPECT_FALSE(responder->send(text("second")));
        EXPECT_FALSE(responder->start_stream(text("third")));
      },
      refusal);
  Client client(server.port());
  EXPECT_EQ(client.request("GET", "/").body, "first");
}

TEST(HttpServer, ADroppedResponderAnswers500) {
  Server server(
      on_any_port(), [](Request, std::shared_ptr<Responder>) {}, refusal);
  Client client(server.port());
  EXPECT_EQ(client.request("GET", "/").status, 500);
}

TEST(HttpServer, AHandlerThatThrowsAnswers500AndTheServerGoesOn) {
  Server server(
      on_any_port(), [](Request, std::shared_ptr<Responder>) { fail(Code::kInternal, "[test] no"); }, refusal);
  for (int i = 0; i < 3; ++i) {
    Client client(server.port());
    EXPECT_EQ(client.request("GET", "/").status, 500);
  }
}

TEST(HttpServer, AnAbortedStreamIsCutSoThatTheClientCanTell) {
  Server server(
      on_any_port(),
      [](Request, std::shared_ptr<Responder> responder) {
        responder->start_stream(text("part"));
        responder->abort();
      },
      refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_THROW(client.read(), Error);
}

TEST(HttpServer, HeaderValuesCannotStartANewHeader) {
  Server server(
      on_any_port(),
      [](Request, std::shared_ptr<Responder> responder) {
        Response response = text("x");
        response.reason = "a\r\nEvil: 1";
        response.headers.add("x-request-id", "1\r\nEvil: 2");
        responder->send(std::move(response));
      },
      refusal);
  Client client(server.port());
  const Response response = client.request("GET", "/");
  EXPECT_FALSE(response.headers.has("Evil"));
  EXPECT_EQ(response.headers.get("x-request-id"), "1  Evil: 2");
}

TEST(HttpServer, MalformedRequestsGet400AndAreClosed) {
  Server server(on_any_port(), echo, refusal);
  for (const char* bytes :
       {"nonsense\r\n", "\x16\x03\x01", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    Client client(server.port());
    ASSERT_TRUE(client.send(bytes));
    const auto response = client.read();
    EXPECT_EQ(response->status, 400);
    EXPECT_EQ(response->body, "Invalid HTTP message.");
    EXPECT_TRUE(client.closed());
  }
}

TEST(HttpServer, AGigabyteDeclaredIsRefusedBeforeItIsSent) {
  Server server(on_any_port(), echo, refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nContent-Length: 1073741824\r\nExpect: 100-continue\r\n\r\n"));
  const auto response = client.read();
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(response->body, "");
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, AClientThatKeepsSendingStillReadsIts413) {
  ServerOptions options = on_any_port();
  options.limits.body_bytes = 1000;
  Server server(options, echo, refusal);
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + std::string(500000, 'x'));
  EXPECT_EQ(client.read()->status, 413);
}

TEST(HttpServer, AWaitingClientIsToldToContinue) {
  Server server(on_any_port(), echo, refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(client.read()->status, 100);
  ASSERT_TRUE(client.send("ab"));
  EXPECT_EQ(client.read()->body, "POST / ab");
}

// A thread that sends one byte after another until the server closes. The server's limits are short, so no clock is
// involved here: the loop ends when the server ends it.
void drip(std::uint16_t port, const std::string& start, const std::string& drops, Response* answer) {
  Client client(port);
  client.send(start);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    if (auto response = client.read()) *answer = *response;
    done = true;
  });
  for (std::size_t i = 0; !done && client.send(drops.substr(i % drops.size(), 1)); ++i) std::this_thread::yield();
  reader.join();
}

TEST(HttpServer, AHeaderThatDripsIsEndedByTheHeaderTimeout) {
  ServerOptions options = on_any_port();
  options.header_timeout = Milliseconds(50);
  options.limits.header_bytes = 1u << 30;
  Server server(options, echo, refusal);
  Response answer;
  drip(server.port(), "GET / HTTP/1.1\r\n", "A: b\r\n", &answer);
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.body, "the request's header took longer than 50 ms");
}

TEST(HttpServer, ABodyThatDripsIsEndedByTheBodyTimeout) {
  ServerOptions options = on_any_port();
  options.body_timeout = Milliseconds(50);
  options.slow_body_bytes = 1u << 30;
  Server server(options, echo, refusal);
  Response answer;
  drip(server.port(), "POST / HTTP/1.1\r\nContent-Length: 60000000\r\n\r\n", "x", &answer);
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.body, "the request's body took longer than 50 ms");
}

TEST(HttpServer, AnIdleConnectionIsClosedWithoutAWord) {
  ServerOptions options = on_any_port();
  options.idle_timeout = Milliseconds(30);
  Server server(options, echo, refusal);
  Client client(server.port());
  EXPECT_EQ(client.request("GET", "/").status, 200);
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, AClientThatNeverReadsItsStreamIsCutWhenTheBacklogIsFull) {
  Held held;
  ServerOptions options = on_any_port();
  options.backlog_bytes = 64 << 10;
  Server server(
      options, [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server.port(), std::chrono::seconds(60), 4096);
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  Event left;
  responder->on_disconnect([&] { left.set(); });
  ASSERT_TRUE(responder->start_stream(text("")));
  std::size_t written = 0;
  while (responder->write_chunk(std::string(1000, 'x'))) written += 1000;
  EXPECT_TRUE(left.wait());
  EXPECT_TRUE(responder->disconnected());
  EXPECT_LT(written, 64u << 20);  // the kernel's buffers and the backlog, not everything
  Client other(server.port());
  ASSERT_TRUE(other.send("GET / HTTP/1.1\r\n\r\n"));
  held.take()->send(text("still here"));
  EXPECT_EQ(other.read()->body, "still here");
}

TEST(HttpServer, AnAnswerThatIsNeverReadIsCutByTheWriteTimeout) {
  ServerOptions options = on_any_port();
  options.write_timeout = Milliseconds(50);
  Server server(
      options, [](Request, std::shared_ptr<Responder> responder) { responder->send(text(std::string(32 << 20, 'x'))); },
      refusal);
  Client client(server.port(), std::chrono::seconds(60), 4096);
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  while (server.connections() == 0) std::this_thread::yield();
  while (server.connections() != 0) std::this_thread::yield();
  EXPECT_THROW(client.read(), Error);
}

TEST(HttpServer, AClientThatLeavesIsReportedWhileItsRequestIsInFlight) {
  Held held;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Event left;
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  responder->on_disconnect([&] { left.set(); });
  client.close();
  EXPECT_TRUE(left.wait());
  EXPECT_FALSE(responder->send(text("too late")));
  bool called = false;
  responder->on_disconnect([&] { called = true; });
  EXPECT_TRUE(called);
}

TEST(HttpServer, AFinishedAnswerIsNoDisconnect) {
  std::atomic<int> left{0};
  Server server(
      on_any_port(),
      [&](Request, std::shared_ptr<Responder> responder) {
        responder->on_disconnect([&] { ++left; });
        responder->send(text("ok"));
      },
      refusal);
  {
    Client client(server.port());
    EXPECT_EQ(client.request("GET", "/").body, "ok");
  }
  server.stop(Milliseconds(0));
  EXPECT_EQ(left, 0);
}

TEST(HttpServer, AClientThatClosesItsSendingSideStillGetsAnAnswerThatWasReady) {
  Server server(on_any_port(), echo, refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  client.close_sending();
  EXPECT_EQ(client.read()->body, "GET / ");
}

TEST(HttpServer, APortInUseIsRefusedWithTheAddressAndTheSetting) {
  Server first(on_any_port(), echo, refusal);
  ServerOptions options;
  options.port = first.port();
  options.where_to_change = "inference_address in config.properties";
  try {
    Server second(options, echo, refusal);
    FAIL() << "bound twice";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnavailable);
    EXPECT_EQ(std::string(error.what()),
              "[http] address 127.0.0.1:" + std::to_string(first.port()) +
                  " is in use by another program; stop that program or change inference_address in config.properties");
  }
  Client client(first.port());
  EXPECT_EQ(client.request("GET", "/").status, 200);
}

TEST(HttpServer, AnAddressThatIsNoneIsRefused) {
  ServerOptions options;
  options.host = "not an address";
  EXPECT_THROW(Server(options, echo, refusal), Error);
}

TEST(HttpServer, ConnectionsBeyondTheLimitWaitForAFreePlace) {
  ServerOptions options = on_any_port();
  options.max_connections = 1;
  Server server(options, echo, refusal);
  auto first = std::make_unique<Client>(server.port());
  EXPECT_EQ(first->request("GET", "/1").status, 200);
  Client second(server.port());
  ASSERT_TRUE(second.send("GET /2 HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(server.connections(), 1u);
  first.reset();
  EXPECT_EQ(second.read()->body, "GET /2 ");
}

TEST(HttpServer, StopLetsWhatIsInFlightFinish) {
  Held held;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client idle(server.port()), busy(server.port());
  ASSERT_TRUE(busy.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  std::thread stopper([&] { server.stop(std::chrono::seconds(60)); });
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(responder->send(text("finished")));
  const auto response = busy.read();
  EXPECT_EQ(response->body, "finished");
  EXPECT_EQ(response->headers.get("connection"), "close");
  busy.close();
  stopper.join();
  EXPECT_THROW(Client refused(server.port()), Error);
}

TEST(HttpServer, StopCutsWhatDoesNotFinishInTime) {
  Held held;
  Event left;
  Server server(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  responder->on_disconnect([&] { left.set(); });
  server.stop(Milliseconds(20));
  EXPECT_TRUE(left.wait());
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, AResponderMayOutliveItsServer) {
  Held held;
  auto server = std::make_unique<Server>(
      on_any_port(), [&](Request, std::shared_ptr<Responder> responder) { held.add(responder); }, refusal);
  Client client(server->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
  auto responder = held.take();
  server.reset();
  EXPECT_FALSE(responder->send(text("nobody is there")));
}

}  // namespace
}  // namespace ganglion::http
