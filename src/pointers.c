/* Distinct pointers numbered in order of appearance: R keeps each string once, so equal strings are one pointer. */
#include "road.h"

struct pointer_set {
  const void **keys; /* by code */
  int *slots;        /* code + 1, 0 for free */
  int size, room, mask;
};

static void set_free(SEXP holder) {
  struct pointer_set *set = R_ExternalPtrAddr(holder);
  if (!set) return;
  free(set->keys);
  free(set->slots);
  free(set);
  R_ClearExternalPtr(holder);
}

static int set_grow(struct pointer_set *set, int room) {
  if (room > 1 << 28) return 0;
  const void **keys = realloc(set->keys, (size_t)room * sizeof(void *));
  if (keys) set->keys = keys;
  int *slots = calloc(4 * (size_t)room, sizeof(int));
  if (!keys || !slots) {
    free(slots);
    return 0;
  }
  free(set->slots);
  set->slots = slots;
  set->room = room;
  set->mask = 4 * room - 1;
  return 1;
}

static unsigned slot_of(const struct pointer_set *set, const void *pointer) {
  uint64_t hash = (uint64_t)(uintptr_t)pointer * 0x9E3779B97F4A7C15ull;
  return (unsigned)(hash >> 32) & (unsigned)set->mask;
}

/* The holder is an external pointer that frees the set, whatever happens. */
struct pointer_set *pointer_set_new(SEXP holder) {
  R_RegisterCFinalizer(holder, set_free);
  struct pointer_set *set = calloc(1, sizeof *set);
  if (!set) Rf_error("out of memory");
  R_SetExternalPtrAddr(holder, set);
  if (!set_grow(set, 256)) Rf_error("out of memory");
  return set;
}

int pointer_set_code(struct pointer_set *set, const void *pointer) {
  unsigned at = slot_of(set, pointer);
  for (; set->slots[at]; at = (at + 1) & (unsigned)set->mask) {
    if (set->keys[set->slots[at] - 1] == pointer) return set->slots[at] - 1;
  }
  if (set->size == set->room) {
    if (!set_grow(set, 2 * set->room)) Rf_error("out of memory");
    for (int code = 0; code < set->size; code++) {
      unsigned free_slot = slot_of(set, set->keys[code]);
      while (set->slots[free_slot]) free_slot = (free_slot + 1) & (unsigned)set->mask;
      set->slots[free_slot] = code + 1;
    }
    return pointer_set_code(set, pointer);
  }
  set->keys[set->size] = pointer;
  set->slots[at] = ++set->size;
  return set->size - 1;
}

int pointer_set_size(const struct pointer_set *set) { return set->size; }
const void *pointer_set_at(const struct pointer_set *set, int code) { return set->keys[code]; }
