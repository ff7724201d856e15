// Writing a snapshot out.
#pragma once

#include "crew.h"
#include "store.h"

namespace {

// Writes files of a snapshot into a new folder, on all cores, and verifies each on the way.
class Filler {
 public:
  struct File {
    size_t folder;
    string name;
    Digest digest;
    uint64_t size;
    bool executable, done;
  };

  Filler(const string& blobs, const std::vector<std::pair<string, string>>& packs)
      : store_(blobs, {}, -1, 0, 0) {
    for (const auto& [index, pack] : packs) packs_.push_back(std::make_unique<Pack>(index, pack));
  }

  // False when a folder cannot be made.
  bool make_folders(const string& top, std::vector<string> folders) {
    top_ = top;
    folders_ = std::move(folders);
    Opener opener(top_);
    for (const auto& path : folders_) {
      if (path.empty()) continue;
      const auto at = path.rfind('/', path.size() - 2);
      const size_t begin = at == string::npos ? 0 : at + 1;
      const int above = opener.at(path.substr(0, begin));
      const string name = path.substr(begin, path.size() - 1 - begin);
      if (above < 0 || (mkdirat(above, name.c_str(), 0755) != 0 && errno != EEXIST)) return false;
    }
    return true;
  }

  void run(std::vector<File>* files, const py::function& tick) {
    std::vector<std::vector<File*>> jobs;
    std::vector<File*> large;
    for (auto& file : *files) {
      if (file.size > kChunk) large.push_back(&file);
      else if (!jobs.empty() && jobs.back().size() < 64) jobs.back().push_back(&file);
      else jobs.push_back({&file});
    }
    std::sort(large.begin(), large.end(), [](auto* a, auto* b) { return a->size < b->size; });
    for (auto* const file : large) jobs.insert(jobs.begin(), {file});
    std::atomic<size_t> next{0};
    Crew::run(
        [&](std::atomic<bool>& stop) {
          Opener opener(top_);
          Sha sha;
          std::vector<char> data(kChunk);
          for (size_t job; !stop && (job = next++) < jobs.size();) {
            for (auto* const file : jobs[job]) {
              if (stop) return;
              file->done = write_one(opener.at(folders_.at(file->folder)), *file, &sha, &data, stop);
            }
          }
        },
        [&] { tick(); });
  }

 private:
  // False when that is for the twin, which finds out what is wrong. Nothing is left of the file then.
  bool write_one(int folder, const File& file, Sha* sha, std::vector<char>* data, const std::atomic<bool>& stop) const {
    const mode_t mode = file.executable ? 0755 : 0644;
    if (folder < 0) return false;
    const Fd to(openat(folder, file.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!to) return false;
    bool good = false;
    try {
      // the mode belongs to the snapshot, not to the umask
      good = content(file, to.value, sha, data, stop) && fchmod(to.value, mode) == 0;
    } catch (const Failed&) {
    }
    if (!good) unlinkat(folder, file.name.c_str(), 0);
    return good;
  }

  bool content(const File& file, int to, Sha* sha, std::vector<char>* data, const std::atomic<bool>& stop) const {
    for (const auto& pack : packs_) {
      uint64_t offset, size;
      if (file.size > kChunk || !pack->find(file.digest, &offset, &size) || size != file.size) continue;
      if (!pack->get(offset, data->data(), size) || sha->of(data->data(), size) != file.digest) return false;
      write_all(to, data->data(), size, -1, "");
      return true;
    }
    const Fd from(open(store_.loose(file.digest).c_str(), kFile));
    struct stat seen;
    if (!from || fstat(from.value, &seen) != 0 || static_cast<uint64_t>(seen.st_size) != file.size) return false;
    Digest digest;
    const bool sparse = static_cast<uint64_t>(seen.st_blocks) * 512 < file.size;
    const bool cloned = ioctl(to, FICLONE, from.value) == 0;
    const bool good = cloned ? hash_file(to, file.size, -1, false, &digest, sha, data, stop)
                             : hash_file(from.value, file.size, to, sparse, &digest, sha, data, stop);
    return good && digest == file.digest;
  }

  const Store store_;
  std::vector<std::unique_ptr<Pack>> packs_;
  string top_;
  std::vector<string> folders_;
};

// Returns the numbers of the files that are for the twin; None when it has all to do.
py::object fill(const string& top, std::vector<string> folders, const py::sequence& given, const string& blobs,
                const std::vector<std::pair<string, string>>& packs, const py::function& tick) {
  std::vector<Filler::File> files;
  for (const auto& item : given) {
    const auto [folder, name, digest, size, executable] =
        item.cast<std::tuple<size_t, py::bytes, py::bytes, uint64_t, bool>>();
    Filler::File file{folder, name, {}, size, executable, false};
    if (string_view(digest).size() != file.digest.size()) throw py::value_error("no SHA-256");
    std::memcpy(file.digest.data(), string_view(digest).data(), file.digest.size());
    files.push_back(std::move(file));
  }
  Filler filler(blobs, packs);
  if (!filler.make_folders(top, std::move(folders))) return py::none();
  filler.run(&files, tick);
  py::list left;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].done) left.append(i);
  }
  return std::move(left);
}

}  // namespace
