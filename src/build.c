/* Arrow structs of our own: made piece by piece, valid to release after every step. */
#include "road.h"

static void *must(void *memory) {
  if (!memory) Rf_error("out of memory");
  return memory;
}

/* Never calls R: see precious.c. */
static void release_array(struct ArrowArray *a) {
  struct array_private *own = a->private_data;
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->children[i]->release) a->children[i]->release(a->children[i]);
  }
  if (a->dictionary && a->dictionary->release) a->dictionary->release(a->dictionary);
  for (int i = 0; i < 3; i++) free(own->owned[i]);
  free(own->block);
  free(own->children);
  a->release = NULL;
  a->private_data = NULL;
  if (own->cell || own->record) {
    precious_give_back(own);
  } else {
    free(own);
  }
}

void array_begin(struct ArrowArray *a, int64_t length, int n_buffers, int64_t n_children) {
  memset(a, 0, sizeof *a);
  struct array_private *own = must(calloc(1, sizeof *own));
  a->private_data = own;
  a->length = length;
  a->n_buffers = n_buffers;
  a->buffers = own->buffers;
  a->release = release_array;
  if (!n_children) return;
  own->block = must(calloc((size_t)n_children, sizeof(struct ArrowArray)));
  own->children = must(malloc((size_t)n_children * sizeof(struct ArrowArray *)));
  for (int64_t i = 0; i < n_children; i++) own->children[i] = own->block + i;
  a->children = own->children;
  a->n_children = n_children;
}

/* The vector and, if it is an ALTREP one, what it is made of: a wrapper lets go of the memory that it showed when
 * somebody writes to it. */
void array_keep(struct ArrowArray *a, SEXP x) {
  struct array_private *own = a->private_data;
  if (ALTREP(x)) {
    SEXP parts = PROTECT(Rf_list3(x, R_altrep_data1(x), R_altrep_data2(x)));
    own->cell = precious_keep(parts);
    UNPROTECT(1);
  } else {
    own->cell = precious_keep(x);
  }
}

void array_record(struct ArrowArray *a, int64_t id) {
  struct array_private *own = a->private_data;
  if (own->record) record_end(own->record);
  own->record = id;
}

void *array_buffer(struct ArrowArray *a, int which, size_t bytes) {
  struct array_private *own = a->private_data;
  own->owned[which] = must(malloc(bytes ? bytes : 1));
  own->buffers[which] = own->owned[which];
  return own->owned[which];
}

void array_view(struct ArrowArray *a, int which, const void *data) {
  struct array_private *own = a->private_data;
  own->buffers[which] = data;
}

struct ArrowArray *array_dictionary(struct ArrowArray *a) {
  struct array_private *own = a->private_data;
  a->dictionary = &own->dictionary;
  return a->dictionary;
}

/* ---- schemas ---- */

struct schema_private {
  char *format, *name, *metadata;
  struct ArrowSchema *block;
  struct ArrowSchema dictionary;
};

static void release_schema(struct ArrowSchema *s) {
  struct schema_private *own = s->private_data;
  for (int64_t i = 0; i < s->n_children; i++) {
    if (s->children[i]->release) s->children[i]->release(s->children[i]);
  }
  if (s->dictionary && s->dictionary->release) s->dictionary->release(s->dictionary);
  free(own->format);
  free(own->name);
  free(own->metadata);
  free(own->block);
  free(s->children);
  free(own);
  s->release = NULL;
  s->private_data = NULL;
}

static char *copy_text(const char *text) {
  size_t bytes = strlen(text) + 1;
  return memcpy(must(malloc(bytes)), text, bytes);
}

void schema_format(struct ArrowSchema *s, const char *format) {
  struct schema_private *own = s->private_data;
  char *copy = copy_text(format);
  free(own->format);
  s->format = own->format = copy;
}

void schema_begin(struct ArrowSchema *s, const char *format, const char *name, int64_t n_children) {
  memset(s, 0, sizeof *s);
  struct schema_private *own = must(calloc(1, sizeof *own));
  s->private_data = own;
  s->release = release_schema;
  s->flags = ARROW_FLAG_NULLABLE;
  schema_format(s, format);
  s->name = own->name = copy_text(name);
  if (!n_children) return;
  own->block = must(calloc((size_t)n_children, sizeof(struct ArrowSchema)));
  s->children = must(malloc((size_t)n_children * sizeof(struct ArrowSchema *)));
  for (int64_t i = 0; i < n_children; i++) s->children[i] = own->block + i;
  s->n_children = n_children;
}

struct ArrowSchema *schema_dictionary(struct ArrowSchema *s) {
  struct schema_private *own = s->private_data;
  s->dictionary = &own->dictionary;
  return s->dictionary;
}

static char *put(char *at, const char *text) {
  int32_t bytes = (int32_t)strlen(text);
  memcpy(at, &bytes, 4);
  memcpy(at + 4, text, (size_t)bytes);
  return at + 4 + bytes;
}

void schema_note(struct ArrowSchema *s, const char *kind, int64_t record) {
  if (!*kind && !record) return;
  struct schema_private *own = s->private_data;
  char value[160];
  snprintf(value, sizeof value, "%s %lld %s", note_token(), (long long)record, kind);
  char *made = must(malloc(12 + strlen("espalier.r") + strlen(value)));
  int32_t pairs = 1;
  memcpy(made, &pairs, 4);
  put(put(made + 4, "espalier.r"), value);
  free(own->metadata);
  s->metadata = own->metadata = made;
}
