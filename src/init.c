#include <R_ext/Rdynload.h>

#include "road.h"

SEXP road_export(SEXP x, SEXP native_is_utf8);
SEXP road_addresses(SEXP pointer);
SEXP road_receive(SEXP addresses);
SEXP road_import(SEXP pointer);
SEXP road_release(SEXP pointer);
SEXP road_count(void);
SEXP road_token(SEXP word);
SEXP log_open(SEXP path);
SEXP log_close(SEXP log);
SEXP log_append(SEXP log, SEXP line);
SEXP log_part(SEXP log, SEXP seq, SEXP key, SEXP status, SEXP seconds, SEXP digest, SEXP error, SEXP metrics,
              SEXP shape);

SEXP signals_ignored(void);
SEXP signals_catch(SEXP before);

/* The R that all this was compiled for: 1026 is 4.2. */
static SEXP compiled_for(void) { return Rf_ScalarInteger(R_VERSION / 256); }

static const R_CallMethodDef routines[] = {
    {"road_export", (DL_FUNC)road_export, 2},
    {"road_addresses", (DL_FUNC)road_addresses, 1},
    {"road_receive", (DL_FUNC)road_receive, 1},
    {"road_import", (DL_FUNC)road_import, 1},
    {"road_release", (DL_FUNC)road_release, 1},
    {"road_count", (DL_FUNC)road_count, 0},
    {"road_token", (DL_FUNC)road_token, 1},
    {"log_open", (DL_FUNC)log_open, 1},
    {"log_close", (DL_FUNC)log_close, 1},
    {"log_append", (DL_FUNC)log_append, 2},
    {"log_part", (DL_FUNC)log_part, 9},
    {"signals_ignored", (DL_FUNC)signals_ignored, 0},
    {"signals_catch", (DL_FUNC)signals_catch, 1},
    {"compiled_for", (DL_FUNC)compiled_for, 0},
    {NULL, NULL, 0},
};

void R_init_espalier(DllInfo *dll) {
  R_registerRoutines(dll, NULL, routines, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
}
