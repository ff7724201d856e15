/* Dates and times. Where Arrow's whole numbers cannot hold a value exactly (a fraction of a day, an infinite date, a
 * time finer than nanoseconds), the column crosses as the doubles it is made of, and the note says what they are. */
#include <math.h>
#include <stdio.h>

#include "road.h"

/* ---- dates ---- */

FAST_LOOP static int whole_days(const double *x, R_xlen_t n, int32_t *days) {
  for (R_xlen_t i = 0; i < n; i++) {
    if (is_na_real(x[i])) {
      days[i] = 0;
      continue;
    }
    if (!(x[i] > -2147483648.0 && x[i] < 2147483648.0)) return 0;
    days[i] = (int32_t)x[i];
    if ((double)days[i] != x[i]) return 0;
  }
  return 1;
}

void export_date(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  struct span all = {x, 0, XLENGTH(x)};
  int explained = class_is(x, "Date", NULL);
  if (TYPEOF(x) == INTSXP) {
    export_plain(all, name, s, a, out);
    schema_format(s, "tdD");
    note_column(x, "integer", explained, s, a);
    return;
  }
  array_begin(a, all.n, 2, 0);
  if (whole_days(REAL_RO(x), all.n, array_buffer(a, 1, 4 * (size_t)all.n))) {
    schema_begin(s, "tdD", name, 0);
    validity_of(a, REALSXP, REAL_RO(x), all.n);
    note_column(x, "", explained, s, a);
    return;
  }
  a->release(a);
  export_plain(all, name, s, a, out);
  note_column(x, "Date", explained, s, a);
}

/* ---- times ---- */

/* The inverse of the export, used by both directions: a value is exact if it comes back the same. */
double seconds_of(int64_t value, double per_second) {
  int64_t unit = (int64_t)per_second;
  if (unit <= 1000000) return (double)value / per_second;
  int64_t whole = value / unit;
  return (double)whole + (double)(value - whole * unit) / per_second;
}

FAST_LOOP static int micros(const double *x, R_xlen_t n, int64_t *ticks) {
  for (R_xlen_t i = 0; i < n; i++) {
    double value = x[i] * 1e6;
    if (value > -9e15 && value < 9e15) {
      ticks[i] = (int64_t)(value + (value < 0 ? -0.5 : 0.5));
      if ((double)ticks[i] / 1e6 != x[i]) return 0;
    } else {
      if (!is_na_real(x[i])) return 0;
      ticks[i] = 0;
    }
  }
  return 1;
}

static int nanos(const double *x, R_xlen_t n, int64_t *ticks) {
  for (R_xlen_t i = 0; i < n; i++) {
    if (is_na_real(x[i])) {
      ticks[i] = 0;
      continue;
    }
    if (!(x[i] > -9.2e9 && x[i] < 9.2e9)) return 0;
    double whole = trunc(x[i]);
    ticks[i] = (int64_t)whole * 1000000000 + (int64_t)nearbyint((x[i] - whole) * 1e9);
    if (seconds_of(ticks[i], 1e9) != x[i]) return 0;
  }
  return 1;
}

/* The zone for Arrow, and a letter for R: n(o zone attribute), e(mpty), or none of them. */
static const char *zone_of(SEXP x, struct out *out, const char **letter, int *single) {
  SEXP zone = Rf_getAttrib(x, Rf_install("tzone"));
  *single = TYPEOF(zone) == STRSXP && XLENGTH(zone) == 1 && !n_attributes(zone);
  *letter = TYPEOF(zone) == STRSXP && XLENGTH(zone) > 0 ? "" : "n";
  if (**letter) return "UTC"; /* an instant, whatever zone it is shown in */
  const char *name = text_of(STRING_ELT(zone, 0), out, -1);
  if (STRING_ELT(zone, 0) != NA_STRING && *name && strlen(name) < 40) return name;
  *letter = "e";
  *single = *single && !*name;
  return "UTC";
}

void export_time(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  R_xlen_t n = XLENGTH(x);
  const char *letter, *unit = "s";
  int single;
  char format[64], kind[64];
  const char *zone = zone_of(x, out, &letter, &single);
  int explained = class_is(x, "POSIXct", "POSIXt") ? 1 + single : 0;
  int whole = TYPEOF(x) == INTSXP;
  array_begin(a, n, 2, 0);
  int64_t *ticks = array_buffer(a, 1, 8 * (size_t)n);
  if (whole) {
    for (R_xlen_t i = 0; i < n; i++) ticks[i] = INTEGER_RO(x)[i];
  } else if (micros(REAL_RO(x), n, ticks)) {
    unit = "u";
  } else if (nanos(REAL_RO(x), n, ticks)) {
    unit = "n";
  } else {
    a->release(a);
    struct span all = {x, 0, n};
    export_plain(all, name, s, a, out);
    snprintf(kind, sizeof kind, "POSIXct:%s:%s", letter, zone);
    note_column(x, kind, explained, s, a);
    return;
  }
  validity_of(a, TYPEOF(x), whole ? (const void *)INTEGER_RO(x) : (const void *)REAL_RO(x), n);
  snprintf(format, sizeof format, "ts%s:%s", unit, zone);
  schema_begin(s, format, name, 0);
  snprintf(kind, sizeof kind, "time:%s%s", whole ? "i" : "", letter);
  note_column(x, whole || *letter ? kind : "", explained, s, a);
}
