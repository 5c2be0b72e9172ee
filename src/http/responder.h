// The handle with which one request is answered, from any thread and at any later time.
#pragma once

#include <functional>
#include <string>

#include "http/message.h"

namespace ganglion::http {

// Every method is thread-safe and returns at once; nothing blocks on the client. The first answer wins: methods return
// false, and do nothing, when the request is already answered or the client is gone. A responder that is dropped
// without an answer answers 500, or cuts the stream that it had begun.
class Responder {
 public:
  virtual ~Responder() = default;

  virtual bool send(Response response) = 0;
  // Begins a body of unknown length: `head.body` is its first part. Chunked for HTTP/1.1, until close for HTTP/1.0.
  virtual bool start_stream(Response head) = 0;
  // One more part of the stream. When the client reads so slowly that more than the connection's backlog limit waits
  // for it, the connection is cut, which calls the on_disconnect callback.
  virtual bool write_chunk(std::string data) = 0;
  // Ends the stream.
  virtual bool end() = 0;
  // Cuts the connection in mid-stream, so that the client can tell a broken stream from a finished one.
  virtual void abort() = 0;

  // `callback` is called at most once, when the client leaves (or is cut) before the answer is complete: from the io
  // thread, or from this call when it has already happened. It must not block, and must not own the responder. A client
  // that closes its sending side counts as one that left.
  virtual void on_disconnect(std::function<void()> callback) = 0;
  virtual bool disconnected() const = 0;
};

}  // namespace ganglion::http
