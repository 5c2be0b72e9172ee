// The models of a server: which there are, whether they are ready, and the one thread that loads them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/jobs.h"
#include "server/model_settings.h"
#include "server/predictor.h"

namespace ganglion::server {

enum class ModelStatus : std::uint8_t { kPending, kReady, kFailed };

// Brings a model to life; throws when it cannot. Called on the loader thread, one model after the other.
using ModelLoader = std::function<std::shared_ptr<Predictor>(const ModelEntry&, const ModelSettings&)>;

struct HostedModel {
  ModelEntry entry;
  ModelSettings settings;
  ModelStatus status = ModelStatus::kPending;
  std::shared_ptr<Predictor> predictor;  // when ready
  std::exception_ptr error;              // when failed
};

class HostedModels {
 public:
  // Starts to load. Two entries with the same name and version: kInvalidArgument.
  HostedModels(const ServerConfig& config, ModelLoader loader, Deadlines& deadlines);
  // Waits for the model that is being loaded; the following ones are not begun.
  ~HostedModels();
  HostedModels(const HostedModels&) = delete;
  HostedModels& operator=(const HostedModels&) = delete;

  // Returns when every model is ready; throws the error of the first one that failed, as soon as it has.
  void wait_ready();

  // A copy of what is known now. Without a version: the versions of that name take turns. nullopt: no such model.
  std::optional<HostedModel> find(std::string_view name, std::string_view version);
  // Name to worst status of its versions, sorted by name.
  std::map<std::string, ModelStatus> statuses() const;
  // The name of the only model; nullopt when there are several, or none.
  std::optional<std::string> only_name() const;

 private:
  void load_all(const ServerConfig& config);
  std::filesystem::path bring(const std::string& name, const hub::Source& source, const std::string& revision,
                              const ServerConfig& config);
  void load_one(std::size_t i, const ServerConfig& config);
  void settle(std::size_t i, std::shared_ptr<Predictor> predictor, std::exception_ptr error);

  const ModelLoader loader_;
  Deadlines& deadlines_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::vector<HostedModel> models_;
  std::map<std::string, std::size_t, std::less<>> turns_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace ganglion::server
