// What a walk found.
#pragma once

#include "base.h"

namespace {

struct State {
  int64_t mtime_ns, ctime_ns;
  uint64_t size, inode, device;
  uint32_t mode;
  bool operator==(const State& other) const {
    return mtime_ns == other.mtime_ns && ctime_ns == other.ctime_ns && size == other.size && inode == other.inode &&
           device == other.device && mode == other.mode;
  }
  bool is_link() const { return S_ISLNK(mode); }
};

State state_of(const struct stat& seen) {
  return {int64_t{seen.st_mtim.tv_sec} * 1000000000 + seen.st_mtim.tv_nsec,
          int64_t{seen.st_ctim.tv_sec} * 1000000000 + seen.st_ctim.tv_nsec,
          static_cast<uint64_t>(seen.st_size),
          static_cast<uint64_t>(seen.st_ino),
          static_cast<uint64_t>(seen.st_dev),
          static_cast<uint32_t>(seen.st_mode)};
}

struct Item {
  string name, target;  // of a file that a link led to, `target` is where it lies
  State state;
  Digest digest;
  bool known = false;
  bool was_there = false;  // the cache knows a file of this path and size
};

struct Folder {
  string path;  // with a `/` at its end, but for the root
  string real;  // where it lies, with a `/` at its end, if a link led there or to a folder above; else empty
  Folder* above;
  int rule;                  // that decided about it, -1 for none
  std::shared_ptr<Fd> from;  // the folder above, while this one has not been opened; or this one, if it is a `top`
  bool top = false;
  std::vector<Item> items;   // sorted by name
  bool left_out = false, filled = false, clean = false;
  int folders = 0;  // filled ones directly below
  Digest tree;
  string_view shown() const { return string_view(path).substr(0, path.empty() ? 0 : path.size() - 1); }
  // Where one of its files lies if that is not below the source; else empty.
  string origin(const Item& item) const {
    if (item.state.is_link()) return "";
    return real.empty() ? item.target : real + item.name;
  }
  string_view name() const {
    const auto whole = shown();
    const auto at = whole.rfind('/');
    return at == string_view::npos ? whole : whole.substr(at + 1);
  }
};

struct LeftOut {
  string path;
  bool is_dir;
  int rule;
};
// What a folder is by what it holds. Numbers below kVenv are espalier's own folders, which are always left out.
constexpr int kVenv = -2, kOrdinary = -1;

bool is_utf8(string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      ++i;
      continue;
    }
    const int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (c < 0xc2 || c > 0xf4 || static_cast<size_t>(more) >= text.size() - i) return false;
    uint32_t code = c & (0x3f >> more);
    for (int k = 1; k <= more; ++k) {
      const auto d = static_cast<unsigned char>(text[i + k]);
      if ((d & 0xc0) != 0x80) return false;
      code = code << 6 | (d & 0x3f);
    }
    if (more == 2 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return false;
    if (more == 3 && (code < 0x10000 || code > 0x10ffff)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace
