// Threads that work together, and are stopped together.
#pragma once

#include "base.h"

namespace {

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

// Work that waits, the last that came first: with folders, few are open at a time however many there are.
template <class Item>
class Stack {
 public:
  void push(Item item) { items_.push_back(std::move(item)); }  // before the work begins

  // In each thread of a crew, until nothing is left: `step` does an item and adds to what waits; false ends it all.
  template <class Step>
  void work(std::atomic<bool>& stop, Step step) {
    std::unique_lock<std::mutex> hold(lock_);
    while (true) {
      wake_.wait_for(hold, kTick, [&] { return !items_.empty() || busy_ == 0 || stop || ended_; });
      if (stop || ended_ || (items_.empty() && busy_ == 0)) break;
      if (items_.empty()) continue;
      Item item = std::move(items_.back());
      items_.pop_back();
      ++busy_;
      hold.unlock();
      std::vector<Item> more;
      bool good = false;
      try {
        good = step(item, &more);
      } catch (...) {
        hold.lock();
        --busy_;
        throw;
      }
      hold.lock();
      --busy_;
      ended_ = ended_ || !good;
      std::move(more.begin(), more.end(), std::back_inserter(items_));
      if (more.size() > 1 || busy_ == 0 || ended_) wake_.notify_all();
    }
    wake_.notify_all();
  }

  bool ended() const { return ended_; }

 private:
  std::mutex lock_;
  std::condition_variable wake_;
  std::vector<Item> items_;
  int busy_ = 0;
  bool ended_ = false;
};

}  // namespace
