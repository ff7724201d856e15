// The stat cache: what is known of files that have not changed.
#pragma once

#include "found.h"
#include "sha256.h"

namespace {

// The layout is that of snapshot/statcache.py: little-endian, records without padding.

#pragma pack(push, 1)
struct CacheHeader {
  char magic[8];
  int64_t began_ns;
  uint64_t entries, folders;
  Digest root;
};
struct CacheEntry {
  State state() const { return {mtime_ns, ctime_ns, size, inode, device, mode}; }
  int64_t mtime_ns, ctime_ns;
  uint64_t size, inode, device;
  uint32_t mode;
  Digest digest;
};
struct CacheFolder {
  uint32_t count;
  Digest tree;
};
#pragma pack(pop)
static_assert(sizeof(CacheHeader) == 64 && sizeof(CacheEntry) == 76 && sizeof(CacheFolder) == 36, "as in statcache.py");

struct KnownFolder {
  const CacheFolder* record = nullptr;
  const CacheEntry* entries;
  std::vector<string_view> names;
  int folders = 0;  // directly below
};

// By path, as the cache has them.
using KnownFolders = std::unordered_map<string_view, KnownFolder>;

// Whether all that the header and the folders count is there. (The sum at the end tells damage, not malice.)
bool is_whole(string_view data) {
  if (data.size() < sizeof(CacheHeader)) return false;
  const auto* const header = reinterpret_cast<const CacheHeader*>(data.data());
  size_t left = data.size() - sizeof(CacheHeader);
  if (header->entries > left / sizeof(CacheEntry)) return false;
  left -= header->entries * sizeof(CacheEntry);
  if (header->folders > left / sizeof(CacheFolder)) return false;
  left -= header->folders * sizeof(CacheFolder);
  const string_view names = data.substr(data.size() - left);
  if (uint64_t(std::count(names.begin(), names.end(), '\0')) < header->entries + header->folders) return false;
  const auto* const folders = reinterpret_cast<const CacheFolder*>(names.data()) - header->folders;
  uint64_t entries = 0;
  for (uint64_t i = 0; i < header->folders; ++i) entries += folders[i].count;
  return entries == header->entries;
}

KnownFolders read_cache(string_view data) {
  KnownFolders known;
  const auto* const header = reinterpret_cast<const CacheHeader*>(data.data());
  const auto* entries = reinterpret_cast<const CacheEntry*>(header + 1);
  const auto* const records = reinterpret_cast<const CacheFolder*>(entries + header->entries);
  const char* name = reinterpret_cast<const char*>(records + header->folders);
  const auto next = [&name] {
    const string_view text(name);
    name += text.size() + 1;
    return text;
  };
  std::vector<KnownFolder*> order;
  known.reserve(header->folders);
  for (uint64_t i = 0; i < header->folders; ++i) {
    const string_view path = next();
    auto& folder = known[path];
    if (folder.record) return KnownFolders();  // twice the same: we never write that
    folder.record = records + i;
    folder.entries = entries;
    entries += folder.record->count;
    order.push_back(&folder);
    if (!path.empty()) {
      const auto at = path.rfind('/');
      ++known[at == string_view::npos ? string_view() : path.substr(0, at)].folders;
    }
  }
  for (auto* const folder : order) {
    for (uint32_t i = 0; i < folder->record->count; ++i) folder->names.push_back(next());
  }
  return known;
}

}  // namespace
