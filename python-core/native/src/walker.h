// The walk over a source folder.
#pragma once

#include "crew.h"
#include "found.h"
#include "rules.h"

namespace {

struct Found {
  string name;
  unsigned char type;
};

// What is in an open folder, but for `.` and `..`.
bool names_in(int fd, std::vector<Found>* found) {
  const int again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (again < 0) return false;
  DIR* const stream = fdopendir(again);
  if (!stream) {
    close(again);
    return false;
  }
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const char* const name = entry->d_name;
    if (name[0] != '.' || (name[1] && (name[1] != '.' || name[2]))) found->push_back({name, entry->d_type});
    errno = 0;
  }
  const bool good = errno == 0;
  closedir(stream);
  return good;
}

// Walks a folder on all cores: folders wait in a stack, so that few are open at a time however many there are.
class Walker {
 public:
  Walker(const Rules& rules, bool defaults, Names signs, py::function own_folder, std::map<int, Names> records)
      : rules_(rules), defaults_(defaults), signs_(std::move(signs)), own_folder_(std::move(own_folder)),
        records_(std::move(records)) {}

  // A folder to begin with; false when it cannot be opened.
  bool begin_at(std::unique_ptr<Folder> folder, const string& place, int flags) {
    Fd opened(open(place.c_str(), flags));
    if (!opened) return false;
    folder->from = std::make_shared<Fd>(std::move(opened));
    folder->top = true;
    todo_.push(folder.get());
    folders.push_back(std::move(folder));
    return true;
  }

  // False when something was met that is for the twin.
  bool run(const std::function<void(size_t)>& tick) {
    const auto step = [this](Folder* folder, std::vector<Folder*>* below) { return list(folder, below); };
    Crew::run([&](std::atomic<bool>& stop) { todo_.work(stop, step); }, [&] { tick(count_); });
    return !todo_.ended();
  }

  std::vector<std::unique_ptr<Folder>> folders;
  std::vector<LeftOut> left_out;

 private:
  // What kind of folder this is by what is in it: kVenv, kOrdinary, or the number of what is espalier's own.
  int marker(int fd, const std::vector<Found>& found) {
    bool venv = false, sign = false;
    for (const auto& entry : found) {
      venv = venv || entry.name == "pyvenv.cfg";
      sign = sign || signs_.count(entry.name);
    }
    int kind = kOrdinary;
    if (sign) {
      py::gil_scoped_acquire acquire;
      kind = own_folder_(fd).cast<int>();
    }
    return kind == kOrdinary && venv ? kVenv : kind;
  }

  bool list(Folder* folder, std::vector<Folder*>* waits) {
    Fd opened;
    if (folder->top) {
      std::swap(opened.value, folder->from->value);
    } else {
      opened = Fd(openat(folder->from->value, string(folder->name()).c_str(), kFolder));
      if (!opened) return false;
    }
    folder->from.reset();
    std::vector<Found> found;
    if (!names_in(opened.value, &found)) return false;
    const int kind = marker(opened.value, found);
    if (folder->above && (kind < kVenv || (kind == kVenv && defaults_ && folder->rule < 0))) {
      std::lock_guard<std::mutex> hold(lock_);
      left_out.push_back({string(folder->shown()), true, kind});
      folder->left_out = true;
      return true;
    }
    const auto here = std::make_shared<Fd>(std::move(opened));
    std::vector<std::unique_ptr<Folder>> below;
    std::vector<LeftOut> out;
    const auto records = records_.find(kind);
    for (auto& entry : found) {
      const bool is_record = records != records_.end() && records->second.count(entry.name);
      if (!take(folder, here, &entry, is_record ? kind : kOrdinary, &below, &out)) return false;
    }
    std::sort(folder->items.begin(), folder->items.end(), [](auto& a, auto& b) { return a.name < b.name; });
    count_ += folder->items.size();
    std::lock_guard<std::mutex> hold(lock_);
    for (auto& one : below) {
      waits->push_back(one.get());
      folders.push_back(std::move(one));
    }
    std::move(out.begin(), out.end(), std::back_inserter(left_out));
    return true;
  }

  bool take(Folder* folder, const std::shared_ptr<Fd>& here, Found* entry, int kind,
            std::vector<std::unique_ptr<Folder>>* below, std::vector<LeftOut>* out) {
    struct stat seen;
    bool looked = false;
    if (entry->type == DT_UNKNOWN) {
      if (fstatat(here->value, entry->name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
      looked = true;
    }
    const bool is_dir = looked ? S_ISDIR(seen.st_mode) : entry->type == DT_DIR;
    string path = folder->path + entry->name;
    const int rule = kind != kOrdinary ? kind : rules_.find(path, folder->path.size(), is_dir);
    if (kind != kOrdinary || rules_.leaves_out(rule)) {
      out->push_back({std::move(path), is_dir, rule});
      return true;
    }
    if (!is_utf8(entry->name)) return false;
    if (is_dir) {
      below->push_back(std::make_unique<Folder>());
      below->back()->path = std::move(path) + "/";
      if (!folder->real.empty()) below->back()->real = folder->real + entry->name + "/";
      below->back()->above = folder;
      below->back()->rule = rule;
      below->back()->from = here;
      return true;
    }
    if (!looked && fstatat(here->value, entry->name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    Item item;
    item.name = std::move(entry->name);
    item.state = state_of(seen);
    if (S_ISLNK(seen.st_mode)) {
      std::vector<char> target(PATH_MAX + 1);
      const ssize_t size = readlinkat(here->value, item.name.c_str(), target.data(), target.size());
      if (size < 0 || size > PATH_MAX) return false;
      item.target.assign(target.data(), size);
    } else if (!S_ISREG(seen.st_mode)) {
      return false;
    }
    folder->items.push_back(std::move(item));
    return true;
  }

  const Rules& rules_;
  const bool defaults_;
  const Names signs_;
  const py::function own_folder_;
  const std::map<int, Names> records_;
  std::mutex lock_;
  Stack<Folder*> todo_;
  std::atomic<size_t> count_{0};
};

}  // namespace
