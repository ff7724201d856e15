/* Text and bytes, in each of Arrow's three layouts: 32-bit offsets, 64-bit offsets, views. */
#include "road.h"

struct bytes {
  const char *data;
  int64_t n;
};

static struct bytes viewed(const struct ArrowArray *a, int64_t at, const char *column) {
  const char *view = (const char *)a->buffers[1] + 16 * at;
  int32_t n, buffer, offset;
  memcpy(&n, view, 4);
  if (n < 0) refuse_column(column, "damaged: a text of negative length");
  if (n <= 12) return (struct bytes){view + 4, n};
  memcpy(&buffer, view + 8, 4);
  memcpy(&offset, view + 12, 4);
  int64_t variadic = a->n_buffers - 3;
  if (buffer < 0 || buffer >= variadic || offset < 0) refuse_column(column, "damaged: a view that points nowhere");
  const int64_t *sizes = a->buffers[a->n_buffers - 1];
  if ((int64_t)offset + n > sizes[buffer]) refuse_column(column, "damaged: a view that points beyond its buffer");
  return (struct bytes){(const char *)a->buffers[2 + buffer] + offset, n};
}

static struct bytes bytes_at(const char *format, const struct ArrowArray *a, int64_t at, const char *column) {
  if (*format == 'v') return viewed(a, at, column);
  if (*format == 'w') {
    int64_t width = atol(format + 2);
    return (struct bytes){(const char *)a->buffers[1] + width * at, width};
  }
  if (*format == 'U' || *format == 'Z') {
    const int64_t *offsets = a->buffers[1];
    return (struct bytes){(const char *)a->buffers[2] + offsets[at], offsets[at + 1] - offsets[at]};
  }
  const int32_t *offsets = a->buffers[1];
  return (struct bytes){(const char *)a->buffers[2] + offsets[at], offsets[at + 1] - offsets[at]};
}

static SEXP as_string(struct bytes bytes, const char *column) {
  if (bytes.n > INT_MAX) refuse_column(column, "a text of 2^31 bytes or more, which R cannot hold");
  if (!bytes.n) return R_BlankString;
  if (!bytes.data) refuse_column(column, "damaged: no data");
  if (memchr(bytes.data, 0, bytes.n)) refuse_column(column, "a text with a zero byte, which R's strings cannot have");
  return Rf_mkCharLenCE(bytes.data, (int)bytes.n, CE_UTF8);
}

static SEXP as_bytes(struct bytes bytes) {
  SEXP raw = Rf_allocVector(RAWSXP, bytes.n);
  if (bytes.n) memcpy(RAW(raw), bytes.data, bytes.n);
  return raw;
}

/* A character vector, or a list of raw vectors (NULL for null). */
SEXP import_text(const struct ArrowSchema *s, struct pieces p, int as_raw) {
  SEXP x = PROTECT(Rf_allocVector(as_raw ? VECSXP : STRSXP, p.total));
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      if (to % 1000000 == 999999) R_CheckUserInterrupt();
      if (is_null(p.at[k], i)) {
        if (!as_raw) SET_STRING_ELT(x, to, NA_STRING);
        continue;
      }
      struct bytes bytes = bytes_at(s->format, p.at[k].array, p.at[k].from + i, p.column);
      if (as_raw) {
        SET_VECTOR_ELT(x, to, as_bytes(bytes));
      } else {
        SET_STRING_ELT(x, to, as_string(bytes, p.column));
      }
    }
  }
  UNPROTECT(1);
  return x;
}
