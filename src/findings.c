/* What cannot cross is told all at once, before anything is made. */
#include <stdio.h>

#include "road.h"

#define MOST_FINDINGS 200

static void add(struct findings *f, const char *text) {
  SEXP string = PROTECT(Rf_ScalarString(Rf_mkCharCE(text, CE_UTF8)));
  f->list = Rf_cons(string, f->list);
  REPROTECT(f->list, f->at);
  UNPROTECT(1);
  f->n++;
}

void found(struct findings *f, const char *path, const char *what) {
  char text[600], place[320], thing[240];
  if (f->over) return;
  show_text(place, sizeof place, path);
  show_text(thing, sizeof thing, what);
  snprintf(text, sizeof text, "%s%s%s", place, *place ? ": " : "", thing);
  add(f, text);
  if (f->n < MOST_FINDINGS) return;
  f->over = 1;
  add(f, "and perhaps more");
}

void path_below(char *to, size_t room, const char *path, const char *name) {
  char own[200];
  show_text(own, sizeof own, name);
  snprintf(to, room, "%s%s%s", path, *path ? "$" : "", own);
}

SEXP all_findings(const struct findings *f) {
  SEXP strings = PROTECT(Rf_allocVector(STRSXP, f->n));
  SEXP at = f->list;
  for (int i = f->n - 1; i >= 0; i--, at = CDR(at)) SET_STRING_ELT(strings, i, STRING_ELT(CAR(at), 0));
  UNPROTECT(1);
  return strings;
}
