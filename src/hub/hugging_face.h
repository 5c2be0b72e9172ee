// A model of the Hugging Face hub, brought into the cache on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hf_cache.h"
#include "hub/http_client.h"
#include "hub/options.h"

namespace ganglion::hub {

// What the hub says of one revision of a model.
struct Repository {
  struct File {
    std::string name;
    std::optional<std::uint64_t> size;
  };
  std::string commit;
  std::vector<File> files;
};
// Reads the reply of /api/models/ID/revision/REV. kDataCorrupt when it is not that; kResourceExhausted for more than
// kMostFiles files.
Repository parse_repository(std::string_view json, std::string_view place);

class HuggingFace {
 public:
  // `id` as is_model_id() has it. The options are kept by reference.
  HuggingFace(std::string id, std::string revision, const Options& options);

  // The snapshot folder with everything choose_files() wants. Asks the hub what the revision is now, and fetches what
  // the cache lacks; without an answer (or offline) what the cache has is used, when it is whole. A commit that the
  // cache has whole is used without asking.
  std::filesystem::path bring();

 private:
  struct Metadata {
    std::string etag;
    std::uint64_t size = 0;
  };

  std::optional<std::filesystem::path> whole_in_cache(std::string* missing) const;
  bool whole(const std::string& commit, std::string* missing) const;
  Repository ask();
  void fetch_missing(const Repository& repository);
  void fetch_file(const std::string& commit, const Repository::File& file);
  Metadata head(const std::string& commit, const std::string& file);
  HttpRequest request(const std::string& path) const;
  HttpRequest file_request(const std::string& commit, const std::string& file) const;
  [[noreturn]] void refuse_repository(const HttpResponse& response) const;
  std::string place() const;

  const std::string id_, revision_;
  const Options& options_;
  const HfCache cache_;
  HttpClient client_;
  bool reachable_ = true;
};

}  // namespace ganglion::hub
