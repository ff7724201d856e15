// The store of objects: packs and loose files.
#pragma once

#include "sha256.h"

namespace {

struct Location {
  Digest digest;
  uint64_t offset, size;
};

uint64_t big_endian(const unsigned char* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

void write_all(int fd, const char* data, size_t size, off_t at, const string& path) {
  while (size > 0) {
    const ssize_t done = at < 0 ? write(fd, data, size) : pwrite(fd, data, size, at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw Failed{errno, path};
    data += done;
    size -= done;
    if (at >= 0) at += done;
  }
}

// A pack that is there, as store/packs.py describes it.
class Pack {
 public:
  explicit Pack(const string& index, const string& pack)
      : index(index), pack(pack), data_(open(pack.c_str(), kFile)) {
    Fd fd(open(index.c_str(), kFile));
    struct stat seen;
    if (!fd || fstat(fd.value, &seen) != 0 || !S_ISREG(seen.st_mode) || seen.st_size > kLongest) return;
    text_.resize(seen.st_size);
    for (size_t done = 0; done < text_.size();) {
      const ssize_t more = read(fd.value, &text_[done], text_.size() - done);
      if (more <= 0) return;
      done += more;
    }
    if (text_.size() < 16 || text_.compare(0, 8, "ESPPACK1") != 0) return;
    const uint64_t count = big_endian(bytes() + 8);
    if ((text_.size() - 16) % 48 == 0 && (text_.size() - 16) / 48 == count) count_ = count;
  }

  bool find(const Digest& digest, uint64_t* offset, uint64_t* size) const {
    uint64_t low = 0, high = count_;
    while (low < high) {
      const uint64_t middle = (low + high) / 2;
      const unsigned char* const record = bytes() + 16 + middle * 48;
      const int order = std::memcmp(record, digest.data(), 32);
      if (order < 0) low = middle + 1;
      if (order > 0) high = middle;
      if (order == 0) {
        *offset = big_endian(record + 32);
        *size = big_endian(record + 40);
        return true;
      }
    }
    return false;
  }

  bool get(uint64_t offset, char* to, size_t size) const {
    return pread(data_.value, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  }

  // Whether the pack holds these very bytes.
  bool holds(const Digest& digest, const char* data, size_t size) const {
    uint64_t offset, there;
    if (!find(digest, &offset, &there) || there != size) return false;
    std::vector<char> found(size);
    return get(offset, found.data(), size) && std::memcmp(found.data(), data, size) == 0;
  }

  const string index, pack;

 private:
  const unsigned char* bytes() const { return reinterpret_cast<const unsigned char*>(text_.data()); }
  Fd data_;
  string text_;
  uint64_t count_ = 0;
};

// Has the disk begin with what was written: it is waited for at the end.
void begin_to_disk(int fd, uint64_t at, uint64_t size) {
  sync_file_range(fd, static_cast<off_t>(at), static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
}

// Takes contents from several threads: small ones into the pack that is being written, others as files of their own.
class Store {
 public:
  Store(string blobs, const std::vector<std::pair<string, string>>& packs, int pack_fd, uint64_t pack_end, size_t small)
      : end_(pack_end), blobs_(std::move(blobs)), fd_(pack_fd), small_(small) {
    for (const auto& [index, pack] : packs) packs_.push_back(std::make_unique<Pack>(index, pack));
    any_loose_ = access(blobs_.c_str(), F_OK) == 0;
  }

  string loose(const Digest& digest) const {
    const string text = hex(digest);
    return blobs_ + "/" + text.substr(0, 2) + "/" + text;
  }

  // A file of its own of that size; whoever relies on it looks at its content, for it may be damaged.
  Fd open_loose(const Digest& digest, uint64_t size) const {
    Fd fd(any_loose_ ? open(loose(digest).c_str(), kFile) : -1);
    struct stat seen;
    const bool good = fd && fstat(fd.value, &seen) == 0 && static_cast<uint64_t>(seen.st_size) == size;
    return good ? std::move(fd) : Fd();
  }

  // The files, new or found, in which the contents are that were given.
  void rely_on(const string& path) {
    std::lock_guard<std::mutex> hold(lock_);
    files.insert(path);
  }

  string aside() const {
    unsigned char random[6];
    if (getrandom(random, sizeof random, 0) != sizeof random) throw Failed{errno, blobs_};
    char name[48];
    std::snprintf(name, sizeof name, "/.tmp-%d-%02x%02x%02x%02x%02x%02x", getpid(), random[0], random[1], random[2],
                  random[3], random[4], random[5]);
    return blobs_ + name;
  }

  Fd create(const string& path) {
    Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!fd && errno == ENOENT) {
      for (size_t at = blobs_.find('/', 1); at != string::npos; at = blobs_.find('/', at + 1)) {
        mkdir(blobs_.substr(0, at).c_str(), 0777);
      }
      mkdir(blobs_.c_str(), 0777);
      fd = Fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    }
    if (!fd) throw Failed{errno, path};
    return fd;
  }

  void place(const string& aside, const Digest& digest) {
    const string path = loose(digest);
    rely_on(path);
    if (rename(aside.c_str(), path.c_str()) == 0) return;
    mkdir(path.substr(0, path.rfind('/')).c_str(), 0777);
    if (rename(aside.c_str(), path.c_str()) != 0) {
      const int code = errno;
      unlink(aside.c_str());
      throw Failed{code, path};
    }
  }

  // The first of several equal contents is stored, the others are there then.
  bool is_new(const Digest& digest) {
    std::lock_guard<std::mutex> hold(lock_);
    return seen_.insert(string(reinterpret_cast<const char*>(digest.data()), 32)).second;
  }

  void put_whole(const Digest& digest, const char* data, size_t size, string* buffer, std::vector<Location>* places) {
    if (!is_new(digest)) return;
    for (const auto& pack : packs_) {
      if (!pack->holds(digest, data, size)) continue;
      rely_on(pack->index);
      rely_on(pack->pack);
      return;
    }
    if (holds_loose(digest, data, size)) return rely_on(loose(digest));
    if (size <= small_ && fd_ >= 0) {
      places->push_back({digest, buffer->size(), size});
      buffer->append(data, size);
      if (buffer->size() >= kChunk) flush(buffer, places);
      return;
    }
    const string path = aside();
    {
      const Fd fd = create(path);
      try {
        write_all(fd.value, data, size, -1, path);
      } catch (...) {
        unlink(path.c_str());
        throw;
      }
      begin_to_disk(fd.value, 0, size);
    }
    place(path, digest);
  }

  // Moves what one thread has collected into the pack.
  void flush(string* buffer, std::vector<Location>* places) {
    uint64_t begin;
    {
      std::lock_guard<std::mutex> hold(lock_);
      begin = end_;
      end_ += buffer->size();
      for (auto& one : *places) one.offset += begin;
      std::move(places->begin(), places->end(), std::back_inserter(records));
    }
    places->clear();
    write_all(fd_, buffer->data(), buffer->size(), static_cast<off_t>(begin), "");
    if (!buffer->empty()) begin_to_disk(fd_, begin, buffer->size());
    buffer->clear();
  }

  uint64_t end() const { return end_; }
  std::vector<Location> records;
  std::unordered_set<string> files;

 private:
  bool holds_loose(const Digest& digest, const char* data, size_t size) const {
    const Fd fd = open_loose(digest, size);
    if (!fd) return false;
    std::vector<char> found(size);
    return pread(fd.value, found.data(), size, 0) == static_cast<ssize_t>(size) &&
           std::memcmp(found.data(), data, size) == 0;
  }

  uint64_t end_;
  const string blobs_;
  const int fd_;
  const size_t small_;
  bool any_loose_;
  std::mutex lock_;
  std::unordered_set<string> seen_;
  std::vector<std::unique_ptr<Pack>> packs_;
};

// Reads a large file of `size` bytes for its digest, and copies it on the way, with its holes if `sparse`; to -1: not.
// False when it cannot be read, or is not of that size.
bool hash_file(int fd, uint64_t size, int to, bool sparse, Digest* digest, Sha* sha, std::vector<char>* data,
               const std::atomic<bool>& stop) {
  if (lseek(fd, 0, SEEK_SET) != 0) return false;
  sha->begin();
  uint64_t done = 0;
  while (!stop) {
    const ssize_t more = read(fd, data->data(), kChunk);
    if (more < 0) return false;
    if (more == 0) break;
    sha->add(data->data(), more);
    done += more;
    if (to < 0 || done > size) continue;
    if (sparse && (*data)[0] == 0 && std::memcmp(data->data(), data->data() + 1, more - 1) == 0) {
      if (lseek(to, more, SEEK_CUR) < 0) throw Failed{errno, ""};
    } else {
      write_all(to, data->data(), more, -1, "");
    }
  }
  if (done != size || stop) return false;
  if (to >= 0 && ftruncate(to, static_cast<off_t>(size)) != 0) throw Failed{errno, ""};
  *digest = sha->end();
  return true;
}

// Opens folders part by part, so that one swapped for a link is never entered.
class Opener {
 public:
  explicit Opener(const string& source) : root_(open(source.c_str(), kFolder & ~O_NOFOLLOW)) {}
  // The open folder, -1 when it is not there; `path` ends with `/`, but for the root.
  int at(const string& path) {
    if (path.empty()) return root_.value;
    if (here_ && path == path_) return here_.value;
    size_t begin = 0;
    if (here_ && !path_.empty() && path.compare(0, path_.size(), path_) == 0) {
      begin = path_.size();
    } else {
      here_ = Fd(fcntl(root_.value, F_DUPFD_CLOEXEC, 3));
    }
    path_.clear();
    for (size_t end; here_ && begin < path.size(); begin = end + 1) {
      end = path.find('/', begin);
      here_ = Fd(openat(here_.value, path.substr(begin, end - begin).c_str(), kFolder));
    }
    if (here_) path_ = path;
    return here_.value;
  }

 private:
  Fd root_, here_;
  string path_;
};

}  // namespace
