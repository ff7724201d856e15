/* Arrow arrays as R vectors: always new ones, filled from the rows of all batches. */
#include <stdio.h>
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "road.h"

void refuse_column(const char *column, const char *why) {
  char name[200];
  show_text(name, sizeof name, column);
  if (!*name) Rf_error("%s", why);
  Rf_error("column \"%s\": %s", name, why);
}

/* A vector that is about to be filled. New memory comes page by page, each with a fault that costs more than filling it
 * does: all pages are asked for at once. A wish only: where the system does not know it, nothing is lost. */
SEXP new_vector(SEXPTYPE type, R_xlen_t n, size_t size) {
  SEXP x = Rf_allocVector(type, n);
#ifdef MADV_POPULATE_WRITE
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), bytes = (uintptr_t)n * size, at = (uintptr_t)DATAPTR_RO(x);
  if (bytes >= (uintptr_t)1 << 20) {
    const uintptr_t begin = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
  }
#endif
  return x;
}

/* ---- missing values ---- */

int has_nulls(struct pieces p) {
  for (int64_t k = 0; k < p.n; k++) {
    const uint8_t *bits = present_bits(p.at[k].array);
    for (int64_t i = 0; bits && i < p.at[k].count; i++) {
      if (!bit_is_set(bits, p.at[k].from + i)) return 1;
    }
  }
  return 0;
}

/* Put `NA_VALUE` where the bitmap has a zero; whole bytes without one are passed over. */
#define PUT_NA(NAME, TYPE, NA_VALUE)                                 \
  void NAME(TYPE *to, struct piece piece) {                          \
    const uint8_t *bits = present_bits(piece.array);                    \
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
  inner.at = (struct piece *)R_alloc(p.n ? (size_t)p.n : 1, sizeof(struct piece));
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

static void copy_values(void *to, struct piece piece, size_t width) {
  if (!piece.count) return;
  memcpy(to, (const char *)piece.array->buffers[1] + width * (size_t)piece.from, width * (size_t)piece.count);
}

static SEXP import_logical(struct pieces p) {
  SEXP x = PROTECT(new_vector(LGLSXP, p.total, sizeof(int)));
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
  SEXP x = PROTECT(new_vector(REALSXP, p.total, sizeof(double)));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    copy_values(to, p.at[k], 8);
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP import_float(struct pieces p) {
  SEXP x = PROTECT(new_vector(REALSXP, p.total, sizeof(double)));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const void *data = p.at[k].array->buffers[1];
    for (int64_t i = 0; i < p.at[k].count; i++) {
      int32_t bits = int32_at(data, p.at[k].from + i);
      float value;
      memcpy(&value, &bits, 4);
      to[i] = value;
    }
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

/* The one value that R's integers cannot hold is their NA. */
static int has_smallest(const int *copied, struct piece piece) {
  if (!any_na_integer(copied, piece.count)) return 0;
  for (int64_t i = 0; i < piece.count; i++) {
    if (copied[i] == NA_INTEGER && !is_null(piece, i)) return 1;
  }
  return 0;
}

static SEXP import_integer(const struct ArrowSchema *s, struct pieces p) {
  SEXP x = PROTECT(new_vector(INTSXP, p.total, sizeof(int)));
  struct note none = {"", 0};
  int *to = INTEGER(x), smallest = 0;
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    copy_values(to, p.at[k], 4);
    smallest = smallest || has_smallest(to, p.at[k]);
    put_na_integer(to, p.at[k]);
  }
  UNPROTECT(1);
  return smallest ? import_whole(s, p, &none) : x;
}

/* NULL where something is missing: raw has no NA. */
SEXP import_raw(struct pieces p) {
  if (has_nulls(p)) return R_NilValue;
  SEXP x = PROTECT(Rf_allocVector(RAWSXP, p.total));
  Rbyte *to = RAW(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    copy_values(to, p.at[k], 1);
  }
  UNPROTECT(1);
  return x;
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
      return import_integer(s, p);
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
  SEXP about = R_NilValue;
  if (note.record && is_unchanged(p)) {
    about = record_of(note.record, kind_remembers(note.kind), fingerprint(s, p.at->array));
  }
  PROTECT(about); /* (the array is ours, but a finaliser may do anything) */
  /* The very objects, for nothing else could give them back; in a list of their own, for data.table changes lists in
   * place. */
  int whole = about != R_NilValue && kind_remembers(note.kind) != ATTRIBUTES;
  SEXP x = PROTECT(whole ? Rf_shallow_duplicate(about) : import_as(s, p, &note));
  if (about != R_NilValue && !whole) with_attributes(x, about);
  UNPROTECT(2);
  vmaxset(top);
  return x;
}

/* ---- frames ---- */

void refuse_null_rows(struct pieces p) {
  if (has_nulls(p)) {
    refuse_column(p.column, "whole rows of a struct are null, R has no such thing; fill or flatten them");
  }
}

SEXP import_frame(const struct ArrowSchema *s, struct pieces p) {
  if (p.total > INT_MAX) Rf_error("a data frame of %lld rows is more than R can have", (long long)p.total);
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
