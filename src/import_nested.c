/* Lists, and what our own notes make of Arrow's types: matrices, complex numbers, lists that stayed in R. */
#include <stdio.h>

#include "road.h"

/* ---- lists ---- */

/* The elements of row `at`; `width` is that of "+w:", 0 for lists of any length. */
static void range_at(char format, int64_t width, const struct ArrowArray *a, int64_t at, int64_t *from, int64_t *to) {
  if (format == 'w') {
    *from = width * at;
    *to = *from + width;
  } else if (format == 'L') {
    *from = int64_at(a->buffers[1], at);
    *to = int64_at(a->buffers[1], at + 1);
  } else {
    *from = int32_at(a->buffers[1], at);
    *to = int32_at(a->buffers[1], at + 1);
  }
}

SEXP import_list(const struct ArrowSchema *s, struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(VECSXP, p.total));
  int64_t width = s->format[1] == 'w' ? width_of(s->format) : 0;
  R_xlen_t row = 0;
  for (int64_t k = 0; k < p.n; k++) {
    const struct ArrowArray *a = p.at[k].array, *child = a->children[0];
    for (int64_t i = 0; i < p.at[k].count; i++, row++) {
      if (row % 10000 == 9999) R_CheckUserInterrupt();
      if (is_null(p.at[k], i)) continue;
      int64_t from, to;
      range_at(s->format[1], width, a, p.at[k].from + i, &from, &to);
      struct piece cell = {child, child->offset + from, to - from};
      struct pieces inner = {&cell, 1, (R_xlen_t)(to - from), p.column};
      SET_VECTOR_ELT(x, row, import_column(s->children[0], inner));
    }
  }
  UNPROTECT(1);
  return x;
}

/* ---- complex numbers ---- */

/* (R makes no such nulls, but what rearranges rows does) */
static void put_na_complex(Rcomplex *to, struct pieces p) {
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    for (int64_t i = 0; i < p.at[k].count; i++) {
      if (is_null(p.at[k], i)) to[i].r = to[i].i = NA_REAL;
    }
  }
}

static SEXP import_complex(struct pieces p) {
  struct pieces parts = child_pieces(p, 0);
  for (int64_t k = 0; k < p.n; k++) {
    const struct ArrowArray *child = p.at[k].array->children[0];
    parts.at[k] = (struct piece){child, child->offset + 2 * p.at[k].from, 2 * p.at[k].count};
  }
  parts.total = 2 * p.total;
  struct ArrowSchema doubles = {.format = "g"};
  SEXP flat = PROTECT(import_numbers(&doubles, parts));
  SEXP x = PROTECT(Rf_allocVector(CPLXSXP, p.total));
  if (p.total) memcpy(COMPLEX(x), REAL_RO(flat), 16 * (size_t)p.total);
  put_na_complex(COMPLEX(x), p);
  UNPROTECT(2);
  return x;
}

/* ---- matrices ---- */

static void copy_slice(SEXP to, R_xlen_t at, SEXP from, const char *column) {
  if (TYPEOF(from) != TYPEOF(to)) refuse_column(column, "columns of a matrix changed their type in Python");
  R_xlen_t n = XLENGTH(from);
  size_t count = (size_t)n;
  for (R_xlen_t i = 0; TYPEOF(to) == STRSXP && i < n; i++) SET_STRING_ELT(to, at + i, STRING_ELT(from, i));
  if (!n) return;
  switch (TYPEOF(to)) {
    case LGLSXP:
      memcpy(LOGICAL(to) + at, LOGICAL_RO(from), 4 * count);
      return;
    case INTSXP:
      memcpy(INTEGER(to) + at, INTEGER_RO(from), 4 * count);
      return;
    case REALSXP:
      memcpy(REAL(to) + at, REAL_RO(from), 8 * count);
      return;
    case CPLXSXP:
      memcpy(COMPLEX(to) + at, COMPLEX_RO(from), 16 * count);
      return;
    case RAWSXP:
      memcpy(RAW(to) + at, RAW_RO(from), count);
      return;
    default:
      return;
  }
}

static SEXP slice_names(const struct ArrowSchema *s) {
  SEXP names = PROTECT(Rf_allocVector(STRSXP, s->n_children));
  for (int64_t j = 0; j < s->n_children; j++) {
    const char *name = s->children[j]->name;
    SET_STRING_ELT(names, j, Rf_mkCharCE(name ? name : "", CE_UTF8));
  }
  SEXP both = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(both, 1, names);
  UNPROTECT(2);
  return both;
}

/* Of what a matrix can hold; NILSXP for any other word. */
static SEXPTYPE type_named(const char *name) {
  static const SEXPTYPE types[] = {LGLSXP, INTSXP, REALSXP, STRSXP};
  if (!strcmp(name, "raw")) return RAWSXP;
  if (!strcmp(name, "complex")) return CPLXSXP;
  for (int i = 0; i < 4; i++) {
    if (!strcmp(name, Rf_type2char(types[i]))) return types[i];
  }
  return NILSXP;
}

/* A slice has no note of its own: what it is stands in the matrix's. */
static SEXP import_slice(const struct ArrowSchema *s, struct pieces p, const char *type) {
  struct note note = {"", 0};
  snprintf(note.kind, sizeof note.kind, "%s", type);
  return import_as(s, p, &note);
}

static SEXP import_matrix(const struct ArrowSchema *s, struct pieces p, const char *type, int named) {
  if (type_named(type) == NILSXP) return R_NilValue;
  if (p.total > INT_MAX) refuse_column(p.column, "a matrix has more rows than R can have");
  refuse_null_rows(p);
  SEXP x = PROTECT(Rf_allocVector(type_named(type), p.total * s->n_children));
  for (int64_t j = 0; j < s->n_children; j++) {
    const void *top = vmaxget();
    SEXP slice = PROTECT(import_slice(s->children[j], child_pieces(p, j), type));
    copy_slice(x, j * p.total, slice, p.column);
    UNPROTECT(1);
    vmaxset(top);
  }
  SEXP dim = PROTECT(Rf_allocVector(INTSXP, 2));
  INTEGER(dim)[0] = (int)p.total;
  INTEGER(dim)[1] = (int)s->n_children;
  Rf_setAttrib(x, R_DimSymbol, dim);
  if (named) Rf_setAttrib(x, R_DimNamesSymbol, slice_names(s));
  UNPROTECT(2);
  return x;
}

/* ---- lists that stayed in R ---- */

static SEXP import_cells(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  SEXP cells = record_any(note->record, CELLS);
  if (cells == R_NilValue) {
    refuse_column(p.column, "this list column stayed in R, and R has let go of it since; keep the frame it came with");
  }
  PROTECT(cells);
  SEXP x = PROTECT(Rf_allocVector(VECSXP, p.total));
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      if (is_null(p.at[k], i)) continue;
      int64_t row = whole_at(*s->format, p.at[k].array->buffers[1], p.at[k].from + i);
      if (row < 0 || row >= XLENGTH(cells)) refuse_column(p.column, "its row numbers were changed in Python");
      SET_VECTOR_ELT(x, to, VECTOR_ELT(cells, row));
    }
  }
  UNPROTECT(2);
  return x;
}

/* ---- by the word of the note; NULL where it does not fit the type (any more) ---- */

static void set_text(SEXP x, const char *attribute, const char *text) {
  SEXP value = PROTECT(Rf_ScalarString(Rf_mkCharCE(text, CE_UTF8)));
  Rf_setAttrib(x, Rf_install(attribute), value);
  UNPROTECT(1);
}

static SEXP import_doubles_as(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  SEXP x = PROTECT(import_numbers(s, p));
  if (note_is(note, "Date")) set_class(x, "Date", NULL);
  if (!strncmp(note->kind, "POSIXct:", 8)) {
    set_class(x, "POSIXct", "POSIXt");
    const char *letter = note->kind + 8, *colon = strchr(letter, ':');
    if (*letter != 'n') set_text(x, "tzone", *letter == 'e' || !colon ? "" : colon + 1);
  }
  if (!strncmp(note->kind, "difftime:", 9)) {
    set_text(x, "units", note->kind + 9);
    set_class(x, "difftime", NULL);
  }
  UNPROTECT(1);
  return x;
}

static int starts(const struct note *note, const char *word) { return !strncmp(note->kind, word, strlen(word)); }

SEXP import_noted(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  const char *f = s->format;
  int plain = !s->dictionary && (!strcmp(f, "g") || !strcmp(f, "i"));
  if (plain && (note_is(note, "Date") || starts(note, "POSIXct:") || starts(note, "difftime:"))) {
    return import_doubles_as(s, p, note);
  }
  if (!strcmp(f, "C") && note_is(note, "raw")) return import_raw(p);
  if (!strcmp(f, "l") && note_is(note, "integer64")) return import_whole(s, p, note);
  if (!strcmp(f, "l") && note_is(note, "cells")) return import_cells(s, p, note);
  if (!strcmp(f, "+w:2") && note_is(note, "complex") && !strcmp(s->children[0]->format, "g")) return import_complex(p);
  if (!strcmp(f, "+s") && starts(note, "matrix:")) return import_matrix(s, p, note->kind + 7, 0);
  if (!strcmp(f, "+s") && starts(note, "named matrix:")) return import_matrix(s, p, note->kind + 13, 1);
  return R_NilValue;
}
