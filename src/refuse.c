/* What cannot cross is told all at once, before anything is made. */
#include <stdio.h>

#include "road.h"

#define DEEPEST 64

struct findings {
  SEXP list; /* a pairlist of texts, the last one first */
  PROTECT_INDEX at;
  int n;
};

static void found(struct findings *f, const char *path, const char *what) {
  char text[512];
  snprintf(text, sizeof text, "%s: %s", path, what);
  f->list = Rf_cons(Rf_mkString(text), f->list);
  REPROTECT(f->list, f->at);
  f->n++;
}

static SEXP as_strings(const struct findings *f) {
  SEXP strings = PROTECT(Rf_allocVector(STRSXP, f->n));
  SEXP at = f->list;
  for (int i = f->n - 1; i >= 0; i--, at = CDR(at)) SET_STRING_ELT(strings, i, STRING_ELT(CAR(at), 0));
  UNPROTECT(1);
  return strings;
}

/* ---- R's side ---- */

static const char *what_is(SEXP x) {
  static char text[128];
  if (Rf_isS4(x)) {
    snprintf(text, sizeof text, "an S4 object of class %s", CHAR(STRING_ELT(Rf_getAttrib(x, R_ClassSymbol), 0)));
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
  for (R_xlen_t i = 0; !bad && i < XLENGTH(x); i++) bad = inside(VECTOR_ELT(x, i), depth + 1);
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
    char inner[300];
    const char *name = names == R_NilValue ? "" : CHAR(STRING_ELT(names, i));
    snprintf(inner, sizeof inner, "%s%s%.200s", path, *path ? "$" : "", name);
    look_at(column, inner, f, depth);
  }
  UNPROTECT(1);
}

/* One text for each column that cannot go to Python. */
SEXP refused_of(SEXP x) {
  struct findings f = {R_NilValue, 0, 0};
  PROTECT_WITH_INDEX(f.list, &f.at);
  if (TYPEOF(x) == VECSXP && Rf_inherits(x, "data.frame")) {
    look_at_frame(x, "", &f, 0);
  } else {
    look_at(x, "x", &f, 0);
  }
  SEXP strings = as_strings(&f);
  UNPROTECT(1);
  return strings;
}

/* ---- Python's side ---- */

static int one_of(const char *format, const char *letters) { return *format && strchr(letters, *format) && !format[1]; }

static const char *unknown_format(const struct ArrowSchema *s) {
  static char text[200];
  const char *f = s->format;
  if (s->dictionary) return one_of(f, "cCsSiIlL") ? NULL : "a dictionary whose index is no whole number";
  if (one_of(f, "nbcCsSiIlLfguUzZ")) return NULL;
  if (!strcmp(f, "vu") || !strcmp(f, "vz") || !strcmp(f, "tdD") || !strcmp(f, "tdm")) return NULL;
  if (!strcmp(f, "+l") || !strcmp(f, "+L") || !strcmp(f, "+s")) return NULL;
  if (!strncmp(f, "+w:", 3) || !strncmp(f, "w:", 2)) return atol(strchr(f, ':') + 1) >= 0 ? NULL : "a width below 0";
  if (!strncmp(f, "ts", 2) && f[2] && strchr("smun", f[2]) && f[3] == ':') return NULL;
  if ((!strncmp(f, "tt", 2) || !strncmp(f, "tD", 2)) && f[2] && strchr("smun", f[2]) && !f[3]) return NULL;
  if (!strncmp(f, "d:", 2)) return "a decimal; cast it to float64, or to text to keep every digit";
  if (!strcmp(f, "e")) return "a half-precision float; cast it to float32";
  if (!strcmp(f, "+m")) return "a map; make it a list of structs";
  snprintf(text, sizeof text, "of Arrow type \"%.40s\", which R has no column for", f);
  return text;
}

/* What a type of somebody's own means is not in its storage: a pandas.period would come as a number. */
static const char *unknown_extension(const struct ArrowSchema *s) {
  static char text[200];
  int32_t bytes = 0;
  const char *name = metadata_value(s, "ARROW:extension:name", &bytes);
  if (!name || (bytes == 10 && !memcmp(name, "arrow.json", 10))) return NULL;
  snprintf(text, sizeof text, "of the extension type \"%.*s\"; cast it to its storage type or to text",
           bytes < 60 ? (int)bytes : 60, name);
  return text;
}

static int64_t children_wanted(const char *format) {
  if (!strcmp(format, "+s")) return -1;
  return *format == '+' ? 1 : 0;
}

static void look_at_schema(const struct ArrowSchema *s, const char *path, struct findings *f, int depth) {
  if (!s || !s->release || !s->format || depth > DEEPEST) {
    found(f, path, depth > DEEPEST ? "nested too deeply" : "damaged: no Arrow type");
    return;
  }
  const char *bad = unknown_format(s);
  if (!bad) bad = unknown_extension(s);
  int64_t wanted = s->dictionary ? 0 : children_wanted(s->format);
  if (!bad && (wanted < 0 ? s->n_children < 0 : s->n_children != wanted)) bad = "damaged: wrong number of children";
  if (!bad && s->n_children > 0 && !s->children) bad = "damaged: children are missing";
  if (bad) {
    found(f, path, bad);
    return;
  }
  for (int64_t i = 0; i < s->n_children; i++) {
    char inner[300];
    const char *name = s->children[i] && s->children[i]->name ? s->children[i]->name : "";
    snprintf(inner, sizeof inner, "%s%s%.200s", path, *path ? "$" : "", name);
    look_at_schema(s->children[i], inner, f, depth + 1);
  }
  if (s->dictionary) look_at_schema(s->dictionary, path, f, depth + 1);
}

/* One text for each column that R has no place for. */
SEXP refused_schema(const struct ArrowSchema *s) {
  struct findings f = {R_NilValue, 0, 0};
  PROTECT_WITH_INDEX(f.list, &f.at);
  look_at_schema(s, "", &f, 0);
  SEXP strings = as_strings(&f);
  UNPROTECT(1);
  return strings;
}

/* ---- arrays that do not fit their schema ---- */

static int64_t buffers_wanted(const struct ArrowSchema *s) {
  const char *f = s->format;
  if (s->dictionary) return 2;
  if (!strcmp(f, "n")) return 0;
  if (!strcmp(f, "+s") || !strncmp(f, "+w:", 3)) return 1;
  if (one_of(f, "uUzZ")) return 3;
  return 2;
}

static void damaged(const char *column, const char *what) {
  Rf_error("column \"%s\" is damaged: %s", column, what);
}

static void check_buffers(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column) {
  int64_t wanted = buffers_wanted(s);
  int view = *s->format == 'v';
  /* (some writers give a null column one buffer) */
  int fits = !strcmp(s->format, "n") ? a->n_buffers <= 1 : view ? a->n_buffers >= 3 : a->n_buffers == wanted;
  if (!fits) damaged(column, "wrong number of buffers");
  if (a->n_buffers > 0 && !a->buffers) damaged(column, "no buffers");
  if (a->null_count > 0 && wanted > 0 && !a->buffers[0]) damaged(column, "nulls without a bitmap");
  if (a->length > 0 && wanted > 1 && !a->buffers[1]) damaged(column, "no data");
}

static int64_t width_of(const char *format) { return atol(format + 3); }

static void check_offsets(const struct ArrowSchema *s, const struct ArrowArray *a, int64_t limit, const char *column) {
  int wide = *s->format == 'U' || *s->format == 'Z' || !strcmp(s->format, "+L");
  int64_t before = 0;
  if (!a->length) return;
  for (int64_t i = a->offset; i <= a->offset + a->length; i++) {
    int64_t at = wide ? ((const int64_t *)a->buffers[1])[i] : ((const int32_t *)a->buffers[1])[i];
    if (at < before || (limit >= 0 && at > limit)) damaged(column, "offsets out of order");
    before = at;
  }
}

static void check_children(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column) {
  if (a->n_children != s->n_children) damaged(column, "wrong number of children");
  if (a->n_children > 0 && !a->children) damaged(column, "no children");
  for (int64_t i = 0; i < a->n_children; i++) {
    const char *name = s->children[i]->name && *s->children[i]->name ? s->children[i]->name : column;
    check_array(s->children[i], a->children[i], name);
    int64_t least = a->length + a->offset;
    if (!strncmp(s->format, "+w:", 3) && width_of(s->format) > 0 && least > INT64_MAX / width_of(s->format)) {
      damaged(column, "too long");
    }
    if (!strncmp(s->format, "+w:", 3)) least *= width_of(s->format);
    int is_list = !strcmp(s->format, "+l") || !strcmp(s->format, "+L");
    if (!is_list && a->children[i]->length < least) damaged(name, "a column shorter than its table");
    if (is_list) check_offsets(s, a, a->children[i]->length, column);
  }
}

void check_array(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column) {
  if (!a || !a->release) damaged(column, "no array");
  if (a->length < 0 || a->offset < 0 || a->length > INT64_MAX / 32 || a->offset > INT64_MAX / 32) {
    damaged(column, "impossible length");
  }
  if (a->length + a->offset > R_XLEN_T_MAX) damaged(column, "longer than R's vectors can be");
  check_buffers(s, a, column);
  check_children(s, a, column);
  if (one_of(s->format, "uUzZ")) check_offsets(s, a, -1, column);
  if (!s->dictionary != !a->dictionary) damaged(column, "the dictionary is missing");
  if (s->dictionary) check_array(s->dictionary, a->dictionary, column);
}
