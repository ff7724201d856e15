/* R vectors as Arrow arrays. Numbers are shared, not copied; text, factors, dates and times are converted. */
#include "road.h"

/* ---- what all kinds use ---- */

/* A buffer of R's own memory, kept alive by the array; or a copy, where R may change it in place. */
void share(struct ArrowArray *a, SEXP keep, const void *data, size_t bytes, struct out *out) {
  if (out->copy) {
    void *copy = array_buffer(a, 1, bytes);
    if (bytes) memcpy(copy, data, bytes);
    return;
  }
  array_keep(a, keep);
  array_view(a, 1, data);
}

static void bitmap_of(struct ArrowArray *a, SEXPTYPE type, const void *data, R_xlen_t n) {
  uint8_t *bits = array_buffer(a, 0, bitmap_bytes(n));
  a->null_count = type == REALSXP ? bitmap_real(data, n, bits) : bitmap_integer(data, n, bits);
}

/* Written only where something is missing. A NaN is not missing, so it may turn out that nothing is. */
void validity_of(struct ArrowArray *a, SEXPTYPE type, const void *data, R_xlen_t n) {
  int some = type == REALSXP ? any_nan(data, n) : any_na_integer(data, n);
  if (some) bitmap_of(a, type, data, n);
}

void note_record(SEXP about, const char *kind, struct ArrowSchema *s, struct ArrowArray *a) {
  int64_t id = record_new(about, kind_remembers(kind));
  array_record(a, id);
  record_seal(id, fingerprint(s, a));
  schema_note(s, kind, id);
}

void note_column(SEXP x, const char *kind, int explained, struct ArrowSchema *s, struct ArrowArray *a) {
  if (n_attributes(x) <= explained) {
    schema_note(s, kind, 0);
    return;
  }
  SEXP attributes = PROTECT(attributes_of(x));
  note_record(attributes, kind, s, a);
  UNPROTECT(1);
}

/* ---- vectors as they are ---- */

static void export_logical(struct span span, struct ArrowArray *a) {
  const int *data = LOGICAL_RO(span.x) + span.from;
  array_begin(a, span.n, 2, 0);
  pack_logical(data, span.n, array_buffer(a, 1, bitmap_bytes(span.n)));
  validity_of(a, INTSXP, data, span.n);
}

static void export_number(struct span span, struct ArrowArray *a, struct out *out) {
  int real = TYPEOF(span.x) == REALSXP;
  size_t width = real ? 8 : 4;
  const char *data = real ? (const char *)REAL_RO(span.x) : (const char *)INTEGER_RO(span.x);
  data += width * (size_t)span.from;
  array_begin(a, span.n, 2, 0);
  share(a, span.x, data, width * (size_t)span.n, out);
  validity_of(a, TYPEOF(span.x), data, span.n);
}

static void export_raw(struct span span, struct ArrowArray *a, struct out *out) {
  array_begin(a, span.n, 2, 0);
  share(a, span.x, RAW_RO(span.x) + span.from, (size_t)span.n, out);
}

/* Pairs of doubles; either may be missing by itself, so the nulls are theirs. */
static void export_complex(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a,
                           struct out *out) {
  const double *data = (const double *)(COMPLEX_RO(span.x) + span.from);
  schema_begin(s, "+w:2", name, 1);
  schema_begin(s->children[0], "g", "item", 0);
  array_begin(a, span.n, 1, 1);
  array_begin(a->children[0], 2 * span.n, 2, 0);
  share(a->children[0], span.x, data, 16 * (size_t)span.n, out);
  validity_of(a->children[0], REALSXP, data, 2 * span.n);
}

void export_plain(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  switch (TYPEOF(span.x)) {
    case LGLSXP:
      schema_begin(s, "b", name, 0);
      export_logical(span, a);
      return;
    case INTSXP:
      schema_begin(s, "i", name, 0);
      export_number(span, a, out);
      return;
    case REALSXP:
      schema_begin(s, "g", name, 0);
      export_number(span, a, out);
      return;
    case RAWSXP:
      schema_begin(s, "C", name, 0);
      export_raw(span, a, out);
      return;
    case CPLXSXP:
      export_complex(span, name, s, a, out);
      return;
    case STRSXP:
      export_strings(span, name, s, a, out);
      return;
    default:
      Rf_error("column \"%s\": type %s has no place in Arrow", out->column, Rf_type2char(TYPEOF(span.x)));
  }
}

/* The word for a vector whose Arrow type alone would come back as something else. */
static const char *kind_of(SEXPTYPE type, const struct ArrowSchema *s) {
  if (type == RAWSXP) return "raw";
  if (type == CPLXSXP) return "complex";
  return s->dictionary ? "character" : "";
}

void export_flat(SEXP x, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  struct span all = {x, 0, XLENGTH(x)};
  export_plain(all, "", s, a, out);
  note_column(x, kind_of(TYPEOF(x), s), 0, s, a);
}

/* ---- classes ---- */

static void export_difftime(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  struct span all = {x, 0, XLENGTH(x)};
  char kind[32] = "";
  SEXP units = Rf_getAttrib(x, Rf_install("units"));
  int known = class_is(x, "difftime", NULL) && TYPEOF(units) == STRSXP && XLENGTH(units) == 1;
  /* (others than R's own units are remembered with the attributes) */
  const char *unit = known ? CHAR(STRING_ELT(units, 0)) : "";
  known = known && strlen(unit) < 16 && is_ascii(unit, strlen(unit)) && STRING_ELT(units, 0) != NA_STRING;
  if (known) snprintf(kind, sizeof kind, "difftime:%s", unit);
  export_plain(all, name, s, a, out);
  note_column(x, kind, known && n_attributes(units) == 0 ? 2 : 0, s, a);
}

static void export_integer64(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  const double *data = REAL_RO(x);
  R_xlen_t n = XLENGTH(x);
  schema_begin(s, "l", name, 0);
  array_begin(a, n, 2, 0);
  share(a, x, data, 8 * (size_t)n, out);
  a->null_count = bitmap_integer64(data, n, array_buffer(a, 0, bitmap_bytes(n)));
  note_column(x, "integer64", class_is(x, "integer64", NULL), s, a);
}

static void export_unclassed(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  struct span all = {x, 0, XLENGTH(x)};
  export_plain(all, name, s, a, out);
  note_column(x, kind_of(TYPEOF(x), s), 0, s, a);
}

typedef void exporter(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);

static exporter *exporter_of(SEXP x) {
  int number = TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP;
  if (TYPEOF(x) == VECSXP) return Rf_inherits(x, "data.frame") ? export_frame : export_list;
  if (Rf_length(Rf_getAttrib(x, R_DimSymbol)) > 1) return export_matrix;
  if (!Rf_isObject(x)) return export_unclassed;
  if (Rf_isFactor(x)) return export_factor;
  if (number && Rf_inherits(x, "Date")) return export_date;
  if (number && Rf_inherits(x, "POSIXct")) return export_time;
  if (number && Rf_inherits(x, "difftime")) return export_difftime;
  return TYPEOF(x) == REALSXP && Rf_inherits(x, "integer64") ? export_integer64 : export_unclassed;
}

void export_column(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  exporter_of(x)(x, name, s, a, out);
}

/* ---- frames ---- */

/* Python reads as many rows as the table says. */
static void check_rows(int64_t own, int64_t rows, const struct out *out) {
  if (own == rows) return;
  Rf_error("column \"%s\" has %lld rows where the data frame has %lld", out->column, (long long)own, (long long)rows);
}

static void export_columns(SEXP x, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  SEXP names = PROTECT(Rf_getAttrib(x, R_NamesSymbol));
  struct out inner = *out;
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    if (i % 256 == 0) R_CheckUserInterrupt();
    SEXP column = VECTOR_ELT(x, i);
    const void *top = vmaxget();
    inner.column = names == R_NilValue ? "" : text_of(STRING_ELT(names, i), out, -1);
    check_rows(rows_of(column), a->length, &inner);
    export_column(column, inner.column, s->children[i], a->children[i], &inner);
    check_rows(a->children[i]->length, a->length, &inner); /* (length() of a class may say one thing and do another) */
    vmaxset(top);
  }
  UNPROTECT(1);
}

void export_frame(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  struct out inner = *out;
  if (Rf_inherits(x, "data.table")) inner.copy = 1;
  schema_begin(s, "+s", name, XLENGTH(x));
  int automatic;
  array_begin(a, frame_rows(x, &automatic), 1, XLENGTH(x));
  export_columns(x, s, a, &inner);
  int ordinary = n_attributes(x) == 3 && class_is(x, "data.frame", NULL) && automatic;
  note_column(x, "", ordinary ? 3 : 0, s, a);
}
