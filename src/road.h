/* The road of data between R and Python: R vectors as Arrow structs and back.
 *
 * Everything that R's longjmp could skip hangs from an external pointer (parcel.c) from its first moment, so an R
 * error or an interrupt leaks nothing: the finaliser releases what was built so far. */
#ifndef ESPALIER_ROAD_H
#define ESPALIER_ROAD_H

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>
#include <Rversion.h>
#include <stdlib.h>
#include <string.h>

#include "arrow_abi.h"

/* R's default -O2 leaves the loops below unvectorised: 1.9 to 3.8 times slower on doubles and integers. */
#if defined(__GNUC__) && !defined(__clang__)
#define FAST_LOOP __attribute__((optimize("O3")))
#else
#define FAST_LOOP
#endif

/* ---- precious.c: R objects that Arrow structs keep alive, and what R alone remembers of them ---- */

struct array_private {
  struct array_private *next; /* in the list of what was released and waits for R's thread */
  SEXP cell;                  /* keeps the R object alive; NULL where there is none */
  int64_t record;             /* what R remembers of this array, or 0 */
  void *owned[3];             /* buffers of our own */
  const void *buffers[3];
  struct ArrowArray *block;   /* the children's structs */
  struct ArrowArray **children;
  struct ArrowArray dictionary;
};

void precious_start(void);
SEXP precious_keep(SEXP x);
void precious_give_back(struct array_private *held);
void precious_drain(void);
int64_t precious_count(void);

/* A record holds an R object that describes exactly this data; it ends with the array. */
enum remembered { ATTRIBUTES, CELLS, INSTANTS };
int64_t record_new(SEXP about, enum remembered what);
void record_seal(int64_t id, uint64_t print);
SEXP record_any(int64_t id, enum remembered what);
SEXP record_of(int64_t id, enum remembered what, uint64_t print);
void record_end(int64_t id);
void array_record(struct ArrowArray *a, int64_t id);
uint64_t fingerprint(const struct ArrowSchema *s, const struct ArrowArray *a);

/* ---- build.c: structs of our own ---- */

void array_begin(struct ArrowArray *a, int64_t length, int n_buffers, int64_t n_children);
void array_keep(struct ArrowArray *a, SEXP x);
void *array_buffer(struct ArrowArray *a, int which, size_t bytes);
void array_view(struct ArrowArray *a, int which, const void *data);
struct ArrowArray *array_dictionary(struct ArrowArray *a);
void schema_begin(struct ArrowSchema *s, const char *format, const char *name, int64_t n_children);
struct ArrowSchema *schema_dictionary(struct ArrowSchema *s);
void schema_format(struct ArrowSchema *s, const char *format);
/* What R needs to know beyond Arrow: a word for the kind ("" for the natural one) and the id of a record or 0. */
void schema_note(struct ArrowSchema *s, const char *kind, int64_t record);

/* ---- note.c: reading those notes; only this process's own are believed ---- */

struct note {
  char kind[64];
  int64_t record;
};
const char *note_token(void);
const char *metadata_value(const struct ArrowSchema *s, const char *wanted, int32_t *bytes);
struct note note_read(const struct ArrowSchema *s);
int note_is(const struct note *note, const char *kind);
/* What a column with a note of this kind remembers. */
enum remembered kind_remembers(const char *kind);

/* ---- scan.c: missing values ---- */

int any_na_integer(const int *x, R_xlen_t n);
int any_nan(const double *x, R_xlen_t n);
int is_na_real(double x);
int64_t bitmap_integer(const int *x, R_xlen_t n, uint8_t *bits);
int64_t bitmap_real(const double *x, R_xlen_t n, uint8_t *bits);
int64_t bitmap_integer64(const double *x, R_xlen_t n, uint8_t *bits);
void pack_logical(const int *x, R_xlen_t n, uint8_t *bits);
size_t bitmap_bytes(R_xlen_t n);
/* Data of others may lie at any address. */
static inline int32_t int32_at(const void *data, int64_t i) {
  int32_t value;
  memcpy(&value, (const char *)data + 4 * i, 4);
  return value;
}
static inline int64_t int64_at(const void *data, int64_t i) {
  int64_t value;
  memcpy(&value, (const char *)data + 8 * i, 8);
  return value;
}
static inline int bit_is_set(const uint8_t *bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

/* ---- text.c ---- */

int is_ascii(const char *text, size_t bytes);
int is_utf8(const char *text, size_t bytes);
/* For messages only: what no encoding explains stays as it is. */
const char *utf8_of(SEXP string);
/* For messages: `room` bytes at most, cut between characters, with ? for what is no text. */
void show_text(char *to, size_t room, const char *text);

/* ---- pointers.c: distinct pointers numbered in order of appearance ---- */

struct pointer_set;
struct pointer_set *pointer_set_new(SEXP holder);
int pointer_set_code(struct pointer_set *set, const void *pointer);
int pointer_set_size(const struct pointer_set *set);
const void *pointer_set_at(const struct pointer_set *set, int code);

/* ---- attributes.c ---- */

int n_attributes(SEXP x);
SEXP attributes_of(SEXP x);
SEXP with_attributes(SEXP x, SEXP attributes);
int class_is(SEXP x, const char *first, const char *second);
R_xlen_t rows_of(SEXP x);
/* And whether its rows have no names but their numbers. */
R_xlen_t frame_rows(SEXP x, int *automatic);

/* ---- export ---- */

struct out {
  int copy;           /* copy what could be shared: data.table changes columns in place */
  int native_is_utf8; /* text of unknown encoding is taken as it is, if valid */
  const char *column; /* the one being exported, for messages */
};
/* Elements `from` to `from + n` of a vector. */
struct span {
  SEXP x;
  R_xlen_t from, n;
};
void export_column(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_frame(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_flat(SEXP x, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_plain(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_strings(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_utf8(struct span span, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_factor(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_date(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_time(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_matrix(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void export_list(SEXP x, const char *name, struct ArrowSchema *s, struct ArrowArray *a, struct out *out);
void share(struct ArrowArray *a, SEXP keep, const void *data, size_t bytes, struct out *out);
void validity_of(struct ArrowArray *a, SEXPTYPE type, const void *data, R_xlen_t n);
/* Note what the kind does not say: the attributes, when there are more than `explained`. */
void note_column(SEXP x, const char *kind, int explained, struct ArrowSchema *s, struct ArrowArray *a);
void note_record(SEXP about, const char *kind, struct ArrowSchema *s, struct ArrowArray *a);
const char *text_of(SEXP string, const struct out *out, R_xlen_t at);
SEXP refused_of(SEXP x);

/* ---- import ---- */

/* Rows of one array: `count` from the physical index `from` on. */
struct piece {
  const struct ArrowArray *array;
  int64_t from, count;
};
/* One column of all batches. */
struct pieces {
  struct piece *at;
  int64_t n;
  R_xlen_t total;
  const char *column;
};
/* (inline: they stand in every loop over elements) */
static inline const uint8_t *present_bits(const struct ArrowArray *a) {
  return a->n_buffers > 0 && a->null_count != 0 ? (const uint8_t *)a->buffers[0] : NULL;
}
static inline int is_null(struct piece piece, int64_t i) {
  const uint8_t *bits = present_bits(piece.array);
  return bits && !bit_is_set(bits, piece.from + i);
}
static inline int64_t whole_at(char format, const void *data, int64_t i) {
  switch (format) {
    case 'c':
      return ((const int8_t *)data)[i];
    case 'C':
      return ((const uint8_t *)data)[i];
    case 's':
      return ((const int16_t *)data)[i];
    case 'S':
      return ((const uint16_t *)data)[i];
    case 'i':
      return ((const int32_t *)data)[i];
    case 'I':
      return ((const uint32_t *)data)[i];
    default:
      return ((const int64_t *)data)[i];
  }
}
SEXP import_column(const struct ArrowSchema *s, struct pieces p);
SEXP import_frame(const struct ArrowSchema *s, struct pieces p);
SEXP import_numbers(const struct ArrowSchema *s, struct pieces p);
SEXP import_whole(const struct ArrowSchema *s, struct pieces p, const struct note *note);
SEXP import_text(const struct ArrowSchema *s, struct pieces p, int as_raw);
SEXP import_list(const struct ArrowSchema *s, struct pieces p);
SEXP import_time(const struct ArrowSchema *s, struct pieces p, const struct note *note);
SEXP import_dictionary(const struct ArrowSchema *s, struct pieces p, const struct note *note);
SEXP import_noted(const struct ArrowSchema *s, struct pieces p, const struct note *note);
struct pieces child_pieces(struct pieces p, int64_t child);
int has_nulls(struct pieces p);
void refuse_null_rows(struct pieces p);
/* Put R's NA where the piece has nulls. */
void put_na_integer(int *to, struct piece piece);
void put_na_real(double *to, struct piece piece);
void set_class(SEXP x, const char *first, const char *second);
double per_second(char unit);
double seconds_of(int64_t value, double per_second);
SEXP import_raw(struct pieces p);
SEXP import_as(const struct ArrowSchema *s, struct pieces p, const struct note *note);
int is_unchanged(struct pieces p);
SEXP new_vector(SEXPTYPE type, R_xlen_t n, size_t size);
void refuse_column(const char *column, const char *why);

/* ---- findings.c: what cannot cross is told all at once ---- */

#define DEEPEST 64

struct findings {
  SEXP list; /* a pairlist of texts, the last one first */
  PROTECT_INDEX at;
  int n;
  int64_t seen; /* columns looked at */
  int over;     /* no further look */
};
void found(struct findings *f, const char *path, const char *what);
/* The path of a column inside another. */
void path_below(char *to, size_t room, const char *path, const char *name);
SEXP all_findings(const struct findings *f);

/* ---- check.c: structs of others are looked at before anything in them is used ---- */

SEXP refused_schema(const struct ArrowSchema *s, const struct ArrowArray *first);
void check_array(const struct ArrowSchema *s, const struct ArrowArray *a, const char *column);
/* The number after the colon of "+w:3" or "w:16"; -1 if there is none. */
int64_t width_of(const char *format);

#endif
