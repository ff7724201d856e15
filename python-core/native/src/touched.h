// The folders of a working copy that a job has touched.
#pragma once

#include "crew.h"

namespace {

// Looks at a working copy as lifecycle/touched.py does, on all cores, depth first: few folders are open at a time.
class TouchedFolders {
 public:
  struct Rules {
    int64_t begin, end;  // what was last changed from the one moment until before the other is as it was made
    Names skipped, caches, libraries;
    int deepest;
  };

  explicit TouchedFolders(Rules rules) : rules_(std::move(rules)) {}

  void run(const string& top) {
    todo_.push({nullptr, top, "", 0});
    const auto step = [this](Todo& folder, std::vector<Todo>* below) { return this->step(folder, below); };
    Crew::run([&](std::atomic<bool>& stop) { todo_.work(stop, step); }, [] {});
  }

  std::vector<string> folders, unseen;

 private:
  using Stream = std::shared_ptr<DIR>;
  struct Todo {
    Stream above;
    string name, path;
    int depth;
  };

  bool step(Todo& folder, std::vector<Todo>* below) {
    bool old = true;
    const bool seen = look(folder, below, &old);
    if (!seen) below->clear();
    std::lock_guard<std::mutex> hold(lock_);
    if (!seen) {
      unseen.push_back(std::move(folder.path));
    } else if (!old) {
      folders.push_back(std::move(folder.path));
    }
    return true;
  }

  bool is_old(const struct stat& seen) const {
    const int64_t changed = int64_t{seen.st_ctim.tv_sec} * 1000000000 + seen.st_ctim.tv_nsec;
    return rules_.begin <= changed && changed < rules_.end;
  }

  // False when the folder cannot be read.
  bool look(const Todo& folder, std::vector<Todo>* below, bool* old) const {
    if (folder.depth >= rules_.deepest) return false;
    Fd opened(openat(folder.above ? dirfd(folder.above.get()) : AT_FDCWD, folder.name.c_str(), kFolder));
    struct stat seen;
    if (!opened || fstat(opened.value, &seen) != 0) return false;
    const Stream stream(fdopendir(opened.value), [](DIR* open) { if (open) closedir(open); });
    if (!stream) return false;
    opened.value = -1;  // (the stream closes it)
    *old = is_old(seen);
    const int fd = dirfd(stream.get());
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
      const char* const name = entry->d_name;
      const bool unknown = entry->d_type == DT_UNKNOWN;
      bool is_folder = entry->d_type == DT_DIR;
      if (unknown || (!is_folder && *old)) {
        if (fstatat(fd, name, &seen, AT_SYMLINK_NOFOLLOW) != 0) return false;
        is_folder = S_ISDIR(seen.st_mode);
        if (!is_folder) *old = *old && is_old(seen);
      }
      if (is_folder && std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0 && !is_left(folder.path, name)) {
        below->push_back({stream, name, folder.path + name + "/", folder.depth + 1});
      }
      errno = 0;
    }
    return errno == 0;
  }

  bool is_left(const string& folder, const string& name) const {
    const string_view last("/renv/");
    const bool renv = folder == "renv/" || (folder.size() > last.size() &&
                                            folder.compare(folder.size() - last.size(), last.size(), last) == 0);
    return rules_.caches.count(name) || (renv && rules_.libraries.count(name)) || rules_.skipped.count(folder + name);
  }

  const Rules rules_;
  std::mutex lock_;
  Stack<Todo> todo_;
};

py::tuple touched_folders(const py::bytes& top, int64_t begin, int64_t end, Names skipped, Names caches, Names libraries,
                          int deepest) {
  TouchedFolders look({begin, end, std::move(skipped), std::move(caches), std::move(libraries), deepest});
  look.run(top);
  py::list folders, unseen;
  for (const auto& path : look.folders) folders.append(py::bytes(path));
  for (const auto& path : look.unseen) unseen.append(py::bytes(path));
  return py::make_tuple(folders, unseen);
}

}  // namespace
