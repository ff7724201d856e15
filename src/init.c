#include <R_ext/Rdynload.h>

#include "road.h"

SEXP road_export(SEXP x, SEXP native_is_utf8);
SEXP road_addresses(SEXP pointer);
SEXP road_receive(SEXP addresses);
SEXP road_import(SEXP pointer);
SEXP road_release(SEXP pointer);
SEXP road_count(void);
SEXP road_token(SEXP word);

static const R_CallMethodDef routines[] = {
    {"road_export", (DL_FUNC)road_export, 2},
    {"road_addresses", (DL_FUNC)road_addresses, 1},
    {"road_receive", (DL_FUNC)road_receive, 1},
    {"road_import", (DL_FUNC)road_import, 1},
    {"road_release", (DL_FUNC)road_release, 1},
    {"road_count", (DL_FUNC)road_count, 0},
    {"road_token", (DL_FUNC)road_token, 1},
    {NULL, NULL, 0},
};

void R_init_espalier(DllInfo *dll) {
  R_registerRoutines(dll, NULL, routines, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
}
