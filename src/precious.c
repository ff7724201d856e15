/* R objects that Arrow structs keep alive.
 *
 * A struct may be released by any thread at any time, R's garbage collector may run at that moment, so a release only
 * pushes its entry on a list. R's thread takes the list at the next use of the road, and after each garbage
 * collection. */
#include "road.h"

static SEXP list_head = NULL; /* doubly linked pairlist: CAR is the previous cell, TAG the object kept */
static int64_t kept = 0;
static struct array_private *released = NULL;

struct record {
  SEXP cell;
  uint64_t print;
  int64_t id; /* of a free slot: the next free one */
  enum remembered what;
};
static struct record *records = NULL;
static int64_t record_room = 0, first_free = -1, next_serial = 1;

/* Collections run this finaliser, which leaves a new object for the next one. */
static void watch_collections(SEXP unused);

static void nothing(SEXP unused) { (void)unused; }

/* While R runs finalisers it forgets those that one of them registers, if objects follow that are due and none that
 * is alive came before. So a live object is put behind each guard; it lasts until the next one. */
static void watch(void) {
  SEXP alive = PROTECT(R_MakeExternalPtr(&list_head, R_NilValue, R_NilValue));
  R_RegisterCFinalizer(alive, nothing);
  SEXP guard = PROTECT(R_MakeExternalPtr(&list_head, R_NilValue, R_NilValue));
  R_RegisterCFinalizer(guard, watch_collections);
  SET_TAG(list_head, alive);
  UNPROTECT(2);
}

static void watch_collections(SEXP unused) {
  (void)unused;
  precious_drain();
  watch();
}

void precious_start(void) {
  if (list_head) return;
  list_head = Rf_cons(R_NilValue, R_NilValue);
  R_PreserveObject(list_head);
  watch();
}

/* The cell is linked only after the allocation: that may collect garbage, and the finalisers take cells out. */
SEXP precious_keep(SEXP x) {
  PROTECT(x);
  SEXP cell = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  SEXP after = CDR(list_head);
  SET_TAG(cell, x);
  SETCAR(cell, list_head);
  SETCDR(cell, after);
  if (after != R_NilValue) SETCAR(after, cell);
  SETCDR(list_head, cell);
  kept++;
  UNPROTECT(2);
  return cell;
}

static void drop(SEXP cell) {
  SEXP before = CAR(cell), after = CDR(cell);
  SETCDR(before, after);
  if (after != R_NilValue) SETCAR(after, before);
  SET_TAG(cell, R_NilValue);
  kept--;
}

int64_t precious_count(void) { return kept; }

/* Called by any thread. */
void precious_give_back(struct array_private *held) {
  held->next = __atomic_load_n(&released, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&released, &held->next, held, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
}

/* Called by R's thread only. */
void precious_drain(void) {
  if (!__atomic_load_n(&released, __ATOMIC_RELAXED)) return;
  struct array_private *held = __atomic_exchange_n(&released, NULL, __ATOMIC_ACQUIRE);
  while (held) {
    struct array_private *next = held->next;
    if (held->cell) drop(held->cell);
    if (held->record) record_end(held->record);
    free(held);
    held = next;
  }
}

/* ---- records: slot number in the lower 24 bits of an id, a serial number above, so that no id is used again ---- */

#define SLOT_BITS 24

/* 0 if there is no room. */
static int more_slots(void) {
  int64_t room = record_room ? 2 * record_room : 64;
  struct record *more = room > (1 << SLOT_BITS) ? NULL : realloc(records, (size_t)room * sizeof(struct record));
  if (!more) return 0;
  records = more;
  for (int64_t i = record_room; i < room; i++) {
    records[i] = (struct record){NULL, 0, i + 1 < room ? i + 1 : -1, ATTRIBUTES};
  }
  first_free = record_room;
  record_room = room;
  return 1;
}

/* No slot is chosen before R has allocated: a finaliser may export, or end, something of its own. */
int64_t record_new(SEXP about, enum remembered what) {
  SEXP cell = precious_keep(about);
  if (first_free < 0 && !more_slots()) {
    drop(cell);
    Rf_error("too many columns with attributes are in use by Python at once");
  }
  int64_t slot = first_free;
  first_free = records[slot].id;
  int64_t id = next_serial++ << SLOT_BITS | slot;
  records[slot] = (struct record){cell, 0, id, what};
  return id;
}

static struct record *find_record(int64_t id) {
  int64_t slot = id & ((1 << SLOT_BITS) - 1);
  if (id <= 0 || slot >= record_room || !records[slot].cell || records[slot].id != id) return NULL;
  return records + slot;
}

void record_seal(int64_t id, uint64_t print) {
  struct record *record = find_record(id);
  if (record) record->print = print;
}

/* What it is must be what the note says it is: a note may have been put together from others. */
SEXP record_any(int64_t id, enum remembered what) {
  struct record *record = find_record(id);
  return record && record->what == what ? TAG(record->cell) : R_NilValue;
}

/* Only while the data is what was handed over. */
SEXP record_of(int64_t id, enum remembered what, uint64_t print) {
  struct record *record = find_record(id);
  return record && record->print == print ? record_any(id, what) : R_NilValue;
}

void record_end(int64_t id) {
  struct record *record = find_record(id);
  if (!record) return;
  drop(record->cell);
  record->cell = NULL;
  record->id = first_free;
  first_free = record - records;
}

/* ---- a fingerprint says whether data is still the very memory that was handed over, of the same type ---- */

static uint64_t mix(uint64_t print, uint64_t value) {
  print = (print ^ value) * 0x9E3779B97F4A7C15ull;
  return print ^ print >> 29;
}

static uint64_t mix_text(uint64_t print, const char *text) {
  for (; *text; text++) print = mix(print, (unsigned char)*text);
  return mix(print, 0);
}

uint64_t fingerprint(const struct ArrowSchema *s, const struct ArrowArray *a) {
  uint64_t print = mix(mix(0x517cc1b727220a95ull, (uint64_t)a->length), (uint64_t)a->n_children);
  print = mix_text(print, s->format);
  /* (an empty array may be given other buffers, and a bitmap without nulls may be left out) */
  if (a->length > 0) {
    print = mix(print, (uint64_t)a->offset);
    for (int64_t i = 1; i < a->n_buffers; i++) print = mix(print, (uint64_t)(uintptr_t)a->buffers[i]);
  }
  for (int64_t i = 0; i < a->n_children; i++) {
    /* (groups and keys name columns) */
    if (!strcmp(s->format, "+s") && s->children[i]->name) print = mix_text(print, s->children[i]->name);
    print = mix(print, fingerprint(s->children[i], a->children[i]));
  }
  if (a->dictionary) print = mix(print, fingerprint(s->dictionary, a->dictionary));
  return print;
}
