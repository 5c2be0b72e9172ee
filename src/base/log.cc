#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "base/error.h"

namespace ganglion::log {
namespace {

// The one process-wide object: a logger has to be reachable from everywhere, and main installs it once.
std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

void install(Level level, const std::string& file) {
  std::vector<spdlog::sink_ptr> sinks;
  sinks.push_back(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  if (!file.empty()) {
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
    } catch (const spdlog::spdlog_ex& error) {
      fail(Code::kInvalidArgument, "[log] file '{}' cannot be written: {}; choose another folder with --log-file", file,
           error.what());
    }
  }
  auto made = std::make_shared<spdlog::logger>("ganglion", sinks.begin(), sinks.end());
  made->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-5l%$ %v");
  made->set_level(to_spdlog(level));
  made->flush_on(spdlog::level::info);
  logger() = std::move(made);
}

Level parse_level(std::string_view text) {
  if (text == "debug" || text == "trace") return Level::kDebug;
  if (text == "info") return Level::kInfo;
  if (text == "warn" || text == "warning") return Level::kWarning;
  if (text == "error") return Level::kError;
  if (text == "off") return Level::kOff;
  fail(Code::kInvalidArgument, "[log] level '{}': wanted debug, info, warn, error or off", text);
}

void set_level(Level level) noexcept {
  if (logger()) logger()->set_level(to_spdlog(level));
}

void write(Level level, const std::string& message) {
  if (logger()) logger()->log(to_spdlog(level), message);
}

}  // namespace ganglion::log
