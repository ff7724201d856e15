/* Missing values: found fast where there are none, written as bits where there are. */
#include "road.h"

#define BLOCK 4096

FAST_LOOP static int block_has_na(const int *x, R_xlen_t n) {
  int found = 0;
  for (R_xlen_t i = 0; i < n; i++) found |= x[i] == NA_INTEGER;
  return found;
}

/* (two values to a comparison, eight to a step: as fast as memory can be read) */
FAST_LOOP static int block_has_nan(const double *x, R_xlen_t n) {
  int found = 0;
  R_xlen_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; k += 2) found |= __builtin_isunordered(x[i + k], x[i + k + 1]);
  }
  for (; i < n; i++) found |= x[i] != x[i];
  return found;
}

int any_na_integer(const int *x, R_xlen_t n) {
  for (R_xlen_t i = 0; i < n; i += BLOCK) {
    if (block_has_na(x + i, n - i < BLOCK ? n - i : BLOCK)) return 1;
  }
  return 0;
}

int any_nan(const double *x, R_xlen_t n) {
  for (R_xlen_t i = 0; i < n; i += BLOCK) {
    if (block_has_nan(x + i, n - i < BLOCK ? n - i : BLOCK)) return 1;
  }
  return 0;
}

/* R's NA is the NaN whose lower word is 1954. */
int is_na_real(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  return x != x && (uint32_t)bits == 1954;
}

size_t bitmap_bytes(R_xlen_t n) { return (size_t)(n + 7) / 8; }

/* Eight elements to a byte; `PRESENT` looks at x[i]. Returns how many are missing. */
#define BITMAP(NAME, TYPE, PRESENT)                                    \
  FAST_LOOP int64_t NAME(const TYPE *x, R_xlen_t n, uint8_t *bits) {   \
    int64_t present = 0;                                               \
    R_xlen_t i = 0;                                                    \
    for (; i + 8 <= n; i += 8) {                                       \
      unsigned byte = 0;                                               \
      for (int k = 0; k < 8; k++) byte |= (unsigned)(PRESENT(x[i + k])) << k; \
      bits[i >> 3] = (uint8_t)byte;                                    \
      present += __builtin_popcount(byte);                             \
    }                                                                  \
    if (i < n) bits[i >> 3] = 0;                                       \
    for (; i < n; i++) {                                               \
      unsigned here = PRESENT(x[i]);                                   \
      bits[i >> 3] = (uint8_t)(bits[i >> 3] | here << (i & 7));                      \
      present += here;                                                 \
    }                                                                  \
    return n - present;                                                \
  }

#define INTEGER_PRESENT(v) ((v) != NA_INTEGER)
#define INTEGER64_PRESENT(v) (int64_at(&(v), 0) != INT64_MIN)
#define REAL_PRESENT(v) (!((v) != (v) && is_na_real(v)))
#define IS_TRUE(v) ((v) != 0 && (v) != NA_INTEGER)

BITMAP(bitmap_integer, int, INTEGER_PRESENT)
BITMAP(bitmap_integer64, double, INTEGER64_PRESENT)
BITMAP(bitmap_real, double, REAL_PRESENT)
BITMAP(pack_true, int, IS_TRUE)

void pack_logical(const int *x, R_xlen_t n, uint8_t *bits) { pack_true(x, n, bits); }
