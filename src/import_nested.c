/* Lists, and what our own notes make of Arrow's types: matrices, complex numbers, lists that stayed in R. */
#include <stdio.h>

#include "road.h"

/* ---- lists ---- */

static void range_at(const struct ArrowSchema *s, const struct ArrowArray *a, int64_t at, int64_t *from, int64_t *to) {
  if (!strncmp(s->format, "+w:", 3)) {
    int64_t width = atol(s->format + 3);
    *from = width * at;
    *to = *from + width;
  } else if (!strcmp(s->format, "+L")) {
    *from = ((const int64_t *)a->buffers[1])[at];
    *to = ((const int64_t *)a->buffers[1])[at + 1];
  } else {
    *from = ((const int32_t *)a->buffers[1])[at];
    *to = ((const int32_t *)a->buffers[1])[at + 1];
  }
}

SEXP import_list(const struct ArrowSchema *s, struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(VECSXP, p.total));
  R_xlen_t row = 0;
  for (int64_t k = 0; k < p.n; k++) {
    const struct ArrowArray *a = p.at[k].array, *child = a->children[0];
    for (int64_t i = 0; i < p.at[k].count; i++, row++) {
      if (row % 10000 == 9999) R_CheckUserInterrupt();
      if (is_null(p.at[k], i)) continue;
      int64_t from, to;
      range_at(s, a, p.at[k].from + i, &from, &to);
      struct piece cell = {child, child->offset + from, to - from};
      struct pieces inner = {&cell, 1, (R_xlen_t)(to - from), p.column};
      SET_VECTOR_ELT(x, row, import_column(s->children[0], inner));
    }
  }
  UNPROTECT(1);
  return x;
}

/* ---- complex numbers ---- */

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
  if (p.total) memcpy(COMPLEX(x), REAL_RO(flat), 16 * p.total);
  UNPROTECT(2);
  return x;
}

/* ---- matrices ---- */

static void copy_slice(SEXP to, R_xlen_t at, SEXP from, const char *column) {
  R_xlen_t n = XLENGTH(from);
  if (TYPEOF(from) != TYPEOF(to)) refuse_column(column, "columns of a matrix changed their type in Python");
  for (R_xlen_t i = 0; TYPEOF(to) == STRSXP && i < n; i++) SET_STRING_ELT(to, at + i, STRING_ELT(from, i));
  if (!n) return;
  switch (TYPEOF(to)) {
    case LGLSXP:
      memcpy(LOGICAL(to) + at, LOGICAL_RO(from), 4 * n);
      return;
    case INTSXP:
      memcpy(INTEGER(to) + at, INTEGER_RO(from), 4 * n);
      return;
    case REALSXP:
      memcpy(REAL(to) + at, REAL_RO(from), 8 * n);
      return;
    case CPLXSXP:
      memcpy(COMPLEX(to) + at, COMPLEX_RO(from), 16 * n);
      return;
    case RAWSXP:
      memcpy(RAW(to) + at, RAW_RO(from), n);
      return;
    default:
      return;
  }
}

static SEXP slice_names(const struct ArrowSchema *s) {
  SEXP names = PROTECT(Rf_allocVector(STRSXP, s->n_children));
  for (int64_t j = 0; j < s->n_children; j++) SET_STRING_ELT(names, j, Rf_mkCharCE(s->children[j]->name, CE_UTF8));
  SEXP both = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(both, 1, names);
  UNPROTECT(2);
  return both;
}

static SEXPTYPE type_named(const char *name) {
  if (!strcmp(name, "raw")) return RAWSXP;
  if (!strcmp(name, "complex")) return CPLXSXP;
  return Rf_str2type(name);
}

/* A slice has no note of its own: what it is stands in the matrix's. */
static SEXP import_slice(const struct ArrowSchema *s, struct pieces p, const char *type) {
  struct note note = {"", 0};
  snprintf(note.kind, sizeof note.kind, "%s", type);
  return import_as(s, p, &note);
}

static SEXP import_matrix(const struct ArrowSchema *s, struct pieces p, const char *type, int named) {
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
  SEXP cells = record_any(note->record);
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

static SEXP import_doubles_as(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  SEXP x = PROTECT(import_numbers(s, p));
  if (note_is(note, "Date")) set_class(x, "Date", NULL);
  if (!strncmp(note->kind, "POSIXct:", 8)) {
    set_class(x, "POSIXct", "POSIXt");
    const char *letter = note->kind + 8, *zone = strchr(letter, ':') + 1;
    if (*letter != 'n') Rf_setAttrib(x, Rf_install("tzone"), Rf_mkString(*letter == 'e' ? "" : zone));
  }
  if (!strncmp(note->kind, "difftime:", 9)) {
    Rf_setAttrib(x, Rf_install("units"), Rf_mkString(note->kind + 9));
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
