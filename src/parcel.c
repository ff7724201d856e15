/* Parcels: external pointers that own a schema and its arrays until Python, or R, has taken them. */
#include <stdio.h>

#include "road.h"

struct parcel {
  struct ArrowSchema schema;
  int64_t n;
  struct ArrowArray arrays[];
};

static void parcel_release(struct parcel *parcel) {
  if (parcel->schema.release) parcel->schema.release(&parcel->schema);
  for (int64_t i = 0; i < parcel->n; i++) {
    if (parcel->arrays[i].release) parcel->arrays[i].release(parcel->arrays + i);
  }
}

static void parcel_finalise(SEXP pointer) {
  struct parcel *parcel = R_ExternalPtrAddr(pointer);
  if (!parcel) return;
  R_ClearExternalPtr(pointer);
  parcel_release(parcel);
  free(parcel);
  precious_drain();
}

static SEXP parcel_new(int64_t n, struct parcel **parcel) {
  precious_start();
  precious_drain();
  SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  R_RegisterCFinalizer(pointer, parcel_finalise);
  *parcel = calloc(1, sizeof(struct parcel) + (size_t)n * sizeof(struct ArrowArray));
  if (!*parcel) Rf_error("out of memory");
  (*parcel)->n = n;
  R_SetExternalPtrAddr(pointer, *parcel);
  UNPROTECT(1);
  return pointer;
}

static struct parcel *parcel_of(SEXP pointer) {
  struct parcel *parcel = TYPEOF(pointer) == EXTPTRSXP ? R_ExternalPtrAddr(pointer) : NULL;
  if (!parcel) Rf_error("this parcel is of another session, or was given back");
  return parcel;
}

/* ---- to Python ---- */

static void export_vector_root(SEXP x, struct ArrowSchema *s, struct ArrowArray *a, struct out *out) {
  schema_begin(s, "+s", "", 1);
  /* (a matrix as one run of numbers: Python sees it in place) */
  int flat = TYPEOF(x) != VECSXP && Rf_length(Rf_getAttrib(x, R_DimSymbol)) > 1 && !Rf_isFactor(x);
  array_begin(a, flat ? XLENGTH(x) : rows_of(x), 1, 1);
  if (flat) {
    export_flat(x, s->children[0], a->children[0], out);
  } else {
    export_column(x, "", s->children[0], a->children[0], out);
    a->length = a->children[0]->length;
  }
  schema_note(s, "vector", 0);
}

struct order {
  SEXP x, pointer;
  struct parcel *parcel;
  struct out out;
};

static SEXP export_order(void *data) {
  struct order *order = data;
  struct parcel *parcel = order->parcel;
  if (TYPEOF(order->x) == VECSXP && Rf_inherits(order->x, "data.frame")) {
    export_frame(order->x, "", &parcel->schema, parcel->arrays, &order->out);
  } else {
    export_vector_root(order->x, &parcel->schema, parcel->arrays, &order->out);
  }
  return order->pointer;
}

/* What was made before an error or an interrupt is given back at once. */
static void export_end(void *pointer, Rboolean jump) {
  if (jump) parcel_finalise(pointer);
}

/* A data frame, or a vector as the only column of one; what cannot cross is told instead, as text. */
SEXP road_export(SEXP x, SEXP native_is_utf8) {
  SEXP refused = PROTECT(refused_of(x));
  UNPROTECT(1);
  if (XLENGTH(refused)) return refused;
  struct parcel *parcel;
  SEXP pointer = PROTECT(parcel_new(1, &parcel));
  struct order order = {x, pointer, parcel, {0, Rf_asLogical(native_is_utf8), "x"}};
  R_UnwindProtect(export_order, &order, export_end, pointer, NULL);
  UNPROTECT(1);
  return pointer;
}

/* Addresses as text: as numbers they would lose digits on the way. */
SEXP road_addresses(SEXP pointer) {
  struct parcel *parcel = parcel_of(pointer);
  SEXP text = PROTECT(Rf_allocVector(STRSXP, 1 + parcel->n));
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)(uintptr_t)&parcel->schema);
  SET_STRING_ELT(text, 0, Rf_mkChar(number));
  for (int64_t i = 0; i < parcel->n; i++) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)(uintptr_t)(parcel->arrays + i));
    SET_STRING_ELT(text, i + 1, Rf_mkChar(number));
  }
  UNPROTECT(1);
  return text;
}

/* ---- from Python ---- */

static uintptr_t address(SEXP text, R_xlen_t i) {
  return (uintptr_t)strtoull(CHAR(STRING_ELT(text, i)), NULL, 10);
}

/* Take over the structs at the addresses: a schema, then its arrays. What they held is ours from now on. */
SEXP road_receive(SEXP addresses) {
  if (TYPEOF(addresses) != STRSXP || XLENGTH(addresses) < 1) Rf_error("no addresses");
  int64_t n = XLENGTH(addresses) - 1;
  struct parcel *parcel;
  SEXP pointer = PROTECT(parcel_new(n, &parcel));
  struct ArrowSchema *schema = (struct ArrowSchema *)address(addresses, 0);
  if (!schema) Rf_error("no schema");
  parcel->schema = *schema;
  schema->release = NULL;
  for (int64_t i = 0; i < n; i++) {
    struct ArrowArray *array = (struct ArrowArray *)address(addresses, i + 1);
    if (!array) continue;
    parcel->arrays[i] = *array;
    array->release = NULL;
  }
  UNPROTECT(1);
  return pointer;
}

static void refuse_all(const struct parcel *parcel) {
  SEXP bad = PROTECT(refused_schema(&parcel->schema, parcel->n ? parcel->arrays : NULL));
  if (XLENGTH(bad)) {
    SEXP call = PROTECT(Rf_lang3(Rf_install("paste"), bad, R_NilValue));
    SETCADDR(call, Rf_mkString("; "));
    SET_TAG(CDDR(call), Rf_install("collapse"));
    SEXP text = PROTECT(Rf_eval(call, R_BaseNamespace));
    Rf_error("%s", CHAR(STRING_ELT(text, 0)));
  }
  UNPROTECT(1);
}

static struct pieces pieces_of(struct parcel *parcel) {
  struct pieces p = {NULL, parcel->n, 0, ""};
  p.at = (struct piece *)R_alloc(p.n ? (size_t)p.n : 1, sizeof(struct piece));
  for (int64_t i = 0; i < parcel->n; i++) {
    const struct ArrowArray *a = parcel->arrays + i;
    check_array(&parcel->schema, a, "");
    p.at[i] = (struct piece){a, a->offset, a->length};
    if (a->length > R_XLEN_T_MAX - p.total) Rf_error("more rows than R's vectors can have");
    p.total += (R_xlen_t)a->length;
  }
  return p;
}

/* A table is a struct of columns; anything else is a vector, as is the only column of what is noted as one. */
SEXP road_import(SEXP pointer) {
  struct parcel *parcel = parcel_of(pointer);
  const struct ArrowSchema *s = &parcel->schema;
  refuse_all(parcel);
  struct pieces p = pieces_of(parcel);
  struct note note = note_read(s);
  int noted = note_is(&note, "vector") && !strcmp(s->format, "+s") && s->n_children == 1;
  return noted ? import_column(s->children[0], child_pieces(p, 0)) : import_column(s, p);
}

/* Give back what was received: this calls Python, so R must not be interrupted meanwhile. */
SEXP road_release(SEXP pointer) {
  parcel_of(pointer);
  parcel_finalise(pointer);
  return R_NilValue;
}

/* ---- for tests and for the doctor ---- */

/* How many of R's objects Arrow structs keep alive. */
SEXP road_count(void) {
  precious_drain();
  return Rf_ScalarReal((double)precious_count());
}
