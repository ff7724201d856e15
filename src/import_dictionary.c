/* Dictionaries: factors, unless our note says that R had plain text. Batches may bring dictionaries of their own. */
#include "road.h"

static SEXP dictionary_of(const struct ArrowSchema *s, struct piece piece, const char *column) {
  const struct ArrowArray *dictionary = piece.array->dictionary;
  struct piece all = {dictionary, dictionary->offset, dictionary->length};
  struct pieces pieces = {&all, 1, (R_xlen_t)dictionary->length, column};
  return import_column(s->dictionary, pieces);
}

static int64_t index_at(const struct ArrowSchema *s, struct piece piece, int64_t i, R_xlen_t n, const char *column) {
  int64_t index = whole_at(*s->format, piece.array->buffers[1], piece.from + i);
  if (index < 0 || index >= n) refuse_column(column, "damaged: an index beyond its dictionary");
  return index;
}

/* Every row's string. */
static SEXP decoded(const struct ArrowSchema *s, struct pieces p) {
  SEXP x = PROTECT(Rf_allocVector(STRSXP, p.total));
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    SEXP strings = PROTECT(dictionary_of(s, p.at[k], p.column));
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      int missing = is_null(p.at[k], i);
      int64_t at = missing ? 0 : index_at(s, p.at[k], i, XLENGTH(strings), p.column);
      SET_STRING_ELT(x, to, missing ? NA_STRING : STRING_ELT(strings, (R_xlen_t)at));
    }
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return x;
}

/* ---- factors ---- */

/* Codes for one batch, by way of the levels of all; equal strings are one pointer in R. */
static void put_codes(const struct ArrowSchema *s, struct piece piece, SEXP strings, struct pointer_set *levels,
                      int *to, const char *column) {
  R_xlen_t n = XLENGTH(strings);
  int *code = (int *)R_alloc(n ? (size_t)n : 1, sizeof(int));
  for (R_xlen_t i = 0; i < n; i++) code[i] = pointer_set_code(levels, STRING_ELT(strings, i)) + 1;
  for (int64_t i = 0; i < piece.count; i++) {
    to[i] = is_null(piece, i) ? NA_INTEGER : code[index_at(s, piece, i, n, column)];
  }
}

static SEXP levels_of(const struct pointer_set *set) {
  SEXP levels = PROTECT(Rf_allocVector(STRSXP, pointer_set_size(set)));
  for (int i = 0; i < pointer_set_size(set); i++) SET_STRING_ELT(levels, i, (SEXP)pointer_set_at(set, i));
  UNPROTECT(1);
  return levels;
}

static SEXP as_factor(const struct ArrowSchema *s, struct pieces p) {
  SEXP holder = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  struct pointer_set *levels = pointer_set_new(holder);
  SEXP x = PROTECT(new_vector(INTSXP, p.total, sizeof(int)));
  SEXP kept = PROTECT(Rf_allocVector(VECSXP, p.n)); /* the strings, until the levels hold them */
  int *to = INTEGER(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const void *top = vmaxget();
    SET_VECTOR_ELT(kept, k, dictionary_of(s, p.at[k], p.column));
    put_codes(s, p.at[k], VECTOR_ELT(kept, k), levels, to, p.column);
    vmaxset(top);
  }
  Rf_setAttrib(x, R_LevelsSymbol, levels_of(levels));
  if (s->flags & ARROW_FLAG_DICTIONARY_ORDERED) {
    set_class(x, "ordered", "factor");
  } else {
    set_class(x, "factor", NULL);
  }
  UNPROTECT(3);
  return x;
}

/* ---- dictionaries of something else than text: the values themselves ---- */

static SEXP taken_from(const struct ArrowSchema *s, struct piece piece, const char *column) {
  SEXP values = PROTECT(dictionary_of(s, piece, column));
  SEXP rows = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)piece.count));
  for (int64_t i = 0; i < piece.count; i++) {
    REAL(rows)[i] = is_null(piece, i) ? NA_REAL : (double)index_at(s, piece, i, XLENGTH(values), column) + 1;
  }
  SEXP call = PROTECT(Rf_lang3(R_BracketSymbol, values, rows));
  SEXP x = Rf_eval(call, R_BaseNamespace);
  UNPROTECT(3);
  return x;
}

static SEXP taken(const struct ArrowSchema *s, struct pieces p) {
  /* (of no batches: a column of that type, with no rows) */
  if (!p.n) return import_column(s->dictionary, p);
  SEXP parts = PROTECT(Rf_allocVector(VECSXP, p.n));
  for (int64_t k = 0; k < p.n; k++) SET_VECTOR_ELT(parts, k, taken_from(s, p.at[k], p.column));
  SEXP call = PROTECT(Rf_lang3(Rf_install("do.call"), Rf_install("c"), parts));
  SEXP x = p.n == 1 ? VECTOR_ELT(parts, 0) : Rf_eval(call, R_BaseNamespace);
  UNPROTECT(2);
  return x;
}

SEXP import_dictionary(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  const char *f = s->dictionary->format;
  int text = !s->dictionary->dictionary && (!strcmp(f, "u") || !strcmp(f, "U") || !strcmp(f, "vu"));
  if (!text) return taken(s, p);
  return note_is(note, "character") ? decoded(s, p) : as_factor(s, p);
}
