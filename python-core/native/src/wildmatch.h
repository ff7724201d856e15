// git's wildmatch: patterns of ignore rules.
#pragma once

#include "base.h"

namespace {

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

}  // namespace
