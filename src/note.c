/* What R notes on a column beyond what Arrow can say. A note begins with a random word of this process: one that came
 * from a file, from another process or out of somebody's head is not believed. A note holds no R object, only a number
 * under which this process keeps one, so nothing is ever unserialised. */
#ifdef _WIN32
#define _CRT_RAND_S
#endif
#include <stdio.h>
#include <time.h>

#include "road.h"

/* Ours, and the one that Python's half got at its start: whichever was there first, notes of both are believed. */
static char token[33] = "", pythons[33] = "";

static void random_bytes(unsigned char *bytes, size_t n) {
#ifdef _WIN32
  for (size_t i = 0; i < n; i++) {
    unsigned int value;
    if (rand_s(&value)) Rf_error("no random numbers from the system");
    bytes[i] = (unsigned char)value;
  }
#else
  FILE *source = fopen("/dev/urandom", "rb");
  size_t got = source ? fread(bytes, 1, n, source) : 0;
  if (source) fclose(source);
  if (got != n) Rf_error("no random numbers from /dev/urandom");
#endif
}

const char *note_token(void) {
  if (!*token) {
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < 16; i++) snprintf(token + 2 * i, 3, "%02x", bytes[i]);
  }
  return token;
}

/* The word that Python's half puts into its notes. */
SEXP road_token(SEXP word) {
  if (TYPEOF(word) != STRSXP || XLENGTH(word) != 1 || LENGTH(STRING_ELT(word, 0)) != (int)sizeof pythons - 1) {
    Rf_error("a token is a text of %d characters", (int)sizeof pythons - 1);
  }
  memcpy(pythons, CHAR(STRING_ELT(word, 0)), sizeof pythons);
  return R_NilValue;
}

#define LONGEST_KEY (1 << 16)
#define LONGEST_VALUE (1 << 26)

/* The value of a key, or NULL. The format has no end mark, so its lengths have to be trusted, sensible ones. */
const char *metadata_value(const struct ArrowSchema *s, const char *wanted, int32_t *bytes) {
  const char *metadata = s->metadata;
  if (!metadata) return NULL;
  int32_t pairs = int32_at(metadata, 0);
  const char *at = metadata + 4;
  for (int32_t i = 0; i < pairs; i++) {
    int32_t key_bytes = int32_at(at, 0);
    if (key_bytes < 0 || key_bytes > LONGEST_KEY) return NULL;
    const char *value = at + 4 + key_bytes;
    *bytes = int32_at(value, 0);
    if (*bytes < 0 || *bytes > LONGEST_VALUE) return NULL;
    if ((size_t)key_bytes == strlen(wanted) && !memcmp(at + 4, wanted, (size_t)key_bytes)) return value + 4;
    at = value + 4 + *bytes;
  }
  return NULL;
}

static int is_ours(const char *value) {
  return !memcmp(value, note_token(), 32) || (*pythons && !memcmp(value, pythons, 32));
}

struct note note_read(const struct ArrowSchema *s) {
  struct note note = {"", 0};
  int32_t bytes = 0;
  const char *value = metadata_value(s, "espalier.r", &bytes);
  if (!value || bytes < 35 || bytes > 159 || !is_ours(value) || value[32] != ' ') return note;
  char text[160];
  memcpy(text, value + 33, (size_t)bytes - 33);
  text[bytes - 33] = '\0';
  char *rest = NULL;
  note.record = strtoll(text, &rest, 10);
  if (*rest == ' ') snprintf(note.kind, sizeof note.kind, "%s", rest + 1);
  return note;
}

enum remembered kind_remembers(const char *kind) {
  if (!strcmp(kind, "cells")) return CELLS;
  return strcmp(kind, "POSIXlt") ? ATTRIBUTES : INSTANTS;
}

int note_is(const struct note *note, const char *kind) { return !strcmp(note->kind, kind); }
