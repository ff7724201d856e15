// Ignore rules, as snapshot/ignore.py has them.
#pragma once

#include "wildmatch.h"

namespace {

struct Rule {
  string pattern;  // without `!`, the `/` at its end and (unless names_only) the one at its begin
  string suffix;   // of `*.key`: all that matches ends with it
  string ending;   // what follows the last wildcard, so that no text can match that ends otherwise
  size_t literal;  // so many bytes hold no wildcard
  bool negated, folders_only, names_only;
  bool anywhere;   // `**/` and a path without wildcards
};

bool ends_with(string_view text, string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

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
    look_up(names_, name, is_dir, &best);
    if (const size_t dot = name.rfind('.'); dot != string_view::npos) look_up(endings_, name.substr(dot), is_dir, &best);
    try_each(begins_[static_cast<unsigned char>(name[0])], path, name, is_dir, &best);
    try_each(others_, path, name, is_dir, &best);
    return best;
  }

 private:
  void try_each(const std::vector<int>& numbers, const string& path, string_view name, bool is_dir, int* best) const {
    for (size_t i = numbers.size(); i-- > 0 && numbers[i] > *best;) {
      const Rule& rule = rules_[numbers[i]];
      if ((is_dir || !rule.folders_only) && matches(rule, path, name)) *best = numbers[i];
    }
  }

  void add(string text, bool negated, bool folders_only) {
    Rule rule{std::move(text), "", "", 0, negated, folders_only, false, false};
    rule.names_only = rule.pattern.find('/') == string::npos;
    if (rule.pattern[0] == '/') rule.pattern.erase(0, 1);
    while (rule.literal < rule.pattern.size() && !is_special(static_cast<unsigned char>(rule.pattern[rule.literal]))) {
      ++rule.literal;
    }
    const bool star = rule.names_only && rule.pattern[0] == '*';
    if (star && rule.pattern.find_first_of("*?[\\", 1) == string::npos) rule.suffix = rule.pattern.substr(1);
    if (rule.pattern.find_first_of("[\\") == string::npos) {
      rule.ending = rule.pattern.substr(rule.pattern.find_last_of("*?") + 1);  // (+ 1 of none is 0)
      if (rule.ending[0] == '/') rule.ending.erase(0, 1);                      // (`**/` may stand for nothing)
      const string rest = rule.pattern.compare(0, 3, "**/") == 0 ? rule.pattern.substr(3) : "";
      rule.anywhere = !rest.empty() && rest.find_first_of("*?") == string::npos;
    }
    const int number = static_cast<int>(rules_.size());
    const bool plain = rule.names_only && rule.literal == rule.pattern.size();
    const bool dotted = rule.suffix.size() > 1 && rule.suffix.rfind('.') == 0;
    const bool by_name = rule.names_only || rule.anywhere || rule.literal == rule.pattern.size();
    const char first = by_name ? rule.pattern[rule.pattern.rfind('/') + 1] : '*';  // (NUL where nothing follows)
    rules_.push_back(std::move(rule));
    if (plain) {
      names_[rules_.back().pattern].push_back(number);
    } else if (dotted) {
      endings_[rules_.back().suffix].push_back(number);
    } else if (first && !is_special(static_cast<unsigned char>(first))) {
      begins_[static_cast<unsigned char>(first)].push_back(number);
    } else {
      others_.push_back(number);
    }
  }

  using Table = std::unordered_map<string_view, std::vector<int>>;

  void look_up(const Table& table, string_view key, bool is_dir, int* best) const {
    const auto found = table.find(key);
    if (found == table.end()) return;
    for (const int rule : found->second) {
      if (rule > *best && (is_dir || !rules_[rule].folders_only)) *best = rule;
    }
  }

  static bool matches(const Rule& rule, const string& path, string_view name) {
    if (!ends_with(path, rule.ending)) return false;
    if (rule.anywhere) return path.size() == rule.ending.size() || path[path.size() - rule.ending.size() - 1] == '/';
    if (rule.names_only) {
      if (!rule.suffix.empty()) return ends_with(name, rule.suffix);
      if (name.compare(0, rule.literal, rule.pattern, 0, rule.literal) != 0) return false;
      return wildmatch(rule.pattern.c_str(), name.data(), false) == kMatch;
    }
    // as git: what precedes the first wildcard is compared, and the rest matched as a pattern of its own
    if (path.compare(0, rule.literal, rule.pattern, 0, rule.literal) != 0) return false;
    if (rule.literal == rule.pattern.size()) return path.size() == rule.literal;
    return wildmatch(rule.pattern.c_str() + rule.literal, path.c_str() + rule.literal, true) == kMatch;
  }

  std::deque<Rule> rules_;  // (its strings stay where they are: names_ points to them)
  Table names_, endings_;
  std::array<std::vector<int>, 256> begins_;  // by the first byte of the names that they match
  std::vector<int> others_;
};

}  // namespace
