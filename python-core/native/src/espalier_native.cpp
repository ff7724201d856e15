// The scanner of source folders: walk, ignore rules, stat cache, hashing and packing, on all cores.
//
// It does what snapshot/scan.py and snapshot/plain.py do, under the same tests, and only what is on the straight path.
// Whatever is out of the ordinary (a name that is not UTF-8, a FIFO, a file that changes while it is read, too many
// open files) it leaves to them, so that every refusal is worded in one place. Bytes of names are never changed.

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace py = pybind11;
using std::size_t;
using std::string;
using std::string_view;

namespace {

using Digest = std::array<unsigned char, 32>;

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// O_NONBLOCK: a file that became a FIFO must be refused, not waited for.
constexpr int kFile = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
constexpr size_t kWhole = 8 << 20;  // a file up to this size is held in memory
constexpr size_t kChunk = 1 << 20;
constexpr auto kTick = std::chrono::milliseconds(50);

struct Fd {
  int value;
  explicit Fd(int fd = -1) : value(fd) {}
  Fd(Fd&& other) noexcept : value(std::exchange(other.value, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(value, other.value);
    return *this;
  }
  ~Fd() {
    if (value >= 0) close(value);
  }
  explicit operator bool() const { return value >= 0; }
};

// ---- SHA-256 ---------------------------------------------------------------------------------------

class Sha {
 public:
  Sha() : context_(EVP_MD_CTX_new()) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
#else
    static const EVP_MD* const algorithm = EVP_sha256();
#endif
    algorithm_ = algorithm;
  }
  ~Sha() { EVP_MD_CTX_free(context_); }
  Sha(const Sha&) = delete;
  Sha& operator=(const Sha&) = delete;
  void begin() { good_ = EVP_DigestInit_ex(context_, algorithm_, nullptr) == 1; }
  void add(const void* data, size_t size) { good_ = EVP_DigestUpdate(context_, data, size) == 1 && good_; }
  Digest end() {
    Digest digest;
    if (EVP_DigestFinal_ex(context_, digest.data(), nullptr) != 1 || !good_) throw std::runtime_error("SHA-256 failed");
    return digest;
  }
  Digest of(const void* data, size_t size) {
    begin();
    add(data, size);
    return end();
  }

 private:
  EVP_MD_CTX* context_;
  const EVP_MD* algorithm_;
  bool good_ = false;
};

string hex(const Digest& digest) {
  static const char digits[] = "0123456789abcdef";
  string text(64, '0');
  for (size_t i = 0; i < 32; ++i) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  return text;
}

// ---- git's wildmatch -------------------------------------------------------------------------------
// Semantics of git's wildmatch.c (not WM_CASEFOLD), reimplemented: `kAbortAll` ends the search for a longer match of
// every star, `kAbortToStarStar` of those that match no slash.

enum Match { kMatch, kNoMatch, kAbortAll, kAbortToStarStar };

bool is_special(unsigned char c) { return c == '*' || c == '?' || c == '[' || c == '\\'; }

bool in_class(string_view name, unsigned char c, bool* known) {
  *known = true;
  const bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
  const bool graph = c > 32 && c < 127;
  if (name == "alnum") return lower || upper || digit;
  if (name == "alpha") return lower || upper;
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "cntrl") return c < 32 || c == 127;
  if (name == "digit") return digit;
  if (name == "graph") return graph;
  if (name == "lower") return lower;
  if (name == "print") return graph || c == ' ';
  if (name == "punct") return graph && !lower && !upper && !digit;
  if (name == "space") return c == ' ' || (c >= 9 && c <= 13);
  if (name == "upper") return upper;
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  *known = false;
  return false;
}

// A set `[...]`; `*at` is at its `[`, and afterwards at its `]`. Strings end with a NUL.
Match match_set(const char** at, unsigned char text, bool pathname) {
  const char* p = *at + 1;
  const bool negated = *p == '!' || *p == '^';
  if (negated) ++p;
  unsigned char before = 0, c = static_cast<unsigned char>(*p);
  bool matched = false;
  do {
    if (!c) return kAbortAll;
    if (c == '\\') {
      c = static_cast<unsigned char>(*++p);
      if (!c) return kAbortAll;
      matched = matched || text == c;
    } else if (c == '-' && before && p[1] && p[1] != ']') {
      c = static_cast<unsigned char>(*++p);
      if (c == '\\') c = static_cast<unsigned char>(*++p);
      if (!c) return kAbortAll;
      matched = matched || (before <= text && text <= c);
      c = 0;
    } else if (c == '[' && p[1] == ':') {
      const char* name = p + 2;
      const char* end = std::strchr(name, ']');
      if (!end) return kAbortAll;
      if (end == name || end[-1] != ':') {  // no class: an ordinary `[`
        matched = matched || text == '[';
      } else {
        bool known;
        matched = in_class(string_view(name, end - name - 1), text, &known) || matched;
        if (!known) return kAbortAll;
        p = end;
        c = 0;
      }
    } else {
      matched = matched || text == c;
    }
    before = c;
    c = static_cast<unsigned char>(*++p);
  } while (c != ']');
  *at = p;
  return matched != negated && !(pathname && text == '/') ? kMatch : kNoMatch;
}

Match wildmatch(const char* p, const char* text, bool pathname);

// What follows a star, at `p`, against every rest of the text that the star may leave.
Match match_after_star(const char* p, const char* text, bool slashes, bool pathname) {
  if (!*p) return slashes || !std::strchr(text, '/') ? kMatch : kAbortToStarStar;
  for (; *text; ++text) {
    if (!is_special(static_cast<unsigned char>(*p))) {
      while (*text && *text != *p && (slashes || *text != '/')) ++text;
      if (*text != *p) return slashes ? kAbortAll : kAbortToStarStar;
    }
    const Match matched = wildmatch(p, text, pathname);
    if (matched != kNoMatch) {
      if (!slashes || matched != kAbortToStarStar) return matched;
    } else if (!slashes && *text == '/') {
      return kAbortToStarStar;
    }
  }
  return kAbortAll;
}

Match wildmatch(const char* p, const char* text, bool pathname) {
  const char* const pattern = p;
  for (; *p; ++text, ++p) {
    if (!*text && *p != '*') return kAbortAll;
    if (*p == '?') {
      if (pathname && *text == '/') return kNoMatch;
    } else if (*p == '[') {
      const Match matched = match_set(&p, static_cast<unsigned char>(*text), pathname);
      if (matched != kMatch) return matched;
    } else if (*p == '*') {
      bool slashes = !pathname;
      if (*++p == '*') {
        const char* first = p - 1;
        while (*++p == '*') {
        }
        const bool begins = first == pattern || first[-1] == '/';
        if (pathname && begins && (!*p || *p == '/' || (p[0] == '\\' && p[1] == '/'))) {
          if (*p == '/') {  // no folder at all
            const Match matched = wildmatch(p + 1, text, pathname);
            // (git goes on after kAbortAll; each further `**/` then doubles the time)
            if (matched == kMatch || matched == kAbortAll) return matched;
          }
          slashes = true;
        }
      }
      if (*p == '/' && !slashes) {  // one star before a slash is one folder
        text = std::strchr(text, '/');
        if (!text) return kAbortAll;
        continue;
      }
      return match_after_star(p, text, slashes, pathname);
    } else {
      if (*p == '\\') ++p;
      if (*text != *p) return kNoMatch;
    }
  }
  return *text ? kNoMatch : kMatch;
}

// ---- ignore rules ----------------------------------------------------------------------------------

struct Rule {
  string pattern;  // without `!`, the `/` at its end and (unless names_only) the one at its begin
  string suffix;
  size_t literal;  // so many bytes hold no wildcard
  bool negated, folders_only, names_only;
};

class Rules {
 public:
  // Each: the pattern without `!` and the `/` at its end, whether either was there. In order; the last match wins.
  explicit Rules(const py::sequence& given) {
    for (const auto& item : given) {
      const auto [pattern, negated, folders_only] = item.cast<std::tuple<py::bytes, bool, bool>>();
      add(pattern, negated, folders_only);
    }
  }

  bool leaves_out(int rule) const { return rule >= 0 && !rules_[rule].negated; }

  // The number of the rule that decides about a path whose folders are included; -1 for none.
  int find(const string& path, size_t name_at, bool is_dir) const {
    const string_view name = string_view(path).substr(name_at);
    int best = -1;
    if (auto found = names_.find(name); found != names_.end()) {
      for (const int rule : found->second) {
        if (rule > best && (is_dir || !rules_[rule].folders_only)) best = rule;
      }
    }
    for (size_t i = others_.size(); i-- > 0 && others_[i] > best;) {
      const Rule& rule = rules_[others_[i]];
      if ((is_dir || !rule.folders_only) && matches(rule, path, name)) return others_[i];
    }
    return best;
  }

 private:
  void add(string text, bool negated, bool folders_only) {
    Rule rule{std::move(text), "", 0, negated, folders_only, false};
    rule.names_only = rule.pattern.find('/') == string::npos;
    if (rule.pattern[0] == '/') rule.pattern.erase(0, 1);
    while (rule.literal < rule.pattern.size() && !is_special(static_cast<unsigned char>(rule.pattern[rule.literal]))) {
      ++rule.literal;
    }
    const bool star = rule.names_only && rule.pattern[0] == '*';
    if (star && rule.pattern.find_first_of("*?[\\", 1) == string::npos) rule.suffix = rule.pattern.substr(1);
    const int number = static_cast<int>(rules_.size());
    const bool plain = rule.names_only && rule.literal == rule.pattern.size();
    rules_.push_back(std::move(rule));
    if (plain) {
      names_[rules_.back().pattern].push_back(number);
    } else {
      others_.push_back(number);
    }
  }

  static bool matches(const Rule& rule, const string& path, string_view name) {
    if (rule.names_only) {
      if (!rule.suffix.empty()) {
        return name.size() >= rule.suffix.size() &&
               name.compare(name.size() - rule.suffix.size(), rule.suffix.size(), rule.suffix) == 0;
      }
      return wildmatch(rule.pattern.c_str(), name.data(), false) == kMatch;
    }
    // as git: what precedes the first wildcard is compared, and the rest matched as a pattern of its own
    if (path.compare(0, rule.literal, rule.pattern, 0, rule.literal) != 0) return false;
    if (rule.literal == rule.pattern.size()) return path.size() == rule.literal;
    return wildmatch(rule.pattern.c_str() + rule.literal, path.c_str() + rule.literal, true) == kMatch;
  }

  std::deque<Rule> rules_;  // (its strings stay where they are: names_ points to them)
  std::unordered_map<string_view, std::vector<int>> names_;
  std::vector<int> others_;
};

// ---- what a walk found -----------------------------------------------------------------------------

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
constexpr int kVenv = -2, kWorkspace = -3;

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

// ---- threads ---------------------------------------------------------------------------------------

unsigned thread_count() { return std::max(1u, std::min(16u, std::thread::hardware_concurrency())); }

// Runs `work(stop)` on all cores. The calling thread looks after signals, and calls `tick` with the lock of Python;
// what either throws stops the others and is thrown.
class Crew {
 public:
  static void run(const std::function<void(std::atomic<bool>&)>& work, const std::function<void()>& tick) {
    Crew crew;
    std::vector<std::thread> threads;
    std::exception_ptr error;
    {
      py::gil_scoped_release release;
      const unsigned count = thread_count();
      crew.running_ = count;
      for (unsigned i = 0; i < count; ++i) threads.emplace_back([&] { crew.one(work); });
      error = crew.wait(tick);
      for (auto& thread : threads) thread.join();
    }
    if (error) std::rethrow_exception(error);
    if (crew.error_) std::rethrow_exception(crew.error_);
  }

 private:
  void one(const std::function<void(std::atomic<bool>&)>& work) {
    try {
      work(stop_);
    } catch (...) {
      std::lock_guard<std::mutex> hold(lock_);
      if (!error_) error_ = std::current_exception();
      stop_ = true;
    }
    std::lock_guard<std::mutex> hold(lock_);
    if (--running_ == 0) ended_.notify_all();
  }

  std::exception_ptr wait(const std::function<void()>& tick) {
    std::unique_lock<std::mutex> hold(lock_);
    while (!ended_.wait_for(hold, kTick, [&] { return running_ == 0; })) {
      hold.unlock();
      try {
        py::gil_scoped_acquire acquire;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        tick();
      } catch (...) {
        stop_ = true;
        return std::current_exception();
      }
      hold.lock();
    }
    return nullptr;
  }

  std::mutex lock_;
  std::condition_variable ended_;
  unsigned running_ = 0;
  std::atomic<bool> stop_{false};
  std::exception_ptr error_;
};

struct Failed {  // a system call of the store failed
  int code;
  string path;
};

// ---- the walk --------------------------------------------------------------------------------------

// Walks a folder on all cores: folders wait in a stack, so that few are open at a time however many there are.
class Walker {
 public:
  Walker(const Rules& rules, bool defaults, py::function is_workspace, std::unordered_set<string> records)
      : rules_(rules), defaults_(defaults), is_workspace_(std::move(is_workspace)), records_(std::move(records)) {}

  // A folder to begin with; false when it cannot be opened.
  bool begin_at(std::unique_ptr<Folder> folder, const string& place, int flags) {
    Fd opened(open(place.c_str(), flags));
    if (!opened) return false;
    folder->from = std::make_shared<Fd>(std::move(opened));
    folder->top = true;
    todo_.push_back(folder.get());
    folders.push_back(std::move(folder));
    return true;
  }

  // False when something was met that is for the twin.
  bool run(const std::function<void(size_t)>& tick) {
    Crew::run([this](std::atomic<bool>& stop) { work(stop); }, [&] { tick(count_); });
    return !trouble_;
  }

  std::vector<std::unique_ptr<Folder>> folders;
  std::vector<LeftOut> left_out;

 private:
  struct Found {
    string name;
    unsigned char type;
  };

  void work(std::atomic<bool>& stop) {
    std::unique_lock<std::mutex> hold(lock_);
    while (true) {
      wake_.wait_for(hold, kTick, [&] { return !todo_.empty() || busy_ == 0 || stop || trouble_; });
      if (stop || trouble_ || (todo_.empty() && busy_ == 0)) break;
      if (todo_.empty()) continue;
      Folder* const folder = todo_.back();
      todo_.pop_back();
      ++busy_;
      hold.unlock();
      try {
        if (!list(folder)) trouble_ = true;
      } catch (...) {
        hold.lock();
        --busy_;
        throw;
      }
      hold.lock();
      --busy_;
      if (busy_ == 0 || trouble_) wake_.notify_all();
    }
    wake_.notify_all();
  }

  static bool names_in(int fd, std::vector<Found>* found) {
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

  // What kind of folder this is by what is in it: kVenv, kWorkspace or -1.
  int marker(int fd, const std::vector<Found>& found) {
    bool record = false, runs = false;
    for (const auto& entry : found) {
      if (entry.name == "pyvenv.cfg") return kVenv;
      record = record || entry.name == "workspace.json";
      runs = runs || entry.name == "runs";
    }
    if (!record || !runs) return -1;
    py::gil_scoped_acquire acquire;
    return is_workspace_(fd).cast<bool>() ? kWorkspace : -1;
  }

  bool list(Folder* folder) {
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
    if (kind != -1 && folder->above && defaults_ && folder->rule < 0) {
      std::lock_guard<std::mutex> hold(lock_);
      left_out.push_back({string(folder->shown()), true, kind});
      folder->left_out = true;
      return true;
    }
    const auto here = std::make_shared<Fd>(std::move(opened));
    std::vector<std::unique_ptr<Folder>> below;
    std::vector<LeftOut> out;
    for (auto& entry : found) {
      if (!take(folder, here, &entry, kind == kWorkspace && !folder->above, &below, &out)) return false;
    }
    std::sort(folder->items.begin(), folder->items.end(), [](auto& a, auto& b) { return a.name < b.name; });
    count_ += folder->items.size();
    std::lock_guard<std::mutex> hold(lock_);
    for (auto& one : below) {
      todo_.push_back(one.get());
      folders.push_back(std::move(one));
    }
    std::move(out.begin(), out.end(), std::back_inserter(left_out));
    if (!below.empty()) wake_.notify_all();
    return true;
  }

  bool take(Folder* folder, const std::shared_ptr<Fd>& here, Found* entry, bool in_workspace,
            std::vector<std::unique_ptr<Folder>>* below, std::vector<LeftOut>* out) {
    struct stat seen;
    bool looked = false;
    if (entry->type == DT_UNKNOWN) {
      if (fstatat(here->value, entry->name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
      looked = true;
    }
    const bool is_dir = looked ? S_ISDIR(seen.st_mode) : entry->type == DT_DIR;
    string path = folder->path + entry->name;
    int rule = rules_.find(path, folder->path.size(), is_dir);
    if (in_workspace && rule < 0 && defaults_ && records_.count(entry->name)) rule = kWorkspace;
    if (rule == kWorkspace || rules_.leaves_out(rule)) {
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
  const py::function is_workspace_;
  const std::unordered_set<string> records_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::vector<Folder*> todo_;
  int busy_ = 0;
  std::atomic<bool> trouble_{false};
  std::atomic<size_t> count_{0};
};

// ---- the stat cache --------------------------------------------------------------------------------
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

// ---- the store -------------------------------------------------------------------------------------

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
      : index(index), pack(pack), data_(open(pack.c_str(), O_RDONLY | O_CLOEXEC)) {
    Fd fd(open(index.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat seen;
    if (!fd || fstat(fd.value, &seen) != 0) return;
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
    Fd fd(any_loose_ ? open(loose(digest).c_str(), O_RDONLY | O_CLOEXEC) : -1);
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

// ---- the result of a walk, as Python sees it -------------------------------------------------------

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
                     const py::sequence& rules, bool defaults, const py::function& is_workspace,
                     std::unordered_set<string> records, const py::function& tick) {
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
    const Rules compiled(rules);
    Walker walker(compiled, defaults, is_workspace, std::move(records));
    for (const auto& given : folders) {
      const auto [path, real] = given.cast<std::pair<string, string>>();
      auto folder = std::make_unique<Folder>();
      folder->above = remove(split, path);
      folder->path = path + "/";
      folder->real = real == "/" ? real : real + "/";
      folder->rule = compiled.find(path, path.rfind('/') + 1, true);
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

// ---- writing a snapshot out ------------------------------------------------------------------------

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
    const Fd from(open(store_.loose(file.digest).c_str(), O_RDONLY | O_CLOEXEC));
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

py::object walk(const py::bytes& source, int64_t began_ns, const py::sequence& rules, bool defaults,
                const py::function& is_workspace, std::unordered_set<string> records, const py::function& tick) {
  const Rules compiled(rules);
  Walker walker(compiled, defaults, is_workspace, std::move(records));
  auto root = std::make_unique<Folder>();
  root->rule = -1;
  if (!walker.begin_at(std::move(root), source, kFolder & ~O_NOFOLLOW)) return py::none();
  if (!walker.run([&](size_t count) { tick(count); })) return py::none();
  return py::cast(std::make_unique<Walk>(source, began_ns, &walker));
}

}  // namespace

PYBIND11_MODULE(espalier_native, module) {
  module.doc() = "The compiled scanner of source folders; espalier/snapshot/native.py uses it.";
  module.attr("INTERFACE") = 3;
  module.def("walk", &walk, py::arg("source"), py::arg("began_ns"), py::arg("rules"), py::arg("defaults"),
             py::arg("is_workspace"), py::arg("records"), py::arg("tick"),
             "Walks a folder; None when something in it is for the walk in Python.");
  module.def("fill", &fill, py::arg("top"), py::arg("folders"), py::arg("files"), py::arg("blobs"), py::arg("packs"),
             py::arg("tick"), "Writes files of a snapshot into a new folder; returns the numbers of those left out.");
  py::class_<Walk>(module, "Walk")
      .def("entries", &Walk::entries)
      .def("replace", &Walk::replace)
      .def("left_out", &Walk::left_out)
      .def("settle", &Walk::settle)
      .def("root", &Walk::root)
      .def("small_unknown", &Walk::small_unknown)
      .def("store", &Walk::store)
      .def("unknown", &Walk::unknown)
      .def("set_file", &Walk::set_file)
      .def("changed", &Walk::changed)
      .def("tree_entries", &Walk::tree_entries)
      .def("set_tree", &Walk::set_tree)
      .def("remember", &Walk::remember)
      .def("totals", &Walk::totals);
}
