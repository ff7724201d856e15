// The result of a walk, as Python sees it.
#pragma once

#include "crew.h"
#include "stat_cache.h"
#include "store.h"
#include "walker.h"

namespace {

using Ticker = std::function<void(uint64_t, uint64_t)>;

py::str text(string_view given) { return py::str(given.data(), given.size()); }

class Walk {
 public:
  Walk(string source, int64_t began_ns, Walker* walker)
      : source_(std::move(source)), began_ns_(began_ns), folders_(std::move(walker->folders)),
        left_out_(std::move(walker->left_out)) {
    arrange();
  }

  // Puts files (path, where they lie, state) and folders (path, where they lie) in the place of links, and nothing in
  // that of those which are left out. Returns the links in the folders as `entries` does; None when something is for
  // the twin.
  py::object replace(const py::sequence& files, const py::sequence& folders, const py::sequence& gone,
                     const Rules& rules, bool defaults, Names signs, const py::function& own_folder,
                     std::map<int, Names> records, const py::function& tick) {
    std::unordered_map<string_view, Folder*> by_path;
    for (const auto& folder : folders_) by_path[folder->path] = folder.get();
    const auto split = [&by_path](const string& path) {
      const auto at = path.rfind('/') + 1;
      return std::make_pair(by_path.at(string_view(path).substr(0, at)), string_view(path).substr(at));
    };
    for (const auto& given : files) {
      const auto [path, real, state] = given.cast<std::tuple<string, string, py::tuple>>();
      const auto [folder, name] = split(path);
      Item* const item = item_of(folder, name);
      item->target = real;
      item->state = state_from(state);
    }
    for (const auto& path : gone) remove(split, path.cast<string>());
    Walker walker(rules, defaults, std::move(signs), own_folder, std::move(records));
    for (const auto& given : folders) {
      const auto [path, real] = given.cast<std::pair<string, string>>();
      auto folder = std::make_unique<Folder>();
      folder->above = remove(split, path);
      folder->path = path + "/";
      folder->real = real == "/" ? real : real + "/";
      folder->rule = rules.find(path, path.rfind('/') + 1, true);
      if (!walker.begin_at(std::move(folder), real, kFolder)) return py::none();
    }
    if (!walker.run([&](size_t count) { tick(count); })) return py::none();
    const size_t before = folders_.size();
    std::move(walker.folders.begin(), walker.folders.end(), std::back_inserter(folders_));
    std::move(walker.left_out.begin(), walker.left_out.end(), std::back_inserter(left_out_));
    py::list links = rows_of(before, true);
    arrange();
    return std::move(links);
  }

  // Of all files and links, or the links alone, sorted by path: path, mode, size, mtime in nanoseconds, and of a link its
  // target, of a file where it lies if that is not below the source.
  py::list entries(bool links_alone) const { return rows_of(0, links_alone); }

  // What is left out, in no order: path, whether it is a folder, number of the rule (or of the marker, below 0).
  py::list left_out() const {
    py::list rows;
    for (const auto& one : left_out_) rows.append(py::make_tuple(py::bytes(one.path), one.is_dir, one.rule));
    return rows;
  }

  // Takes over what the cache knows; whether that is all.
  bool settle(const py::bytes& cache, int64_t racy_ns) {
    Sha sha;
    for (const auto& folder : folders_) {
      folder->clean = false;
      for (auto& item : folder->items) {
        item.known = item.was_there = false;
        if (item.state.is_link()) item.digest = sha.of(item.target.data(), item.target.size());
      }
    }
    const string_view data = cache;
    if (!is_whole(data)) return false;
    const auto known = read_cache(data);
    const int64_t safe_ns = reinterpret_cast<const CacheHeader*>(data.data())->began_ns - racy_ns;
    std::unordered_map<const Folder*, int> clean_below;
    for (size_t i = folders_.size(); i-- > 0;) {
      Folder* const folder = folders_[i].get();
      const auto found = known.find(folder->shown());
      if (!folder->filled && folder->above) continue;
      if (found == known.end()) continue;
      const bool same = settle_items(folder, found->second, safe_ns);
      folder->clean = same && found->second.folders == folder->folders && clean_below[folder] == folder->folders;
      folder->tree = found->second.record->tree;
      if (folder->clean) ++clean_below[folder->above];
    }
    return folders_[0]->clean;
  }

  py::str root() const { return hex(folders_[0]->tree); }

  // How many files up to `small` bytes have to be read.
  size_t small_unknown(uint64_t small) const {
    size_t count = 0;
    for (const auto& folder : folders_) {
      for (const auto& item : folder->items) count += !item.known && !item.state.is_link() && item.state.size <= small;
    }
    return count;
  }

  // Reads all files that are not known into the store; without a pack (-1) not the small ones. Returns where the new
  // small ones lie in the pack: digest, offset, size; and the files in which the others are.
  py::tuple store(const string& blobs, const std::vector<std::pair<string, string>>& packs, int pack_fd,
                 uint64_t pack_end, size_t small, const py::function& tick) {
    std::vector<std::vector<std::pair<Folder*, Item*>>> jobs(1);
    uint64_t total = 0;
    for (const auto& folder : folders_) {
      for (auto& item : folder->items) {
        if (item.known || item.state.is_link() || (pack_fd < 0 && item.state.size <= small)) continue;
        total += item.state.size;
        if (item.state.size > kChunk) jobs.insert(jobs.begin(), {{folder.get(), &item}});
        else if (jobs.back().size() < 64) jobs.back().emplace_back(folder.get(), &item);
        else jobs.push_back({{folder.get(), &item}});
      }
    }
    py::list rows, files;
    if (jobs[0].empty()) return py::make_tuple(rows, files);
    Store store(blobs, packs, pack_fd, pack_end, small);
    std::stable_sort(jobs.begin(), jobs.end(), [](auto& a, auto& b) {
      return (a.size() == 1 ? a[0].second->state.size : 0) > (b.size() == 1 ? b[0].second->state.size : 0);
    });
    std::atomic<size_t> next{0};
    std::atomic<uint64_t> done{0};
    try {
      Crew::run([&](std::atomic<bool>& stop) { read_all(&store, jobs, &next, &done, stop); },
                [&] { tick(done.load(), total); });
    } catch (const Failed& failed) {
      errno = failed.code;
      PyErr_SetFromErrnoWithFilename(PyExc_OSError, failed.path.c_str());
      throw py::error_already_set();
    }
    for (const auto& one : store.records) {
      const auto* const digest = reinterpret_cast<const char*>(one.digest.data());
      rows.append(py::make_tuple(py::bytes(digest, 32), one.offset, one.size));
    }
    for (const auto& path : store.files) files.append(py::bytes(path));
    return py::make_tuple(rows, files);
  }

  // What has still to be read: number of the folder, of the file in it, path, where it lies if not below the source.
  py::list unknown() const {
    py::list rows;
    for (size_t i = 0; i < folders_.size(); ++i) {
      for (size_t k = 0; k < folders_[i]->items.size(); ++k) {
        const Item& item = folders_[i]->items[k];
        if (item.known || item.state.is_link()) continue;
        rows.append(py::make_tuple(i, k, text(folders_[i]->path + item.name), py::bytes(folders_[i]->origin(item))));
      }
    }
    return rows;
  }

  void set_file(size_t folder, size_t file, const py::bytes& digest, const py::tuple& state) {
    Item& item = folders_.at(folder)->items.at(file);
    std::memcpy(item.digest.data(), string_view(digest).data(), 32);
    item.state = state_from(state);
    item.known = true;
  }

  // The folders whose trees have to be made anew, what lies below a folder before it.
  py::list changed() const {
    py::list rows;
    for (size_t i = folders_.size(); i-- > 0;) {
      if (!folders_[i]->clean && (folders_[i]->filled || !folders_[i]->above)) rows.append(i);
    }
    return rows;
  }

  // The entries of a folder's tree; those of the folders below have been set.
  py::list tree_entries(size_t number) const {
    const Folder* const folder = folders_.at(number).get();
    py::list rows;
    for (const auto& item : folder->items) {
      if (item.state.is_link()) {
        rows.append(py::list(py::make_tuple(text(item.name), "l", text(item.target), 0)));
      } else {
        const char* const kind = item.state.mode & S_IXUSR ? "x" : "f";
        rows.append(py::list(py::make_tuple(text(item.name), kind, hex(item.digest), item.state.size)));
      }
    }
    if (folder->folders > 0) {
      for (size_t i = number + 1; i < folders_.size() && is_below(*folders_[i], *folder); ++i) {
        const Folder& below = *folders_[i];
        if (below.above == folder && below.filled) {
          rows.append(py::list(py::make_tuple(text(below.name()), "d", hex(below.tree), 0)));
        }
      }
    }
    return rows;
  }

  void set_tree(size_t number, const py::bytes& digest) {
    std::memcpy(folders_.at(number)->tree.data(), string_view(digest).data(), 32);
  }

  // The body of the cache.
  py::bytes remember() const {
    CacheHeader header{{'E', 'S', 'P', 'S', 'T', 'A', 'T', '1'}, began_ns_, 0, 0, folders_[0]->tree};
    std::vector<const Folder*> kept;
    size_t names = 0;
    for (const auto& folder : folders_) {
      if (!folder->filled && folder->above) continue;
      kept.push_back(folder.get());
      header.entries += folder->items.size();
      names += folder->shown().size() + 1;
      for (const auto& item : folder->items) names += item.name.size() + 1;
    }
    header.folders = kept.size();
    const size_t records = header.entries * sizeof(CacheEntry) + header.folders * sizeof(CacheFolder);
    py::bytes body(nullptr, sizeof header + records + names);
    char* at = PyBytes_AS_STRING(body.ptr());
    const auto put = [&at](const void* data, size_t size) {
      std::memcpy(at, data, size);
      at += size;
    };
    const auto put_name = [&](string_view name) {
      put(name.data(), name.size());
      *at++ = '\0';
    };
    put(&header, sizeof header);
    for (const auto* const folder : kept) {
      for (const auto& item : folder->items) {
        const State& s = item.state;
        const CacheEntry entry{s.mtime_ns, s.ctime_ns, s.size, s.inode, s.device, s.mode, item.digest};
        put(&entry, sizeof entry);
      }
    }
    for (const auto* const folder : kept) {
      const CacheFolder record{static_cast<uint32_t>(folder->items.size()), folder->tree};
      put(&record, sizeof record);
    }
    for (const auto* const folder : kept) put_name(folder->shown());
    for (const auto* const folder : kept) {
      for (const auto& item : folder->items) put_name(item.name);
    }
    return body;
  }

  // Number of files and links, their size, and path and size of the three largest files.
  py::tuple totals() const {
    using Sized = std::tuple<uint64_t, const Folder*, const Item*>;
    std::vector<Sized> files;
    size_t count = 0;
    uint64_t bytes = 0;
    for (const auto& folder : folders_) {
      count += folder->items.size();
      for (const auto& item : folder->items) {
        if (item.state.is_link()) continue;
        bytes += item.state.size;
        files.emplace_back(item.state.size, folder.get(), &item);
      }
    }
    const auto middle = files.begin() + std::min<size_t>(3, files.size());
    std::partial_sort(files.begin(), middle, files.end(),
                      [](const Sized& a, const Sized& b) { return std::get<0>(a) > std::get<0>(b); });
    py::list largest;
    for (auto one = files.begin(); one != middle; ++one) {
      const auto& [size, folder, item] = *one;
      largest.append(py::make_tuple(text(folder->path + item->name), size));
    }
    return py::make_tuple(count, bytes, largest);
  }

 private:
  // Sorts the folders, and counts what is in them.
  void arrange() {
    folders_.erase(std::remove_if(folders_.begin(), folders_.end(), [](auto& one) { return one->left_out; }),
                   folders_.end());
    std::sort(folders_.begin(), folders_.end(), [](auto& a, auto& b) { return a->shown() < b->shown(); });
    for (auto& folder : folders_) folder->folders = 0;
    for (size_t i = folders_.size(); i-- > 0;) {  // what lies below a folder comes before it
      Folder* const folder = folders_[i].get();
      folder->filled = !folder->items.empty() || folder->folders > 0;
      if (folder->filled && folder->above) ++folder->above->folders;
    }
  }

  // As `entries`, of the folders from a number on.
  py::list rows_of(size_t from, bool links_alone) const {
    std::vector<std::tuple<string, const Folder*, const Item*>> sorted;
    for (size_t i = from; i < folders_.size(); ++i) {
      const Folder* const folder = folders_[i].get();
      for (const auto& item : folder->items) {
        if (!links_alone || item.state.is_link()) sorted.emplace_back(folder->path + item.name, folder, &item);
      }
    }
    std::sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return std::get<0>(a) < std::get<0>(b); });
    py::list rows(sorted.size());
    for (size_t i = 0; i < sorted.size(); ++i) {
      const auto& [path, folder, item] = sorted[i];
      rows[i] = py::make_tuple(text(path), item->state.mode, item->state.size, item->state.mtime_ns,
                               py::bytes(item->state.is_link() ? item->target : folder->origin(*item)));
    }
    return rows;
  }

  static Item* item_of(Folder* folder, string_view name) {
    const auto found = std::lower_bound(folder->items.begin(), folder->items.end(), name,
                                        [](const Item& item, string_view text) { return item.name < text; });
    return &*found;
  }

  // Removes a link, and returns the folder it was in.
  template <typename Split>
  static Folder* remove(const Split& split, const string& path) {
    const auto [folder, name] = split(path);
    folder->items.erase(folder->items.begin() + (item_of(folder, name) - folder->items.data()));
    return folder;
  }

  static State state_from(const py::tuple& state) {
    return {state[0].cast<int64_t>(),  state[1].cast<int64_t>(),  state[2].cast<uint64_t>(),
            state[3].cast<uint64_t>(), state[4].cast<uint64_t>(), state[5].cast<uint32_t>()};
  }

  static bool is_below(const Folder& one, const Folder& folder) {
    // (`a.b` sorts between `a` and `a/b`)
    const auto path = folder.shown();
    return one.path.compare(0, path.size(), path) == 0;
  }

  static bool settle_items(Folder* folder, const KnownFolder& known, int64_t safe_ns) {
    bool same = known.names.size() == folder->items.size();
    size_t at = 0;
    for (auto& item : folder->items) {
      while (at < known.names.size() && known.names[at] < item.name) ++at;
      if (at < known.names.size() && known.names[at] == item.name) {
        const CacheEntry& entry = known.entries[at];
        item.was_there = entry.size == item.state.size;
        item.known = entry.state() == item.state && item.state.mtime_ns < safe_ns && item.state.ctime_ns < safe_ns &&
                     (!item.state.is_link() || entry.digest == item.digest);
        if (item.known) item.digest = entry.digest;
      }
      same = same && item.known;
    }
    return same;
  }

  using Job = std::vector<std::pair<Folder*, Item*>>;

  void read_all(Store* store, const std::vector<Job>& jobs, std::atomic<size_t>* next, std::atomic<uint64_t>* done,
                const std::atomic<bool>& stop) const {
    Opener inside(source_), outside("/");
    Sha sha;
    std::vector<char> data(kChunk + 1);
    string buffer;
    std::vector<Location> places;
    for (size_t job; !stop && (job = (*next)++) < jobs.size();) {
      for (const auto& [folder, item] : jobs[job]) {
        if (stop) return;
        const uint64_t size = item->state.size;
        const string origin = folder->origin(*item);
        const size_t at = origin.rfind('/') + 1;
        const Fd fd = origin.empty() ? file_at(inside.at(folder->path), item->name)
                                     : file_at(outside.at(origin.substr(1, at - 1)), origin.substr(at));
        item->known = read_one(store, fd, item, &sha, &data, &buffer, &places, stop);
        *done += size;
      }
    }
    store->flush(&buffer, &places);
  }

  static Fd file_at(int folder, const string& name) {
    return Fd(folder < 0 ? -1 : openat(folder, name.c_str(), kFile));
  }

  // False when the file is for the twin: it is gone, or cannot be read, or is being written to.
  static bool read_one(Store* store, const Fd& fd, Item* item, Sha* sha, std::vector<char>* data, string* buffer,
                       std::vector<Location>* places, const std::atomic<bool>& stop) {
    struct stat seen;
    if (!fd || fstat(fd.value, &seen) != 0 || !S_ISREG(seen.st_mode)) return false;
    const State before = state_of(seen);
    if (before.size > kWhole) {
      const bool sparse = static_cast<uint64_t>(seen.st_blocks) * 512 < before.size;
      if (!copy_large(store, fd.value, before.size, sparse, item, sha, data, stop)) return false;
    } else {
      if (data->size() <= before.size) data->resize(before.size + 1);
      size_t done = 0;
      while (done <= before.size) {  // one byte more is asked for, to notice growth
        const ssize_t more = read(fd.value, data->data() + done, before.size + 1 - done);
        if (more < 0) return false;
        if (more == 0) break;
        done += more;
      }
      if (done != before.size) return false;
      item->digest = sha->of(data->data(), done);
    }
    if (fstat(fd.value, &seen) != 0 || !(state_of(seen) == before)) return false;
    if (before.size <= kWhole) store->put_whole(item->digest, data->data(), before.size, buffer, places);
    item->state = before;
    return true;
  }

  // Hashes and copies in one go; one that the store probably has is hashed first, and copied only if it has not.
  static bool copy_large(Store* store, int fd, uint64_t size, bool sparse, Item* item, Sha* sha,
                         std::vector<char>* data, const std::atomic<bool>& stop) {
    if (item->was_there) {
      if (!hash_file(fd, size, -1, false, &item->digest, sha, data, stop)) return false;
      if (holds_large(store, item->digest, size, sha, data, stop)) return true;
    }
    const string path = store->aside();
    bool good;
    try {
      const Fd to = store->create(path);
      good = hash_file(fd, size, to.value, sparse, &item->digest, sha, data, stop);
      if (good) begin_to_disk(to.value, 0, size);
    } catch (...) {
      unlink(path.c_str());
      throw;
    }
    if (!good || holds_large(store, item->digest, size, sha, data, stop)) {
      unlink(path.c_str());
    } else {
      store->place(path, item->digest);
    }
    return good;
  }

  static bool holds_large(Store* store, const Digest& digest, uint64_t size, Sha* sha, std::vector<char>* data,
                          const std::atomic<bool>& stop) {
    const Fd fd = store->open_loose(digest, size);
    Digest found;
    if (!fd || !hash_file(fd.value, size, -1, false, &found, sha, data, stop) || found != digest) return false;
    store->rely_on(store->loose(digest));
    return true;
  }

  const string source_;
  const int64_t began_ns_;
  std::vector<std::unique_ptr<Folder>> folders_;  // sorted by path; the root is the first
  std::vector<LeftOut> left_out_;
};

py::object walk(const py::bytes& source, int64_t began_ns, const Rules& rules, bool defaults, Names signs,
                const py::function& own_folder, std::map<int, Names> records, const py::function& tick) {
  Walker walker(rules, defaults, std::move(signs), own_folder, std::move(records));
  auto root = std::make_unique<Folder>();
  root->rule = -1;
  if (!walker.begin_at(std::move(root), source, kFolder & ~O_NOFOLLOW)) return py::none();
  if (!walker.run([&](size_t count) { tick(count); })) return py::none();
  return py::cast(std::make_unique<Walk>(source, began_ns, &walker));
}

}  // namespace
