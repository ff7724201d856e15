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
  int64_t id;
};
static struct record *records = NULL;
static int64_t n_records = 0, record_room = 0, first_free = -1, next_serial = 1;

/* Collections run this finaliser, which leaves a new object for the next one. */
static void watch_collections(SEXP unused);

static void watch(void) {
  SEXP guard = PROTECT(R_MakeExternalPtr(&list_head, R_NilValue, R_NilValue));
  R_RegisterCFinalizer(guard, watch_collections);
  UNPROTECT(1);
}

static void watch_collections(SEXP unused) {
  precious_drain();
  watch();
}

void precious_start(void) {
  if (list_head) return;
  list_head = Rf_cons(R_NilValue, R_NilValue);
  R_PreserveObject(list_head);
  watch();
}

SEXP precious_keep(SEXP x) {
  PROTECT(x);
  SEXP cell = PROTECT(Rf_cons(list_head, CDR(list_head)));
  SET_TAG(cell, x);
  if (CDR(cell) != R_NilValue) SETCAR(CDR(cell), cell);
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

/* ---- records: slot number in the lower 24 bits of an id, a serial number above, so that ids are not used again ---- */

#define SLOT_BITS 24

int64_t record_new(SEXP about) {
  PROTECT(about);
  if (first_free < 0) {
    int64_t room = record_room ? 2 * record_room : 64;
    if (room > (1 << SLOT_BITS)) Rf_error("too many columns with attributes are in use by Python at once");
    struct record *more = realloc(records, room * sizeof(struct record));
    if (!more) Rf_error("out of memory");
    records = more;
    for (int64_t i = record_room; i < room; i++) records[i] = (struct record){NULL, 0, i + 1 < room ? i + 1 : -1};
    first_free = record_room;
    record_room = room;
  }
  SEXP cell = precious_keep(about);
  int64_t slot = first_free;
  first_free = records[slot].id;
  int64_t id = next_serial++ << SLOT_BITS | slot;
  records[slot] = (struct record){cell, 0, id};
  n_records++;
  UNPROTECT(1);
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

SEXP record_of(int64_t id, uint64_t print) {
  struct record *record = find_record(id);
  return record && record->print == print ? TAG(record->cell) : R_NilValue;
}

/* Also when the data is no longer what was handed over. */
SEXP record_any(int64_t id) {
  struct record *record = find_record(id);
  return record ? TAG(record->cell) : R_NilValue;
}

void record_end(int64_t id) {
  struct record *record = find_record(id);
  if (!record) return;
  drop(record->cell);
  record->cell = NULL;
  record->id = first_free;
  first_free = record - records;
  n_records--;
}

/* ---- a fingerprint says whether data is still the very memory that was handed over ---- */

static uint64_t mix(uint64_t print, uint64_t value) {
  print = (print ^ value) * 0x9E3779B97F4A7C15ull;
  return print ^ print >> 29;
}

uint64_t fingerprint(const struct ArrowArray *a) {
  uint64_t print = mix(mix(0x517cc1b727220a95ull, a->length), a->n_children);
  /* (an empty array may be given other buffers, and a bitmap without nulls may be left out) */
  if (a->length > 0) {
    print = mix(print, a->offset);
    for (int64_t i = 1; i < a->n_buffers; i++) print = mix(print, (uint64_t)(uintptr_t)a->buffers[i]);
  }
  for (int64_t i = 0; i < a->n_children; i++) print = mix(print, fingerprint(a->children[i]));
  if (a->dictionary) print = mix(print, fingerprint(a->dictionary));
  return print;
}
