// What all parts use: descriptors, and the flags files are opened with.
#pragma once

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
#include <map>
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
using Names = std::unordered_set<string>;

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// O_NONBLOCK: a file that became a FIFO must be refused, not waited for.
constexpr int kFile = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
// No index is longer (store/packs.py).
constexpr off_t kLongest = off_t{1} << 30;
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

}  // namespace
