// The answers that the front end gives by itself, with the headers that every answer of DJL Serving has.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace ganglion::server {

// The id that an answer carries: the request's own x-request-id, else a random UUID.
std::string request_id_of(const http::Request& request);
std::string random_uuid();

// Headers of every answer (x-request-id, Pragma, Cache-Control, Expires), and close for 400 and above.
http::Response reply(int status, std::string body, std::string_view content_type, const std::string& request_id);
// DJL's error body: {"code","type","message"}. BadRequestException also puts the message into the reason phrase.
http::Response error_reply(int status, std::string_view type, std::string_view message, const std::string& request_id);
// What a handler's failure looks like: 424, {"code":424,"message":"prediction failure","error":message}.
http::Response prediction_failure(std::string_view message, const std::string& request_id);

}  // namespace ganglion::server
