/* Text that came from somewhere: is it UTF-8, and how is it shown? */
#include "road.h"

int is_ascii(const char *text, size_t bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word;
    memcpy(&word, text + i, 8);
    if (word & 0x8080808080808080ull) return 0;
  }
  for (; i < bytes; i++) {
    if (text[i] & 0x80) return 0;
  }
  return 1;
}

static int follows(unsigned char c) { return (c & 0xC0) == 0x80; }

/* Bytes of the character at `c`, of which `left` are there; 0 if it is none (RFC 3629: shortest form, no surrogates,
 * at most U+10FFFF). */
static size_t character_bytes(const unsigned char *c, size_t left) {
  if (c[0] < 0x80) return 1;
  if (c[0] >= 0xC2 && c[0] <= 0xDF) return left > 1 && follows(c[1]) ? 2 : 0;
  if ((c[0] & 0xF0) == 0xE0) {
    if (left < 3 || !follows(c[1]) || !follows(c[2])) return 0;
    if ((c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F)) return 0;
    return 3;
  }
  if (c[0] >= 0xF0 && c[0] <= 0xF4) {
    if (left < 4 || !follows(c[1]) || !follows(c[2]) || !follows(c[3])) return 0;
    if ((c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

int is_utf8(const char *text, size_t bytes) {
  if (is_ascii(text, bytes)) return 1;
  const unsigned char *c = (const unsigned char *)text;
  for (size_t i = 0; i < bytes;) {
    size_t here = character_bytes(c + i, bytes - i);
    if (!here) return 0;
    i += here;
  }
  return 1;
}

void show_text(char *to, size_t room, const char *text) {
  size_t left = strnlen(text, room + 4);
  while (left) {
    size_t here = character_bytes((const unsigned char *)text, left), length = here ? here : 1;
    if (length >= room) break;
    if (!here || (here == 1 && ((unsigned char)*text < 0x20 || *text == 0x7F))) {
      *to = '?';
    } else {
      memcpy(to, text, here);
    }
    to += length;
    text += length;
    room -= length;
    left = strnlen(text, room + 4);
  }
  *to = '\0';
}

const char *utf8_of(SEXP string) {
  return Rf_getCharCE(string) == CE_BYTES ? CHAR(string) : Rf_translateCharUTF8(string);
}
