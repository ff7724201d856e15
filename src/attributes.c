/* What R says about a vector beside its elements. */
#include "road.h"

static SEXP call_base(const char *name, SEXP x) {
  SEXP call = PROTECT(Rf_lang2(Rf_install(name), x));
  SEXP value = Rf_eval(call, R_BaseNamespace);
  UNPROTECT(1);
  return value;
}

/* A named list, or NULL. */
SEXP attributes_of(SEXP x) { return call_base("attributes", x); }

int n_attributes(SEXP x) {
#if R_VERSION >= R_Version(4, 5, 0)
  return ANY_ATTRIB(x) ? Rf_length(attributes_of(x)) : 0;
#else
  return Rf_length(ATTRIB(x));
#endif
}

/* `x` is fresh: it is changed in place. */
SEXP with_attributes(SEXP x, SEXP attributes) {
  PROTECT(x);
  SEXP names = PROTECT(Rf_getAttrib(attributes, R_NamesSymbol));
  /* dim first: dimnames need it */
  for (R_xlen_t i = 0; i < XLENGTH(attributes); i++) {
    if (!strcmp(CHAR(STRING_ELT(names, i)), "dim")) Rf_setAttrib(x, R_DimSymbol, VECTOR_ELT(attributes, i));
  }
  for (R_xlen_t i = 0; i < XLENGTH(attributes); i++) {
    SEXP name = Rf_installTrChar(STRING_ELT(names, i));
    if (name != R_DimSymbol) Rf_setAttrib(x, name, VECTOR_ELT(attributes, i));
  }
  UNPROTECT(2);
  return x;
}

int class_is(SEXP x, const char *first, const char *second) {
  SEXP class = Rf_getAttrib(x, R_ClassSymbol);
  if (TYPEOF(class) != STRSXP || XLENGTH(class) != (second ? 2 : 1)) return 0;
  if (strcmp(CHAR(STRING_ELT(class, 0)), first)) return 0;
  return !second || !strcmp(CHAR(STRING_ELT(class, 1)), second);
}

R_xlen_t frame_rows(SEXP x, int *automatic) {
  R_xlen_t rows = (R_xlen_t)Rf_asReal(call_base(".row_names_info", x));
  /* (of no rows it says 0 for either kind) */
  *automatic = rows < 0 || (!rows && TYPEOF(Rf_getAttrib(x, R_RowNamesSymbol)) != STRSXP);
  return rows < 0 ? -rows : rows;
}

R_xlen_t rows_of(SEXP x) {
  if (TYPEOF(x) == VECSXP && Rf_inherits(x, "data.frame")) {
    int automatic;
    return frame_rows(x, &automatic);
  }
  /* (length() of a POSIXlt is a method's) */
  if (TYPEOF(x) == VECSXP && Rf_inherits(x, "POSIXlt")) return (R_xlen_t)Rf_asReal(call_base("length", x));
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  return dim == R_NilValue ? Rf_xlength(x) : INTEGER_RO(dim)[0];
}
