#include "hub/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "hub/transfer.h"

namespace ganglion::hub {
namespace {

// A server on loopback that answers every request with what `answer` makes of its header, byte for byte. An empty
// answer is none at all: the connection stays open until the server ends.
class RawServer {
 public:
  explicit RawServer(std::function<std::string(const std::string&)> answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    {
      std::lock_guard lock(mutex_);
      for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& worker : workers_) worker.join();
    for (const int connection : connections_) ::close(connection);
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    while (true) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      std::lock_guard lock(mutex_);
      connections_.push_back(connection);
      workers_.emplace_back([this, connection] { serve(connection); });
    }
  }
  void serve(int connection) {
    std::string text;
    char buffer[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(text);
    }
    const std::string out = answer_(text);
    for (std::size_t at = 0; at < out.size();) {
      const ssize_t sent = ::send(connection, out.data() + at, out.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<std::size_t>(sent);
    }
    if (!out.empty()) ::shutdown(connection, SHUT_RDWR);
  }

  const std::function<std::string(const std::string&)> answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> connections_;
  std::vector<std::thread> workers_;
  std::thread thread_;
};

std::string reply(const std::string& status, const std::string& fields, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool never() { return false; }

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = Url::parse(url, "test");
  return request;
}

TEST(HttpClient, AServerThatNeverAnswersIsGivenUp) {
  const RawServer server([](const std::string&) { return ""; });
  HttpOptions options;
  options.stall_timeout = std::chrono::seconds(1);
  const HttpResponse response = HttpClient(options, never).send(get(server.url()));
  EXPECT_EQ(response.status, 0);
  EXPECT_FALSE(response.failure.empty());
  EXPECT_FALSE(response.lasting);
}

TEST(HttpClient, ACancelledRequestEndsWhileTheServerIsSilent) {
  std::atomic<bool> arrived{false};
  const RawServer server([&](const std::string&) {
    arrived = true;
    return "";
  });
  HttpClient client({}, [&] { return arrived.load(); });
  try {
    client.send(get(server.url()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled);
  }
}

TEST(HttpClient, HeadersAndBodiesWithoutEndAreCut) {
  const RawServer server([](const std::string& request) {
    if (request.starts_with("GET /body")) return reply("200 OK", "", std::string(3 << 20, 'x'));
    std::string fields;
    for (int i = 0; i < 1000; ++i) fields += "X-" + std::to_string(i) + ": " + std::string(100, 'y') + "\r\n";
    return reply("200 OK", fields, "");
  });
  HttpClient client({}, never);
  EXPECT_EQ(client.send(get(server.url() + "/header")).failure, "the answer's header is too large");
  EXPECT_THROW(client.send(get(server.url() + "/body?secret")), Error);
}

TEST(HttpClient, SecretsStayWithTheOriginTheyAreFor) {
  const RawServer other([](const std::string&) { return reply("200 OK", "", "there"); });
  const RawServer server([&](const std::string& request) {
    if (request.starts_with("GET /start")) return reply("302 Found", "Location: /next\r\n", "");
    return reply("307 Temporary Redirect", "Location: " + other.url() + "/end\r\n", "");
  });
  HttpRequest request = get(server.url() + "/start");
  request.headers = {{"X-Plain", "1"}};
  request.secrets = {{"Authorization", "Bearer secret"}};
  const HttpResponse response = HttpClient({}, never).send(request);
  EXPECT_EQ(response.body, "there");
  EXPECT_EQ(response.url.text(), other.url() + "/end");
  for (const std::string& seen : server.requests())
    EXPECT_NE(seen.find("Authorization: Bearer secret"), std::string::npos);
  ASSERT_EQ(other.requests().size(), 1u);
  EXPECT_EQ(other.requests()[0].find("secret"), std::string::npos);
  EXPECT_NE(other.requests()[0].find("X-Plain: 1"), std::string::npos);
}

TEST(HttpClient, ANameThatLeadsToAPrivateAddressIsRefusedAtTheSocket) {
  const RawServer server([](const std::string&) { return reply("200 OK", "", "reached"); });
  HttpRequest request = get(server.url());
  request.trusted_host = "hub.example";  // as when the URL came by a redirect
  try {
    HttpClient({}, never).send(request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("whose address is private"), std::string::npos);
  }
  EXPECT_TRUE(server.requests().empty());
  HttpOptions allowed;
  allowed.allow_private_redirects = true;
  EXPECT_EQ(HttpClient(allowed, never).send(request).body, "reached");
}

TEST(HttpClient, ValuesWithLineBreaksAreNotSent) {
  HttpRequest request = get("http://127.0.0.1:1/");
  request.secrets = {{"Authorization", "Bearer x\r\nX-Other: y"}};
  EXPECT_THROW(HttpClient({}, never).send(request), Error);
}

TEST(Fetch, PiecesOfALargeFileArePutInOrderAndCutOnesFetchedAgain) {
  std::string whole(3 * kPieceBytes + 12345, '\0');
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<char>(i * 2654435761u >> 13);
  std::atomic<int> cuts{3};
  const RawServer server([&](const std::string& request) {
    const std::size_t at = request.find("Range: bytes=");
    const std::size_t begin = std::stoull(request.substr(at + 13));
    const std::size_t last = std::stoull(request.substr(request.find('-', at) + 1));
    const std::string range = "Content-Range: bytes " + std::to_string(begin) + "-" + std::to_string(last) + "/" +
                              std::to_string(whole.size()) + "\r\n";
    const std::string out = reply("206 Partial Content", range, whole.substr(begin, last + 1 - begin));
    return cuts-- > 0 ? out.substr(0, out.size() / 2) : out;
  });
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("fetch_test_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  {
    Options options;
    options.connections = 3;
    options.wait = [](std::chrono::milliseconds) {};
    PartialFile file(folder / "x.incomplete");
    file.append(whole.substr(0, 1000));
    RemoteFile remote;
    remote.name = "x";
    remote.request = [&] { return get(server.url()); };
    remote.size = whole.size();
    remote.checksum = {HashKind::kSha256, sha256_hex(whole)};
    fetch(remote, file, options);
    file.finish(folder / "x");
    EXPECT_TRUE(read_text(folder / "x") == whole);
    EXPECT_EQ(server.requests().size(), 7u);  // four pieces, three of them cut once
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ganglion::hub
