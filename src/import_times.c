/* Dates, times, durations; dictionaries. */
#include "road.h"

double per_second(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 1e3;
    case 'u':
      return 1e6;
    default:
      return 1e9;
  }
}

/* ---- dates ---- */

static SEXP import_date(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  int wide = !strcmp(s->format, "tdm"), whole = !wide && note_is(note, "integer");
  SEXP x = PROTECT(new_vector(whole ? INTSXP : REALSXP, p.total, whole ? sizeof(int) : sizeof(double)));
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      int missing = is_null(p.at[k], i);
      int64_t value = whole_at(wide ? 'l' : 'i', p.at[k].array->buffers[1], p.at[k].from + i);
      if (whole) {
        INTEGER(x)[to] = missing ? NA_INTEGER : (int)value;
      } else {
        REAL(x)[to] = missing ? NA_REAL : wide ? (double)value / 86400000.0 : (double)value;
      }
    }
  }
  set_class(x, "Date", NULL);
  UNPROTECT(1);
  return x;
}

/* ---- times and durations ---- */

/* What seconds_of() gives for units of a microsecond and more. */
FAST_LOOP static void seconds_from(double *to, const int64_t *data, int64_t n, double unit) {
  for (int64_t i = 0; i < n; i++) to[i] = (double)data[i] / unit;
}

static SEXP import_seconds(char format, double unit, struct pieces p) {
  SEXP x = PROTECT(new_vector(REALSXP, p.total, sizeof(double)));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const void *data = p.at[k].array->buffers[1];
    if (format == 'l' && unit <= 1e6) {
      seconds_from(to, (const int64_t *)data + p.at[k].from, p.at[k].count, unit);
    } else {
      for (int64_t i = 0; i < p.at[k].count; i++) to[i] = seconds_of(whole_at(format, data, p.at[k].from + i), unit);
    }
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP whole_seconds(struct pieces p) {
  SEXP x = PROTECT(new_vector(INTSXP, p.total, sizeof(int)));
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      int64_t value = whole_at('l', p.at[k].array->buffers[1], p.at[k].from + i);
      int missing = is_null(p.at[k], i);
      if (!missing && (value > INT_MAX || value <= INT_MIN)) refuse_column(p.column, "times beyond R's integers");
      INTEGER(x)[to] = missing ? NA_INTEGER : (int)value;
    }
  }
  UNPROTECT(1);
  return x;
}

/* A time without a zone is a clock's: shown in UTC it reads the same in R. */
static SEXP import_instant(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  const char *letters = strncmp(note->kind, "time:", 5) ? "" : note->kind + 5, *zone = s->format + 4;
  int whole = strchr(letters, 'i') && s->format[2] == 's';
  SEXP x = PROTECT(whole ? whole_seconds(p) : import_seconds('l', per_second(s->format[2]), p));
  set_class(x, "POSIXct", "POSIXt");
  if (!*zone) zone = "UTC";
  if (strchr(letters, 'e')) zone = "";
  if (!strchr(letters, 'n')) {
    SEXP tzone = PROTECT(Rf_ScalarString(Rf_mkCharCE(zone, CE_UTF8)));
    Rf_setAttrib(x, Rf_install("tzone"), tzone);
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return x;
}

static SEXP import_duration(const struct ArrowSchema *s, struct pieces p) {
  char unit = s->format[2];
  int narrow = s->format[1] == 't' && (unit == 's' || unit == 'm'); /* times of day in 32 bits */
  SEXP x = PROTECT(import_seconds(narrow ? 'i' : 'l', per_second(unit), p));
  Rf_setAttrib(x, Rf_install("units"), Rf_mkString("secs"));
  set_class(x, "difftime", NULL);
  UNPROTECT(1);
  return x;
}

SEXP import_time(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  if (s->format[1] == 'd') return import_date(s, p, note);
  return s->format[1] == 's' ? import_instant(s, p, note) : import_duration(s, p);
}
