/* Columns that hold more than one value a row: matrices, lists, and lists of anything. */
#include "road.h"

#define MOST_SLICES (1 << 20)

/* ---- matrices: a struct with one child a column, each a slice of the same memory ---- */

static const char *slice_name(SEXP names, R_xlen_t j, char *number, struct out *out) {
  if (TYPEOF(names) == STRSXP) return text_of(STRING_ELT(names, j), out, -1);
  snprintf(number, 24, "%lld", (long long)(j + 1));
  return number;
}

/* (without rows it may have more columns than memory has room for) */
static R_xlen_t slices_of(SEXP dim, const struct out *out) {
  double columns = 1;
  for (int i = 1; i < Rf_length(dim); i++) columns *= INTEGER_RO(dim)[i];
  if (columns > MOST_SLICES) {
    Rf_error("column \"%s\" is a matrix of %.0f columns; %d can cross", out->column, columns, MOST_SLICES);
  }
  return (R_xlen_t)columns;
}

void export_matrix(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  SEXP dim = PROTECT(Rf_getAttrib(x, R_DimSymbol));
  SEXP dimnames = PROTECT(Rf_getAttrib(x, R_DimNamesSymbol));
  SEXP names = Rf_length(dim) == 2 && dimnames != R_NilValue ? VECTOR_ELT(dimnames, 1) : R_NilValue;
  R_xlen_t rows = INTEGER_RO(dim)[0], columns = slices_of(dim, out);
  schema_begin(s, "+s", name, columns);
  array_begin(a, rows, 1, columns);
  for (R_xlen_t j = 0; j < columns; j++) {
    char number[24];
    const void *top = vmaxget();
    struct span slice = {x, j * rows, rows};
    export_plain(slice, slice_name(names, j, number, out), s->children[j], a->children[j], out);
    vmaxset(top);
  }
  const char *type = TYPEOF(x) == RAWSXP ? "raw" : TYPEOF(x) == CPLXSXP ? "complex" : Rf_type2char(TYPEOF(x));
  char kind[40];
  snprintf(kind, sizeof kind, "%s:%s", names == R_NilValue ? "matrix" : "named matrix", type);
  /* (the type: a matrix without columns has no child to tell it) */
  note_column(x, kind, Rf_length(dim) == 2 && dimnames == R_NilValue ? 1 : 0, s, a);
  UNPROTECT(2);
}

/* ---- lists of plain vectors of one type ---- */

/* That type; NILSXP if all elements are NULL; ANYSXP if there is none. */
static SEXPTYPE common_type(SEXP x) {
  SEXPTYPE common = NILSXP;
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    SEXP cell = VECTOR_ELT(x, i);
    SEXPTYPE type = TYPEOF(cell);
    if (type == NILSXP) continue;
    int plain = type == LGLSXP || type == INTSXP || type == REALSXP || type == STRSXP;
    if (!plain || n_attributes(cell) || (common != NILSXP && common != type)) return ANYSXP;
    common = type;
  }
  return common;
}

static void fill(SEXP to, R_xlen_t at, SEXP from) {
  R_xlen_t n = XLENGTH(from);
  switch (TYPEOF(to)) {
    case STRSXP:
      for (R_xlen_t i = 0; i < n; i++) SET_STRING_ELT(to, at + i, STRING_ELT(from, i));
      return;
    case LGLSXP:
      if (n) memcpy(LOGICAL(to) + at, LOGICAL_RO(from), 4 * (size_t)n);
      return;
    case INTSXP:
      if (n) memcpy(INTEGER(to) + at, INTEGER_RO(from), 4 * (size_t)n);
      return;
    default:
      if (n) memcpy(REAL(to) + at, REAL_RO(from), 8 * (size_t)n);
  }
}

/* All elements one after another; offsets and bitmap of the list tell them apart. */
static SEXP gather(SEXP x, SEXPTYPE type, int64_t *offsets, uint8_t *bits, int64_t *nulls) {
  R_xlen_t n = XLENGTH(x), total = 0;
  memset(bits, 0, bitmap_bytes(n));
  offsets[0] = 0;
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP cell = VECTOR_ELT(x, i);
    if (cell == R_NilValue) {
      ++*nulls;
    } else {
      bits[i >> 3] = (uint8_t)(bits[i >> 3] | 1u << (i & 7));
      total += XLENGTH(cell);
    }
    offsets[i + 1] = total;
  }
  SEXP all = PROTECT(Rf_allocVector(type, total));
  for (R_xlen_t i = 0; i < n; i++) {
    if (VECTOR_ELT(x, i) != R_NilValue) fill(all, offsets[i], VECTOR_ELT(x, i));
  }
  UNPROTECT(1);
  return all;
}

static void export_vectors(SEXP x, SEXPTYPE type, const char *name, struct ArrowSchema *s, struct ArrowArray *a,
                           struct out *out) {
  R_xlen_t n = XLENGTH(x);
  schema_begin(s, "+L", name, 1);
  array_begin(a, n, 2, 1);
  int64_t *offsets = array_buffer(a, 1, 8 * ((size_t)n + 1));
  SEXP all = PROTECT(gather(x, type, offsets, array_buffer(a, 0, bitmap_bytes(n)), &a->null_count));
  struct span span = {all, 0, XLENGTH(all)};
  struct out own = *out;
  own.copy = 0; /* nobody else has it */
  export_plain(span, "item", s->children[0], a->children[0], &own);
  if (s->children[0]->dictionary) schema_note(s->children[0], "character", 0);
  note_column(x, "", 0, s, a);
  UNPROTECT(1);
}

static void export_nulls(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a) {
  R_xlen_t n = XLENGTH(x);
  schema_begin(s, "n", name, 0);
  array_begin(a, n, 0, 0);
  a->null_count = n;
  note_column(x, "list", 0, s, a);
}

/* ---- lists of anything: Python gets row numbers, the list itself stays here ---- */

static void export_cells(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  R_xlen_t n = XLENGTH(x);
  schema_begin(s, "l", name, 0);
  array_begin(a, n, 2, 0);
  int64_t *rows = array_buffer(a, 1, 8 * (size_t)n);
  for (R_xlen_t i = 0; i < n; i++) rows[i] = i;
  SEXP cells = PROTECT(out->copy ? Rf_shallow_duplicate(x) : x);
  note_record(cells, "cells", s, a);
  UNPROTECT(1);
}

/* Python sees the instants; R gets its own object back as long as they are unchanged. */
static void export_posixlt(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  SEXP call = PROTECT(Rf_lang2(Rf_install("as.POSIXct"), x));
  SEXP instants = PROTECT(Rf_eval(call, R_BaseNamespace));
  if (TYPEOF(instants) != REALSXP) Rf_error("column \"%s\": as.POSIXct() gives no times of it", out->column);
  SEXP bare = PROTECT(Rf_shallow_duplicate(instants));
  Rf_setAttrib(bare, R_NamesSymbol, R_NilValue);
  struct out own = *out;
  own.copy = 0;
  export_time(bare, name, s, a, &own);
  note_record(x, "POSIXlt", s, a);
  UNPROTECT(3);
}

void export_list(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  int times = Rf_inherits(x, "POSIXlt");
  SEXPTYPE type = times ? ANYSXP : common_type(x);
  if (times) {
    export_posixlt(x, name, s, a, out);
  } else if (type == NILSXP) {
    export_nulls(x, name, s, a);
  } else if (type == ANYSXP) {
    export_cells(x, name, s, a, out);
  } else {
    export_vectors(x, type, name, s, a, out);
  }
}
