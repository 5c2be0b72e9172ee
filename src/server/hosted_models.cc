#include "server/hosted_models.h"

#include <pthread.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "hub/hub.h"
#include "hub/progress.h"

namespace ganglion::server {
namespace {

std::string shown(const ModelEntry& entry) {
  return entry.folder.empty() ? hub::shown(entry.source) : entry.folder.string();
}

}  // namespace

HostedModels::HostedModels(const ServerConfig& config, ModelLoader loader, Deadlines& deadlines)
    : loader_(std::move(loader)), deadlines_(deadlines) {
  for (const ModelEntry& entry : config.models) {
    for (const HostedModel& model : models_) {
      if (model.entry.name == entry.name && model.entry.version == entry.version) {
        fail(Code::kInvalidArgument,
             "[models] two models are named '{}': {} and {}; give one another name with -m name=FOLDER", entry.name,
             shown(model.entry), shown(entry));
      }
    }
    HostedModel model;
    model.entry = entry;
    models_.push_back(std::move(model));
  }
  thread_ = std::thread([this, config] {
    pthread_setname_np(pthread_self(), "model-loader");
    load_all(config);
  });
}

HostedModels::~HostedModels() {
  stopping_ = true;
  thread_.join();
}

void HostedModels::load_all(const ServerConfig& config) {
  for (std::size_t i = 0; i < models_.size() && !stopping_; ++i) {
    try {
      load_one(i, config);
    } catch (...) {
      settle(i, nullptr, std::current_exception());
    }
  }
}

// The time that a download takes does not count as loading time: it has limits of its own.
std::filesystem::path HostedModels::bring(const std::string& name, const hub::Source& source,
                                          const std::string& revision, const ServerConfig& config) {
  hub::Options options = config.hub;
  const auto cancelled = options.cancelled;
  options.cancelled = [this, cancelled] { return stopping_ || cancelled(); };
  const auto progress = hub::make_progress();
  options.progress = progress.get();
  log::info("[server] {}: bringing {}", name, hub::shown(source));
  return hub::Hub(std::move(options)).bring(source, revision);
}

void HostedModels::load_one(std::size_t i, const ServerConfig& config) {
  ModelEntry entry = models_[i].entry;  // which never changes after the constructor
  if (entry.folder.empty()) entry.folder = bring(entry.name, entry.source, "", config);
  ModelSettings settings = read_model_settings(entry, config);
  if (settings.model_folder.empty())
    settings.model_folder = bring(entry.name, settings.source, settings.revision, config);
  {
    std::lock_guard lock(mutex_);
    models_[i].settings = settings;
  }
  for (const std::string& option : settings.unused_options) {
    log::warning("[serving.properties] {}: {} has no effect here", entry.name, option);
  }
  log::info(
      "[server] {}: Apply per model settings: model_id={} batch_size={} tensor_parallel_degree={} n_positions={} "
      "dtype={}{} job_queue_size={} "
      "predict_timeout={} model_loading_timeout={}",
      entry.name, settings.model_folder.string(), settings.batch_size,
      settings.tensor_parallel_degree ? std::to_string(*settings.tensor_parallel_degree) : "max", settings.n_positions,
      settings.dtype, settings.quantize.empty() ? "" : " quantize=" + settings.quantize, settings.job_queue_size,
      settings.predict_timeout.count(), settings.model_loading_timeout.count());
  const auto start = Clock::now();
  const auto key = deadlines_.add(
      start + settings.model_loading_timeout, [this, i, name = entry.name, limit = settings.model_loading_timeout] {
        settle(i, nullptr,
               std::make_exception_ptr(
                   Error(Code::kDeadlineExceeded,
                         fmt::format("[serving.properties] option.model_loading_timeout={}: model {} is not "
                                     "loaded after that many seconds; allow more",
                                     limit.count(), name))));
      });
  std::shared_ptr<Predictor> predictor;
  try {
    predictor = loader_(entry, settings);
  } catch (...) {
    deadlines_.remove(key);
    throw;
  }
  deadlines_.remove(key);
  settle(i, std::move(predictor), nullptr);
  log::info("[server] {}: ready after {:.2f} s", entry.name,
            std::chrono::duration<double>(Clock::now() - start).count());
}

// The first outcome stays: a model that was given up is not revived.
void HostedModels::settle(std::size_t i, std::shared_ptr<Predictor> predictor, std::exception_ptr error) {
  std::lock_guard lock(mutex_);
  HostedModel& model = models_[i];
  if (model.status != ModelStatus::kPending) return;
  model.status = error ? ModelStatus::kFailed : ModelStatus::kReady;
  model.predictor = std::move(predictor);
  model.error = error;
  if (error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& failure) {
      log::error("[server] {}: cannot be loaded: {}", model.entry.name, failure.what());
    }
  }
  settled_.notify_all();
}

void HostedModels::wait_ready() {
  std::unique_lock lock(mutex_);
  settled_.wait(lock, [this] {
    const auto status = [](ModelStatus wanted) {
      return [wanted](const HostedModel& model) { return model.status == wanted; };
    };
    return std::any_of(models_.begin(), models_.end(), status(ModelStatus::kFailed)) ||
           std::none_of(models_.begin(), models_.end(), status(ModelStatus::kPending));
  });
  for (const HostedModel& model : models_) {
    if (model.error) std::rethrow_exception(model.error);
  }
}

std::optional<HostedModel> HostedModels::find(std::string_view name, std::string_view version) {
  std::lock_guard lock(mutex_);
  std::vector<const HostedModel*> fitting;
  for (const HostedModel& model : models_) {
    if (model.entry.name == name && (version.empty() || model.entry.version == version)) fitting.push_back(&model);
  }
  if (fitting.empty()) return std::nullopt;
  if (fitting.size() == 1) return *fitting.front();
  return *fitting[turns_[std::string(name)]++ % fitting.size()];
}

std::map<std::string, ModelStatus> HostedModels::statuses() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, ModelStatus> all;
  const auto badness = [](ModelStatus status) {
    return status == ModelStatus::kReady ? 0 : status == ModelStatus::kPending ? 1 : 2;
  };
  for (const HostedModel& model : models_) {
    const auto [found, inserted] = all.emplace(model.entry.name, model.status);
    if (!inserted && badness(model.status) > badness(found->second)) found->second = model.status;
  }
  return all;
}

std::optional<std::string> HostedModels::only_name() const {
  const auto all = statuses();
  if (all.size() != 1) return std::nullopt;
  return all.begin()->first;
}

}  // namespace ganglion::server
