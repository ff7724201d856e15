// The index of a git repository, as snapshot/git_index.py reads it.
#pragma once

#include "found.h"

namespace {

uint32_t big_endian(const char* at) {
  const auto* const byte = reinterpret_cast<const unsigned char*>(at);
  return uint32_t{byte[0]} << 24 | uint32_t{byte[1]} << 16 | uint32_t{byte[2]} << 8 | byte[3];
}

struct IndexEntry {
  int64_t mtime_ns, ctime_ns;
  uint32_t mode, size;
  string_view id;
  int stage = 0;
  bool skipped = false, intended = false;
  bool is_state(const State& state, int64_t written_ns) const {
    return mtime_ns == state.mtime_ns && mtime_ns < written_ns && ctime_ns == state.ctime_ns &&
           size == uint32_t(state.size) && (mode & S_IFMT) == (state.mode & S_IFMT);
  }
};

// Calls `take` with each path and entry; whether the index is whole and not split in two.
bool read_index(string_view data, size_t id_bytes, const std::function<void(const string&, const IndexEntry&)>& take) {
  if (data.empty()) return true;
  if (data.size() < 12 + id_bytes || data.substr(0, 4) != "DIRC") return false;
  const uint32_t version = big_endian(&data[4]), count = big_endian(&data[8]);
  if (version < 2 || version > 4) return false;
  data.remove_suffix(id_bytes);
  size_t at = 12;
  string path;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t fixed = 42 + id_bytes;
    if (data.size() - at < fixed + 2) return false;
    const auto number = [&](int field) { return big_endian(&data[at + 4 * field]); };
    IndexEntry entry;
    entry.ctime_ns = int64_t{number(0)} * 1000000000 + number(1);
    entry.mtime_ns = int64_t{number(2)} * 1000000000 + number(3);
    entry.mode = number(6);
    entry.size = number(9);
    entry.id = data.substr(at + 40, id_bytes);
    const uint32_t flags = big_endian(&data[at + fixed - 2]);  // (two bytes of flags, and two that may be more)
    entry.stage = flags >> 28 & 3;
    size_t begin = at + fixed;
    if (flags >> 30 & 1) {
      entry.skipped = flags >> 14 & 1;
      entry.intended = flags >> 13 & 1;
      begin += 2;
    }
    size_t dropped = 0;
    if (version == 4) {  // (of the path before, so many bytes at its end are replaced)
      for (dropped = size_t(-1);;) {
        if (begin >= data.size() || dropped + 1 > path.size()) return false;
        const auto byte = static_cast<unsigned char>(data[begin++]);
        dropped = (dropped + 1) << 7 | (byte & 0x7f);
        if (byte < 0x80) break;
      }
      if (dropped > path.size()) return false;
    }
    const size_t end = data.find('\0', begin);
    if (end == string_view::npos) return false;
    path.resize(version == 4 ? path.size() - dropped : 0);
    path += data.substr(begin, end - begin);
    at = version == 4 ? end + 1 : at + ((end - at + 8) & ~size_t{7});
    if (at > data.size()) return false;
    take(path, entry);
  }
  while (data.size() - at >= 8) {
    if (data.substr(at, 4) == "link") return false;  // most of it is in another file
    at += 8;
    const size_t length = big_endian(&data[at - 4]);
    if (length > data.size() - at) return false;
    at += length;
  }
  return true;
}

}  // namespace
