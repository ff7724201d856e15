/* Structs of others are looked at before anything in them is used: counts, pointers, formats, offsets. What the
 * interface does not tell cannot be checked: how long a buffer, a list of pointers, a text or metadata really is. */
#include <stdio.h>

#include "road.h"

#define MOST_COLUMNS (1 << 22)

/* ---- schemas ---- */

static int one_of(const char *format, const char *letters) { return *format && strchr(letters, *format) && !format[1]; }

int64_t width_of(const char *format) {
  const char *digits = strchr(format, ':');
  if (!digits || digits[1] < '0' || digits[1] > '9') return -1;
  char *end = NULL;
  long long width = strtoll(digits + 1, &end, 10);
  return *end || width > INT32_MAX ? -1 : width;
}

/* A time of day or a span has a unit that fits its width; an instant has a zone behind it, perhaps an empty one. */
static int is_time(const char *f) {
  if (*f != 't' || !f[1]) return 0;
  if (f[1] == 'd') return !strcmp(f, "tdD") || !strcmp(f, "tdm");
  if (!f[2] || !strchr("smun", f[2])) return 0;
  return f[1] == 's' ? f[3] == ':' : strchr("tD", f[1]) && !f[3];
}

static const char *unknown_format(const struct ArrowSchema *s) {
  static char text[200];
  const char *f = s->format;
  if (s->dictionary) {
    if (!one_of(f, "cCsSiIlL")) return "a dictionary whose index is no whole number";
    int nested = s->dictionary->format && *s->dictionary->format == '+';
    return nested ? "a dictionary of lists or structs; decode it" : NULL;
  }
  if (one_of(f, "nbcCsSiIlLfguUzZ") || is_time(f)) return NULL;
  if (!strcmp(f, "vu") || !strcmp(f, "vz") || !strcmp(f, "+l") || !strcmp(f, "+L") || !strcmp(f, "+s")) return NULL;
  if (!strncmp(f, "+w:", 3) || !strncmp(f, "w:", 2)) return width_of(f) >= 0 ? NULL : "damaged: no width";
  if (!strncmp(f, "d:", 2)) return "a decimal; cast it to float64, or to text to keep every digit";
  if (!strcmp(f, "e")) return "a half-precision float; cast it to float32";
  if (!strcmp(f, "+m")) return "a map; make it a list of structs";
  char shown[44];
  show_text(shown, sizeof shown, f);
  snprintf(text, sizeof text, "of Arrow type \"%s\", which R has no column for", shown);
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

/* -1 for any number. */
static int64_t children_wanted(const struct ArrowSchema *s) {
  if (s->dictionary || *s->format != '+') return 0;
  return strcmp(s->format, "+s") ? 1 : -1;
}

/* The array beside the schema, if there is one, must have as many children: a wrong count in one of them is seen
 * before it leads astray. */
static const char *damage_in(const struct ArrowSchema *s, const struct ArrowArray *a) {
  int64_t wanted = children_wanted(s);
  if (s->n_children < 0 || (wanted >= 0 && s->n_children != wanted)) return "damaged: wrong number of children";
  if (s->n_children > MOST_COLUMNS) return "damaged: more children than a data frame could have";
  if (a && a->n_children != s->n_children) return "damaged: the data has another number of children than the type";
  if (s->n_children && !s->children) return "damaged: children are missing";
  if (a && s->n_children && !a->children) return "damaged: the data of the children is missing";
  if (s->name && !is_utf8(s->name, strlen(s->name))) return "its name is no UTF-8";
  return is_utf8(s->format, strlen(s->format)) ? NULL : "its time zone is no UTF-8";
}

static void look_at(const struct ArrowSchema *s, const struct ArrowArray *a, const char *path, struct findings *f,
                    int depth) {
  if (f->over) return;
  if (depth > DEEPEST || ++f->seen > MOST_COLUMNS) {
    found(f, path, depth > DEEPEST ? "nested too deeply" : "too many columns");
    f->over = 1; /* a child may be its own parent */
    return;
  }
  const char *bad = !s || !s->release || !s->format ? "damaged: no Arrow type" : unknown_format(s);
  if (a && !a->release) a = NULL;
  if (!bad) bad = damage_in(s, a);
  if (!bad) bad = unknown_extension(s);
  if (bad) {
    found(f, path, bad);
    return;
  }
  for (int64_t i = 0; i < s->n_children; i++) {
    char inner[320];
    path_below(inner, sizeof inner, path, s->children[i] && s->children[i]->name ? s->children[i]->name : "");
    look_at(s->children[i], a ? a->children[i] : NULL, inner, f, depth + 1);
  }
  if (s->dictionary) look_at(s->dictionary, a ? a->dictionary : NULL, path, f, depth + 1);
}

/* One text for each column that R has no place for. */
SEXP refused_schema(const struct ArrowSchema *s, const struct ArrowArray *first) {
  struct findings f = {R_NilValue, 0, 0, 0, 0};
  PROTECT_WITH_INDEX(f.list, &f.at);
  look_at(s, first, "", &f, 0);
  SEXP strings = all_findings(&f);
  UNPROTECT(1);
  return strings;
}

/* ---- arrays that do not fit their schema ---- */

static void damaged(const char *column, const char *what) {
  char text[100];
  snprintf(text, sizeof text, "damaged: %s", what);
  refuse_column(column, text);
}

static int64_t buffers_wanted(const struct ArrowSchema *s) {
  const char *f = s->format;
  if (s->dictionary) return 2;
  if (!strcmp(f, "n")) return 0;
  if (!strcmp(f, "+s") || !strncmp(f, "+w:", 3)) return 1;
  return one_of(f, "uUzZ") ? 3 : 2;
}

static void check_counts(const struct ArrowArray *a, const char *column) {
  if (a->length < 0 || a->offset < 0 || a->length > R_XLEN_T_MAX || a->offset > R_XLEN_T_MAX) {
    damaged(column, "impossible length");
  }
  if (a->length + a->offset > R_XLEN_T_MAX) damaged(column, "longer than R's vectors can be");
  if (a->null_count < -1 || a->null_count > a->length) damaged(column, "impossible number of nulls");
}

static void check_buffers(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column) {
  int64_t wanted = buffers_wanted(s);
  int fits = a->n_buffers == wanted;
  /* (some writers give a null column one buffer; a view has one for each block of text, and one for their sizes) */
  if (wanted == 0) fits = a->n_buffers == 0 || a->n_buffers == 1;
  if (*s->format == 'v') fits = a->n_buffers >= 3 && a->n_buffers <= (int64_t)INT32_MAX + 3;
  if (!fits) damaged(column, "wrong number of buffers");
  if (a->n_buffers > 0 && !a->buffers) damaged(column, "no buffers");
  if (a->null_count > 0 && wanted > 0 && !a->buffers[0]) damaged(column, "nulls without a bitmap");
  if (a->length > 0 && wanted > 1 && !a->buffers[1] && strcmp(s->format, "w:0")) damaged(column, "no data");
  if (*s->format == 'v' && a->n_buffers > 3 && !a->buffers[a->n_buffers - 1]) damaged(column, "no sizes");
}

static int64_t times_width(const char *format, const struct ArrowArray *a, const char *column) {
  int64_t width = width_of(format), last = a->length + a->offset;
  if (width > 0 && last > R_XLEN_T_MAX / width) damaged(column, "too long");
  return last * width;
}

/* Where the last element ends; offsets may reach to `limit`. */
static void check_offsets(const struct ArrowSchema *s, const struct ArrowArray *a, int64_t limit, const char *column) {
  int wide = *s->format == 'U' || *s->format == 'Z' || !strcmp(s->format, "+L");
  const void *offsets = a->buffers[1];
  int64_t before = 0;
  if (!a->length) return;
  for (int64_t i = a->offset; i <= a->offset + a->length; i++) {
    int64_t at = wide ? int64_at(offsets, i) : int32_at(offsets, i);
    if (at < before || at > limit) damaged(column, "offsets out of order");
    before = at;
  }
}

static void check_child(const struct ArrowSchema *s, const struct ArrowArray *a, int64_t i, const char *column) {
  const char *name = s->children[i]->name && *s->children[i]->name ? s->children[i]->name : column;
  check_array(s->children[i], a->children[i], name);
  if (!strcmp(s->format, "+l") || !strcmp(s->format, "+L")) {
    check_offsets(s, a, a->children[i]->length, column);
    return;
  }
  int64_t least = s->format[1] == 'w' ? times_width(s->format, a, column) : a->length + a->offset;
  if (a->children[i]->length < least) damaged(name, "a column shorter than its table");
}

/* The schema was looked at before: this goes no deeper and no wider than it. */
void check_array(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column) {
  if (!a || !a->release) damaged(column, "no data, or released before");
  check_counts(a, column);
  check_buffers(s, a, column);
  if (a->n_children != s->n_children) damaged(column, "wrong number of children");
  if (a->n_children > 0 && !a->children) damaged(column, "no children");
  for (int64_t i = 0; i < a->n_children; i++) check_child(s, a, i, column);
  if (!s->dictionary && one_of(s->format, "uUzZ")) {
    /* (where all are empty there may be no text) */
    check_offsets(s, a, a->buffers[2] ? INT64_MAX : 0, column);
  }
  if (!s->dictionary && *s->format == 'w') times_width(s->format, a, column);
  if (!s->dictionary != !a->dictionary) damaged(column, "the dictionary is missing");
  if (s->dictionary) check_array(s->dictionary, a->dictionary, column);
}
