/* Arrow arrays as R vectors: always new ones, filled from the rows of all batches. */
#include <stdio.h>

#include "road.h"

void refuse_column(const char *column, const char *why) {
  if (!*column) Rf_error("%s", why);
  Rf_error("column \"%s\": %s", column, why);
}

/* ---- missing values ---- */

static const uint8_t *bitmap_of(const struct ArrowArray *a) {
  return a->n_buffers > 0 && a->null_count != 0 ? a->buffers[0] : NULL;
}

int is_null(struct piece piece, int64_t i) {
  const uint8_t *bits = bitmap_of(piece.array);
  return bits && !bit_is_set(bits, piece.from + i);
}

int has_nulls(struct pieces p) {
  for (int64_t k = 0; k < p.n; k++) {
    const uint8_t *bits = bitmap_of(p.at[k].array);
    for (int64_t i = 0; bits && i < p.at[k].count; i++) {
      if (!bit_is_set(bits, p.at[k].from + i)) return 1;
    }
  }
  return 0;
}

/* Put `NA_VALUE` where the bitmap has a zero; whole bytes without one are passed over. */
#define PUT_NA(NAME, TYPE, NA_VALUE)                                 \
  static void NAME(TYPE *to, struct piece piece) {                   \
    const uint8_t *bits = bitmap_of(piece.array);                    \
    if (!bits) return;                                               \
    for (int64_t i = 0; i < piece.count; i++) {                      \
      int64_t at = piece.from + i;                                   \
      if (!(at & 7) && bits[at >> 3] == 0xFF) {                      \
        i += 7;                                                      \
        continue;                                                    \
      }                                                              \
      if (!bit_is_set(bits, at)) to[i] = NA_VALUE;                   \
    }                                                                \
  }

PUT_NA(put_na_integer, int, NA_INTEGER)
PUT_NA(put_na_real, double, NA_REAL)

/* ---- rows of children ---- */

struct pieces child_pieces(struct pieces p, int64_t child) {
  struct pieces inner = p;
  inner.at = (struct piece *)R_alloc(p.n ? p.n : 1, sizeof(struct piece));
  for (int64_t k = 0; k < p.n; k++) {
    const struct ArrowArray *array = p.at[k].array->children[child];
    inner.at[k] = (struct piece){array, array->offset + p.at[k].from, p.at[k].count};
  }
  return inner;
}

/* Whether this is, whole, what R once handed over: only then what R remembers of it still holds. */
int is_unchanged(struct pieces p) {
  if (p.n != 1) return 0;
  return p.at->from == p.at->array->offset && p.at->count == p.at->array->length;
}

/* ---- numbers ---- */

static SEXP import_logical(struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(LGLSXP, p.total));
  int *to = LOGICAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const uint8_t *bits = p.at[k].array->buffers[1];
    int64_t from = p.at[k].from;
    for (int64_t i = 0; i < p.at[k].count; i++) to[i] = bit_is_set(bits, from + i);
    put_na_integer(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP import_double(struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(REALSXP, p.total));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    if (p.at[k].count) memcpy(to, (const double *)p.at[k].array->buffers[1] + p.at[k].from, 8 * p.at[k].count);
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP import_float(struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(REALSXP, p.total));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const float *data = (const float *)p.at[k].array->buffers[1] + p.at[k].from;
    for (int64_t i = 0; i < p.at[k].count; i++) to[i] = data[i];
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP import_integer(struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(INTSXP, p.total));
  int *to = INTEGER(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    if (p.at[k].count) memcpy(to, (const int *)p.at[k].array->buffers[1] + p.at[k].from, 4 * p.at[k].count);
    put_na_integer(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

/* NULL where something is missing: raw has no NA. */
SEXP import_raw(struct pieces p) {
  if (has_nulls(p)) return R_NilValue;
  SEXP x = PROTECT(Rf_allocVector(RAWSXP, p.total));
  Rbyte *to = RAW(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    if (p.at[k].count) memcpy(to, (const Rbyte *)p.at[k].array->buffers[1] + p.at[k].from, p.at[k].count);
  }
  UNPROTECT(1);
  return x;
}

/* The one value that R's integers cannot hold is their NA. */
static int has_smallest(struct pieces p) {
  for (int64_t k = 0; k < p.n; k++) {
    const int *data = (const int *)p.at[k].array->buffers[1] + p.at[k].from;
    if (!p.at[k].count || !any_na_integer(data, p.at[k].count)) continue;
    for (int64_t i = 0; i < p.at[k].count; i++) {
      if (data[i] == NA_INTEGER && !is_null(p.at[k], i)) return 1;
    }
  }
  return 0;
}

SEXP import_numbers(const struct ArrowSchema *s, struct pieces p) {
  struct note none = {"", 0};
  switch (*s->format) {
    case 'b':
      return import_logical(p);
    case 'g':
      return import_double(p);
    case 'f':
      return import_float(p);
    case 'i':
      return has_smallest(p) ? import_whole(s, p, &none) : import_integer(p);
    default:
      return import_whole(s, p, &none);
  }
}

/* ---- columns ---- */

static SEXP import_null(struct pieces p, const struct note *note) {
  if (note_is(note, "list")) return Rf_allocVector(VECSXP, p.total);
  SEXP x = Rf_allocVector(LGLSXP, p.total);
  for (R_xlen_t i = 0; i < p.total; i++) LOGICAL(x)[i] = NA_LOGICAL;
  return x;
}

static SEXP import_by_type(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  const char *f = s->format;
  if (s->dictionary) return import_dictionary(s, p, note);
  if (!strcmp(f, "n")) return import_null(p, note);
  if (!strcmp(f, "+s")) return import_frame(s, p);
  if (*f == '+') return import_list(s, p);
  if (*f == 't') return import_time(s, p, note);
  if (*f == 'u' || *f == 'U' || !strcmp(f, "vu")) return import_text(s, p, 0);
  if (*f == 'z' || *f == 'Z' || *f == 'w' || !strcmp(f, "vz")) return import_text(s, p, 1);
  return import_numbers(s, p);
}

SEXP import_as(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  SEXP x = *note->kind ? import_noted(s, p, note) : R_NilValue;
  return x == R_NilValue ? import_by_type(s, p, note) : x;
}

SEXP import_column(const struct ArrowSchema *s, struct pieces p) {
  struct note note = note_read(s);
  const void *top = vmaxget();
  SEXP about = note.record && is_unchanged(p) ? record_of(note.record, fingerprint(p.at->array)) : R_NilValue;
  /* the very objects: nothing else could give them back */
  if (about != R_NilValue && (note_is(&note, "cells") || note_is(&note, "POSIXlt"))) return about;
  SEXP x = PROTECT(import_as(s, p, &note));
  if (about != R_NilValue) with_attributes(x, about);
  UNPROTECT(1);
  vmaxset(top);
  return x;
}

/* ---- frames ---- */

static void refuse_null_rows(struct pieces p) {
  if (has_nulls(p)) {
    refuse_column(p.column, "whole rows of a struct are null, R's data frames have no such thing; fill or flatten them");
  }
}

SEXP import_frame(const struct ArrowSchema *s, struct pieces p) {
  refuse_null_rows(p);
  SEXP x = PROTECT(Rf_allocVector(VECSXP, s->n_children));
  SEXP names = PROTECT(Rf_allocVector(STRSXP, s->n_children));
  for (int64_t i = 0; i < s->n_children; i++) {
    if (i % 256 == 0) R_CheckUserInterrupt();
    const char *name = s->children[i]->name ? s->children[i]->name : "";
    SET_STRING_ELT(names, i, Rf_mkCharCE(name, CE_UTF8));
    const void *top = vmaxget();
    struct pieces inner = child_pieces(p, i);
    inner.column = name;
    SET_VECTOR_ELT(x, i, import_column(s->children[i], inner));
    vmaxset(top);
  }
  Rf_setAttrib(x, R_NamesSymbol, names);
  set_class(x, "data.frame", NULL);
  SEXP rows = PROTECT(Rf_allocVector(INTSXP, 2));
  if (p.total > INT_MAX) Rf_error("a data frame of %lld rows is more than R can have", (long long)p.total);
  INTEGER(rows)[0] = NA_INTEGER;
  INTEGER(rows)[1] = -(int)p.total;
  Rf_setAttrib(x, R_RowNamesSymbol, p.total ? rows : Rf_allocVector(INTSXP, 0));
  UNPROTECT(3);
  return x;
}

void set_class(SEXP x, const char *first, const char *second) {
  SEXP class = PROTECT(Rf_allocVector(STRSXP, second ? 2 : 1));
  SET_STRING_ELT(class, 0, Rf_mkChar(first));
  if (second) SET_STRING_ELT(class, 1, Rf_mkChar(second));
  Rf_setAttrib(x, R_ClassSymbol, class);
  UNPROTECT(1);
}
