/* Which of R's objects are no data. */
#include <stdio.h>

#include "road.h"

static const char *what_is(SEXP x) {
  static char text[128];
  if (Rf_isS4(x)) {
    SEXP class = Rf_getAttrib(x, R_ClassSymbol);
    int named = TYPEOF(class) == STRSXP && XLENGTH(class) > 0;
    snprintf(text, sizeof text, "an S4 object%s%s", named ? " of class " : "",
             named ? utf8_of(STRING_ELT(class, 0)) : "");
    return text;
  }
  if (Rf_inherits(x, "connection")) return "a connection";
  switch (TYPEOF(x)) {
    case CLOSXP:
    case BUILTINSXP:
    case SPECIALSXP:
      return "a function";
    case ENVSXP:
      return Rf_inherits(x, "R6") ? "an R6 object" : "an environment";
    case EXTPTRSXP:
    case WEAKREFSXP:
      return "an external pointer";
    case NILSXP:
    case LGLSXP:
    case INTSXP:
    case REALSXP:
    case CPLXSXP:
    case STRSXP:
    case RAWSXP:
    case VECSXP:
      return NULL;
    default:
      snprintf(text, sizeof text, "an object of type %s", Rf_type2char(TYPEOF(x)));
      return text;
  }
}

/* The first thing inside a list column's element that is no data; attributes count (a formula has an environment). */
static const char *inside(SEXP x, int depth) {
  if (depth > DEEPEST) return "a list nested too deeply";
  const char *bad = what_is(x);
  if (bad) return bad;
  if (n_attributes(x)) {
    SEXP attributes = PROTECT(attributes_of(x));
    for (R_xlen_t i = 0; !bad && i < XLENGTH(attributes); i++) bad = inside(VECTOR_ELT(attributes, i), depth + 1);
    UNPROTECT(1);
  }
  if (TYPEOF(x) != VECSXP) return bad;
  for (R_xlen_t i = 0; !bad && i < XLENGTH(x); i++) {
    /* (few lists inside one another can be many lists) */
    if (i % 1000 == 0) R_CheckUserInterrupt();
    bad = inside(VECTOR_ELT(x, i), depth + 1);
  }
  return bad;
}

static void look_at_cells(SEXP x, const char *path, struct findings *f) {
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    const char *bad = inside(VECTOR_ELT(x, i), 0);
    if (!bad) continue;
    char text[256];
    snprintf(text, sizeof text, "element %lld has %s", (long long)(i + 1), bad);
    found(f, path, text);
    return;
  }
}

static void look_at_frame(SEXP x, const char *path, struct findings *f, int depth);

static void look_at(SEXP x, const char *path, struct findings *f, int depth) {
  const char *bad = what_is(x);
  int dims = Rf_length(Rf_getAttrib(x, R_DimSymbol));
  if (!bad && TYPEOF(x) == NILSXP) bad = "NULL";
  if (!bad && depth > DEEPEST) bad = "a data frame nested too deeply";
  if (!bad && dims && TYPEOF(x) == VECSXP && !Rf_inherits(x, "data.frame")) bad = "a list with dimensions";
  if (!bad && Rf_inherits(x, "factor")) {
    int proper = TYPEOF(x) == INTSXP && TYPEOF(Rf_getAttrib(x, R_LevelsSymbol)) == STRSXP;
    if (!proper) bad = "a damaged factor";
    if (proper && dims > 1) bad = "a factor with dimensions";
  }
  if (bad) {
    found(f, path, bad);
  } else if (TYPEOF(x) == VECSXP && Rf_inherits(x, "data.frame")) {
    look_at_frame(x, path, f, depth + 1);
  } else if (TYPEOF(x) == VECSXP && !Rf_inherits(x, "POSIXlt")) {
    look_at_cells(x, path, f);
  }
}

static void look_at_frame(SEXP x, const char *path, struct findings *f, int depth) {
  SEXP names = PROTECT(Rf_getAttrib(x, R_NamesSymbol));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    SEXP column = VECTOR_ELT(x, i);
    if (!Rf_isObject(column) && TYPEOF(column) != VECSXP && !what_is(column) && column != R_NilValue) continue;
    char inner[320];
    const void *top = vmaxget();
    path_below(inner, sizeof inner, path, names == R_NilValue ? "" : utf8_of(STRING_ELT(names, i)));
    look_at(column, inner, f, depth);
    vmaxset(top);
  }
  UNPROTECT(1);
}

/* One text for each column that cannot go to Python. */
SEXP refused_of(SEXP x) {
  struct findings f = {R_NilValue, 0, 0, 0, 0};
  PROTECT_WITH_INDEX(f.list, &f.at);
  if (TYPEOF(x) == VECSXP && Rf_inherits(x, "data.frame")) {
    look_at_frame(x, "", &f, 0);
  } else {
    look_at(x, "x", &f, 0);
  }
  SEXP strings = all_findings(&f);
  UNPROTECT(1);
  return strings;
}
