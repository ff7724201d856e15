/* What R notes on a column beyond what Arrow can say. A note begins with a random word of this process: one that came
 * from a file, from another process or out of somebody's head is not believed. A note holds no R object, only a number
 * under which this process keeps one, so nothing is ever unserialised. */
#ifdef _WIN32
#define _CRT_RAND_S
#endif
#include <stdio.h>
#include <time.h>

#include "road.h"

static char token[33] = "";

static void random_bytes(unsigned char *bytes, size_t n) {
#ifdef _WIN32
  for (size_t i = 0; i < n; i++) {
    unsigned int value;
    rand_s(&value);
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

/* The word that Python knows too, given at the start. */
SEXP road_token(SEXP word) {
  const char *text = CHAR(STRING_ELT(word, 0));
  if (strlen(text) != sizeof token - 1) Rf_error("a token has %d characters", (int)sizeof token - 1);
  memcpy(token, text, sizeof token);
  return R_NilValue;
}

static int32_t number_at(const char *at) {
  int32_t value;
  memcpy(&value, at, 4);
  return value;
}

/* The value of a key, or NULL; lengths are not to be trusted, the format has no end mark. */
const char *metadata_value(const struct ArrowSchema *s, const char *wanted, int32_t *bytes) {
  const char *metadata = s->metadata;
  if (!metadata) return NULL;
  int32_t pairs = number_at(metadata);
  const char *at = metadata + 4;
  for (int32_t i = 0; i < pairs; i++) {
    int32_t key_bytes = number_at(at);
    if (key_bytes < 0) return NULL;
    const char *value = at + 4 + key_bytes;
    *bytes = number_at(value);
    if (*bytes < 0) return NULL;
    if (key_bytes == (int32_t)strlen(wanted) && !memcmp(at + 4, wanted, key_bytes)) return value + 4;
    at = value + 4 + *bytes;
  }
  return NULL;
}

struct note note_read(const struct ArrowSchema *s) {
  struct note note = {"", 0};
  int32_t bytes = 0;
  const char *value = metadata_value(s, "espalier.r", &bytes);
  if (!value || bytes < 35 || bytes > 159 || memcmp(value, note_token(), 32) || value[32] != ' ') return note;
  char text[160];
  memcpy(text, value + 33, bytes - 33);
  text[bytes - 33] = '\0';
  char *rest = NULL;
  note.record = strtoll(text, &rest, 10);
  if (*rest == ' ') snprintf(note.kind, sizeof note.kind, "%s", rest + 1);
  return note;
}

int note_is(const struct note *note, const char *kind) { return !strcmp(note->kind, kind); }
