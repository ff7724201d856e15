/* Text: UTF-8 in Arrow whatever it was in R; as a dictionary where few strings make many rows. */
#include <stdio.h>

#include "road.h"

#define AHEAD 16 /* strings lie all over memory, so they are fetched before they are needed */
#define SAMPLE 1000
#define FEW_IN_SAMPLE 100
#define MOST_IN_DICTIONARY 65536

/* ---- one string ---- */

static void refuse_text(const struct out *out, R_xlen_t at) {
  char place[40] = "";
  if (at >= 0) snprintf(place, sizeof place, " (element %lld)", (long long)(at + 1));
  Rf_error("column \"%s\" has text that is neither UTF-8 nor marked with its encoding%s; convert it first, for "
           "instance with iconv(x, \"latin1\", \"UTF-8\")", out->column, place);
}

/* In UTF-8; a translation lies in R's transient memory (vmaxset). */
const char *text_of(SEXP string, const struct out *out, R_xlen_t at) {
  const char *text = CHAR(string);
  if (is_ascii(text, (size_t)LENGTH(string))) return text;
  cetype_t encoding = Rf_getCharCE(string);
  if (encoding == CE_LATIN1 || (encoding == CE_NATIVE && !out->native_is_utf8)) return Rf_translateCharUTF8(string);
  if (encoding == CE_BYTES || !is_utf8(text, (size_t)LENGTH(string))) refuse_text(out, at);
  return text;
}

/* ---- many ---- */

struct text_buffer {
  char *data;
  size_t used, room;
};

/* The buffer is the array's from the start, so that nothing is lost when R gives up half-way. */
static void append(struct ArrowArray *a, struct text_buffer *buffer, const char *text, size_t bytes) {
  if (buffer->used + bytes > buffer->room) {
    size_t room = 2 * buffer->room + bytes;
    struct array_private *own = a->private_data;
    char *more = realloc(own->owned[2], room);
    if (!more) Rf_error("out of memory");
    own->owned[2] = buffer->data = more;
    own->buffers[2] = more;
    buffer->room = room;
  }
  memcpy(buffer->data + buffer->used, text, bytes);
  buffer->used += bytes;
}

static void missing_bit(struct ArrowArray *a, R_xlen_t i) {
  struct array_private *own = a->private_data;
  if (!own->owned[0]) memset(array_buffer(a, 0, bitmap_bytes(a->length)), 0xFF, bitmap_bytes(a->length));
  uint8_t *byte = (uint8_t *)own->owned[0] + (i >> 3);
  *byte = (uint8_t)(*byte & ~(1u << (i & 7)));
  a->null_count++;
}

/* In 32 bits, which everybody reads, if they suffice. */
static void choose_offsets(struct ArrowArray *a, struct ArrowSchema *s, R_xlen_t n) {
  struct array_private *own = a->private_data;
  if (int64_at(own->owned[1], n) > INT32_MAX) {
    schema_format(s, "U");
    return;
  }
  char *narrow = own->owned[1]; /* in place: each is written behind where the next is read */
  for (R_xlen_t i = 0; i <= n; i++) {
    int32_t offset = (int32_t)int64_at(narrow, i);
    memcpy(narrow + 4 * i, &offset, 4);
  }
}

void export_utf8(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  schema_begin(s, "u", name, 0);
  array_begin(a, span.n, 3, 0);
  int64_t *offsets = array_buffer(a, 1, 8 * ((size_t)span.n + 1));
  size_t room = 16 * (size_t)span.n + 64;
  struct text_buffer buffer = {array_buffer(a, 2, room), 0, room};
  offsets[0] = 0;
  const SEXP *strings = ALTREP(span.x) ? NULL : STRING_PTR_RO(span.x) + span.from;
  for (R_xlen_t i = 0; i < span.n; i++) {
    if (strings && i + AHEAD < span.n) __builtin_prefetch(strings[i + AHEAD]);
    SEXP string = PROTECT(STRING_ELT(span.x, span.from + i)); /* (an ALTREP vector may make it on the spot) */
    if (string == NA_STRING) {
      missing_bit(a, i);
    } else {
      const void *top = vmaxget();
      const char *text = text_of(string, out, span.from + i);
      append(a, &buffer, text, text == CHAR(string) ? (size_t)LENGTH(string) : strlen(text));
      vmaxset(top);
    }
    UNPROTECT(1);
    offsets[i + 1] = (int64_t)buffer.used;
    if (i % 1000000 == 999999) R_CheckUserInterrupt();
  }
  choose_offsets(a, s, span.n);
}

/* ---- dictionaries: strings are compared by their pointers, so all of them must stay ---- */

static int looks_repetitive(struct span span, struct pointer_set *set) {
  R_xlen_t step = span.n / SAMPLE;
  for (R_xlen_t i = 0; i < SAMPLE; i++) pointer_set_code(set, STRING_ELT(span.x, span.from + i * step));
  return pointer_set_size(set) <= FEW_IN_SAMPLE;
}

/* 0 if there are more distinct strings than the sample promised. */
static int encode(struct span span, struct pointer_set *set, int32_t *codes, struct ArrowArray *a) {
  for (R_xlen_t i = 0; i < span.n; i++) {
    SEXP string = STRING_ELT(span.x, span.from + i);
    codes[i] = 0;
    if (string == NA_STRING) {
      missing_bit(a, i);
      continue;
    }
    codes[i] = pointer_set_code(set, string);
    if (pointer_set_size(set) > MOST_IN_DICTIONARY) return 0;
    if (i % 1000000 == 999999) R_CheckUserInterrupt();
  }
  return 1;
}

static SEXP strings_of(const struct pointer_set *set) {
  int n = pointer_set_size(set);
  SEXP strings = PROTECT(Rf_allocVector(STRSXP, n));
  for (int i = 0; i < n; i++) SET_STRING_ELT(strings, i, (SEXP)pointer_set_at(set, i));
  UNPROTECT(1);
  return strings;
}

/* 0 if it is no column for a dictionary; then nothing is left in `a`. */
static int export_dictionary(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a,
                             struct out *out) {
  SEXP holder = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  struct pointer_set *set = pointer_set_new(holder);
  int few = looks_repetitive(span, set);
  if (few) {
    array_begin(a, span.n, 2, 0);
    few = encode(span, set, array_buffer(a, 1, 4 * (size_t)span.n), a);
    if (!few) a->release(a);
  }
  if (few) {
    schema_begin(s, "i", name, 0);
    SEXP strings = PROTECT(strings_of(set));
    struct span all = {strings, 0, XLENGTH(strings)};
    export_utf8(all, "", schema_dictionary(s), array_dictionary(a), out);
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return few;
}

/* An ALTREP vector may make its strings anew each time it is asked. */
static SEXP settled(SEXP x) {
  if (!ALTREP(x)) return x;
  SEXP strings = PROTECT(Rf_allocVector(STRSXP, XLENGTH(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) SET_STRING_ELT(strings, i, STRING_ELT(x, i));
  UNPROTECT(1);
  return strings;
}

void export_strings(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  span.x = PROTECT(settled(span.x));
  if (span.n < SAMPLE || !export_dictionary(span, name, s, a, out)) export_utf8(span, name, s, a, out);
  UNPROTECT(1);
}

/* ---- factors ---- */

static void copy_codes(SEXP x, int levels, int32_t *codes, struct out *out) {
  const int *data = INTEGER_RO(x);
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    if (data[i] != NA_INTEGER && (data[i] < 1 || data[i] > levels)) {
      Rf_error("column \"%s\" is a factor whose element %lld has the code %d, and it has %d levels", out->column,
               (long long)(i + 1), data[i], levels);
    }
    codes[i] = data[i] == NA_INTEGER ? 0 : data[i] - 1;
  }
}

void export_factor(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  SEXP levels = PROTECT(Rf_getAttrib(x, R_LevelsSymbol));
  struct span all = {levels, 0, XLENGTH(levels)};
  int ordered = Rf_inherits(x, "ordered");
  schema_begin(s, "i", name, 0);
  if (ordered) s->flags |= ARROW_FLAG_DICTIONARY_ORDERED;
  array_begin(a, XLENGTH(x), 2, 0);
  copy_codes(x, LENGTH(levels), array_buffer(a, 1, 4 * (size_t)XLENGTH(x)), out);
  validity_of(a, INTSXP, INTEGER_RO(x), XLENGTH(x));
  export_utf8(all, "", schema_dictionary(s), array_dictionary(a), out);
  int usual = ordered ? class_is(x, "ordered", "factor") : class_is(x, "factor", NULL);
  note_column(x, "factor", usual && !n_attributes(levels) ? 2 : 0, s, a);
  UNPROTECT(1);
}
