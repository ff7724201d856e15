/* Whole numbers of all widths. R has 32 bits; wider ones become doubles while they are exact, else integer64. */
#include "road.h"

#define EXACT 9007199254740992 /* 2^53 */

static uint16_t two_bytes_at(const void *data, int64_t i) {
  uint16_t value;
  memcpy(&value, (const char *)data + 2 * i, 2);
  return value;
}

static SEXP narrow(char format, struct pieces p) {
  SEXP x = PROTECT(new_vector(INTSXP, p.total, sizeof(int)));
  int *to = INTEGER(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    for (int64_t i = 0; i < p.at[k].count; i++) {
      int64_t value = whole_at(format, p.at[k].array->buffers[1], p.at[k].from + i);
      to[i] = is_null(p.at[k], i) ? NA_INTEGER : (int)value;
    }
  }
  UNPROTECT(1);
  return x;
}

static SEXP as_doubles(char format, struct pieces p) {
  SEXP x = PROTECT(new_vector(REALSXP, p.total, sizeof(double)));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    for (int64_t i = 0; i < p.at[k].count; i++) {
      to[i] = (double)whole_at(format, p.at[k].array->buffers[1], p.at[k].from + i);
    }
    put_na_real(to, p.at[k]);
  }
  UNPROTECT(1);
  return x;
}

static SEXP as_integer64(struct pieces p) {
  SEXP x = PROTECT(new_vector(REALSXP, p.total, sizeof(double)));
  double *to = REAL(x);
  for (int64_t k = 0; k < p.n; to += p.at[k].count, k++) {
    const void *data = p.at[k].array->buffers[1];
    for (int64_t i = 0; i < p.at[k].count; i++) {
      int missing = is_null(p.at[k], i);
      int64_t value = missing ? INT64_MIN : int64_at(data, p.at[k].from + i);
      if (!missing && value == INT64_MIN) refuse_column(p.column, "-2^63 is integer64's NA and cannot be a value");
      memcpy(to + i, &value, 8);
    }
  }
  set_class(x, "integer64", NULL);
  UNPROTECT(1);
  return x;
}

enum reach { EXACT_DOUBLES, FULL_SIGNED, TOO_LARGE };

static enum reach reach_of(char format, struct pieces p) {
  enum reach widest = EXACT_DOUBLES;
  for (int64_t k = 0; k < p.n; k++) {
    const void *data = p.at[k].array->buffers[1];
    for (int64_t i = 0; i < p.at[k].count; i++) {
      int64_t value = int64_at(data, p.at[k].from + i);
      if ((value >= -EXACT && value <= EXACT && (format == 'l' || value >= 0)) || is_null(p.at[k], i)) continue;
      if (format == 'L' && value < 0) return TOO_LARGE;
      widest = FULL_SIGNED;
    }
  }
  return widest;
}

static int bit64_is_loaded(void) {
  SEXP call = PROTECT(Rf_lang2(Rf_install("isNamespaceLoaded"), Rf_mkString("bit64")));
  int loaded = Rf_asLogical(Rf_eval(call, R_BaseNamespace));
  UNPROTECT(1);
  return loaded;
}

static SEXP wide(char format, struct pieces p, int always64) {
  enum reach reach = reach_of(format, p);
  if (reach == TOO_LARGE) refuse_column(p.column, "a whole number of 2^63 or more; cast it to float64 or to text");
  if (always64) return as_integer64(p);
  if (reach == EXACT_DOUBLES) return as_doubles(format, p);
  if (!bit64_is_loaded()) {
    refuse_column(p.column, "whole numbers beyond 2^53, which R's doubles would round; load the package bit64 to get "
                            "them exactly, or cast them to float64 or to text");
  }
  return as_integer64(p);
}

SEXP import_whole(const struct ArrowSchema *s, struct pieces p, const struct note *note) {
  char format = *s->format;
  if (format == 'l' || format == 'L') return wide(format, p, note_is(note, "integer64"));
  /* (an 'i' comes here when it holds the value that is R's NA) */
  if (format == 'I' || format == 'i') return as_doubles(format, p);
  return narrow(format, p);
}
