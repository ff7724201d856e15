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
  const void *sizes = a->buffers[a->n_buffers - 1], *data = a->buffers[2 + buffer];
  if (!data || (int64_t)offset + n > int64_at(sizes, buffer)) refuse_column(column, "damaged: a view beyond its data");
  return (struct bytes){(const char *)data + offset, n};
}

/* `width` of all for 'w', else unused. */
static struct bytes bytes_at(char format, int64_t width, const struct ArrowArray *a, int64_t at, const char *column) {
  if (format == 'v') return viewed(a, at, column);
  const void *offsets = a->buffers[1];
  const char *text = format == 'w' ? offsets : a->buffers[2];
  int64_t from, to;
  if (format == 'w') {
    from = width * at;
    to = from + width;
  } else if (format == 'U' || format == 'Z') {
    from = int64_at(offsets, at);
    to = int64_at(offsets, at + 1);
  } else {
    from = int32_at(offsets, at);
    to = int32_at(offsets, at + 1);
  }
  return (struct bytes){from == to ? "" : text + from, to - from};
}

static SEXP as_string(struct bytes bytes, const char *column) {
  if (bytes.n > INT_MAX) refuse_column(column, "a text of 2^31 bytes or more, which R cannot hold");
  if (!bytes.n) return R_BlankString;
  size_t n = (size_t)bytes.n;
  if (memchr(bytes.data, 0, n)) refuse_column(column, "a text with a zero byte, which R's strings cannot have");
  if (!is_utf8(bytes.data, n)) refuse_column(column, "text that is no UTF-8; make it binary, or decode it");
  return Rf_mkCharLenCE(bytes.data, (int)bytes.n, CE_UTF8);
}

static SEXP as_bytes(struct bytes bytes) {
  SEXP raw = Rf_allocVector(RAWSXP, bytes.n);
  if (bytes.n) memcpy(RAW(raw), bytes.data, (size_t)bytes.n);
  return raw;
}

/* A character vector, or a list of raw vectors (NULL for null). */
SEXP import_text(const struct ArrowSchema *s, struct pieces p, int as_raw) {
  SEXP x = PROTECT(Rf_allocVector(as_raw ? VECSXP : STRSXP, p.total));
  int64_t width = *s->format == 'w' ? width_of(s->format) : 0;
  R_xlen_t to = 0;
  for (int64_t k = 0; k < p.n; k++) {
    for (int64_t i = 0; i < p.at[k].count; i++, to++) {
      if (to % 1000000 == 999999) R_CheckUserInterrupt();
      if (is_null(p.at[k], i)) {
        if (!as_raw) SET_STRING_ELT(x, to, NA_STRING);
        continue;
      }
      struct bytes bytes = bytes_at(*s->format, width, p.at[k].array, p.at[k].from + i, p.column);
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
