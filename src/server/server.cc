#include "server/server.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "http/router.h"
#include "metrics/registry.h"
#include "server/json_text.h"
#include "server/prediction.h"
#include "server/replies.h"

namespace ganglion::server {
namespace {

using Json = nlohmann::ordered_json;
using Respond = std::shared_ptr<http::Responder>;

enum Route { kPing, kMetrics, kPredict, kPredictVersion, kInvocations, kRoot };

constexpr const char* kNotFoundMessage = "Requested resource is not found, please refer to API document.";

http::Router make_router() {
  http::Router router;
  router.add(kPing, "*", "/ping");
  router.add(kMetrics, "GET", "/metrics");
  router.add(kPredict, "*", "/predictions/{model}");
  router.add(kPredictVersion, "*", "/predictions/{model}/{version}");
  router.add(kPredict, "*", "/models/{model}/invoke");
  router.add(kInvocations, "*", "/invocations");
  router.add(kRoot, "OPTIONS", "/");
  return router;
}

// A query parameter, else a header of that name.
std::string parameter_of(const http::Request& request, std::string_view name) {
  if (const auto value = request.parameter(name)) return std::string(*value);
  return std::string(request.headers.get(name).value_or(""));
}

std::int64_t largest_queue(const ServerConfig& config) { return std::max<std::int64_t>(config.job_queue_size, 1); }

}  // namespace

struct Server::Impl {
  Impl(const ServerConfig& settings, ModelLoader loader, metrics::Registry& metrics_registry)
      : config(settings),
        registry(metrics_registry),
        jobs(2, static_cast<std::size_t>(largest_queue(settings))),
        models(settings, std::move(loader), deadlines),
        router(make_router()) {}

  ~Impl() {
    // Cuts every client, which cancels what the engines still run.
    http.reset();
    in_flight.wait_for_none();
  }

  void handle(http::Request request, Respond responder) {
    const std::string id = request_id_of(request);
    log::debug("[server] {} {} {} {}", id, request.remote, request.method, request.target);
    const auto match = router.find(request.method, request.path);
    registry
        .counter("ganglion_http_requests_total", "HTTP requests received",
                 {{"route", match ? route_name(match->route) : "other"}})
        .add();
    if (!match) {
      responder->send(error_reply(404, "ResourceNotFoundException", kNotFoundMessage, id));
      return;
    }
    switch (match->route) {
      case kPing:
        return ping(responder, id);
      case kMetrics:
        responder->send(reply(200, registry.text(), "text/plain; version=0.0.4; charset=utf-8", id));
        return;
      case kRoot:
        responder->send(reply(200, "{}\n", "application/json", id));
        return;
      case kInvocations:
        return invocations(std::move(request), responder, id);
      default: {
        std::string version =
            match->route == kPredictVersion ? match->values[1] : parameter_of(request, "model_version");
        return predict(std::move(request), responder, id, match->values[0], version);
      }
    }
  }

  static std::string route_name(int route) {
    switch (route) {
      case kPing:
        return "ping";
      case kMetrics:
        return "metrics";
      case kInvocations:
        return "invocations";
      case kRoot:
        return "other";
      default:
        return "predictions";
    }
  }

  void ping(const Respond& responder, const std::string& id) {
    Json body = Json::object();
    int status = 200;
    for (const auto& [name, state] : models.statuses()) {
      body[name] = {{"status", state == ModelStatus::kReady     ? "Healthy"
                               : state == ModelStatus::kPending ? "PENDING"
                                                                : "FAILED"}};
      if (state == ModelStatus::kFailed) status = 500;
      if (state == ModelStatus::kPending && config.allow_multi_status && status == 200) status = 207;
    }
    responder->send(reply(status, gson_text(body), "application/json", id));
  }

  void invocations(http::Request request, const Respond& responder, const std::string& id) {
    if (request.method == "OPTIONS") {
      responder->send(reply(200, "{}\n", "application/json", id));
      return;
    }
    std::string name = parameter_of(request, "model_name");
    if (name.empty()) name = models.only_name().value_or("");
    if (name.empty()) {
      responder->send(error_reply(400, "BadRequestException", "Parameter model_name is required.", id));
      return;
    }
    const std::string version = parameter_of(request, "model_version");
    predict(std::move(request), responder, id, name, version);
  }

  void predict(http::Request request, const Respond& responder, const std::string& id, const std::string& name,
               const std::string& version) {
    const auto model = models.find(name, version);
    if (!model) {
      responder->send(error_reply(404, "ModelNotFoundException", "Model or workflow not found: " + name, id));
      return;
    }
    if (request.method == "OPTIONS") {
      responder->send(reply(200, "{}\n", "application/json", id));
      return;
    }
    if (model->status != ModelStatus::kReady) {
      responder->send(error_reply(503, "WlmException", "Model is not ready: " + name, id));
      return;
    }
    PredictionContext context{.model = name,
                              .predictor = model->predictor,
                              .batch_size = model->settings.batch_size,
                              .timeout = model->settings.predict_timeout,
                              .jobs = &jobs,
                              .deadlines = &deadlines,
                              .in_flight = &in_flight};
    const bool taken =
        jobs.try_post([token = std::make_shared<InFlight::Token>(in_flight), context = std::move(context),
                       body = std::move(request.body), responder, id]() mutable {
          start_prediction(context, std::move(body), std::move(responder), std::move(id));
        });
    if (!taken)
      responder->send(
          error_reply(503, "WlmCapacityException", "Worker queue capacity exceeded for model: " + name, id));
  }

  const ServerConfig config;
  metrics::Registry& registry;
  // In the order in which they depend on each other.
  InFlight in_flight;
  Deadlines deadlines;
  Jobs jobs;
  HostedModels models;
  const http::Router router;
  std::unique_ptr<http::Server> http;
};

Server::Server(const ServerConfig& config, ModelLoader loader, metrics::Registry& registry, http::ServerOptions http) {
  for (const std::string& key : config.unused_keys) log::warning("[config.properties] {} has no effect here", key);
  impl_ = std::make_unique<Impl>(config, std::move(loader), registry);
  if (config.wait_model_loading) impl_->models.wait_ready();
  http.host = config.host;
  http.port = config.port;
  http.where_to_change = "inference_address in config.properties, or --address";
  http.limits.body_bytes = config.max_request_size;
  impl_->http = std::make_unique<http::Server>(
      http,
      [impl = impl_.get()](http::Request request, Respond responder) {
        impl->handle(std::move(request), std::move(responder));
      },
      [](int status, const std::string& message) {
        // DJL answers an oversized body with the status alone.
        if (status == 413) return reply(413, "", "", random_uuid());
        return error_reply(status, status == 400 ? "BadRequestException" : "RequestTimeoutException", message,
                           random_uuid());
      });
  log::info("[server] Model server started: http://{}:{} with {} model{}", config.host, impl_->http->port(),
            config.models.size(), config.models.size() == 1 ? "" : "s");
}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

std::uint16_t Server::port() const noexcept { return impl_->http->port(); }

void Server::stop(std::chrono::milliseconds deadline) { impl_->http->stop(deadline); }

}  // namespace ganglion::server
