/* Logs of a run: files that one process appends to, whole lines, each by one write(2). What is formatted here is the
 * line of a plain part; its twin in R (run-log-part.R) writes all others, and would write the same bytes for these. */
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "road.h"

#define LONGEST 4096 /* of a line with its end: line_limit of R/event-log.R */

#ifdef _WIN32
#define O_CLOEXEC O_BINARY
#endif

/* ---- the file: an external pointer to descriptor + 1, tagged with the process that writes it ---- */

static int log_fd(SEXP log) { return (int)(intptr_t)R_ExternalPtrAddr(log) - 1; }

SEXP log_close(SEXP log) {
  if (log_fd(log) >= 0) close(log_fd(log));
  R_ClearExternalPtr(log);
  return R_NilValue;
}

static void finalise(SEXP log) { log_close(log); }

/* A file that was not there before; NULL where it cannot be made. */
SEXP log_open(SEXP path) {
  SEXP pid = PROTECT(Rf_ScalarInteger((int)getpid()));
  SEXP log = PROTECT(R_MakeExternalPtr(NULL, pid, R_NilValue));
  R_RegisterCFinalizer(log, finalise);
  int fd = open(Rf_translateChar(STRING_ELT(path, 0)), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  R_SetExternalPtrAddr(log, (void *)(intptr_t)(fd + 1));
  UNPROTECT(2);
  return fd < 0 ? R_NilValue : log;
}

/* Of a line that the disk had no room for nothing stays; where even that fails, no other line follows. */
static int append(SEXP log, const char *line, size_t bytes) {
  int fd = log_fd(log);
  if (fd < 0 || INTEGER_ELT(R_ExternalPtrTag(log), 0) != (int)getpid()) return 0;
  ssize_t written = write(fd, line, bytes);
  if (written == (ssize_t)bytes) return 1;
  struct stat now;
  if (written > 0 && (fstat(fd, &now) || ftruncate(fd, now.st_size - written))) log_close(log);
  return 0;
}

/* A line, with its end; whether it was written. */
SEXP log_append(SEXP log, SEXP line) {
  const char *text = CHAR(STRING_ELT(line, 0));
  return Rf_ScalarLogical(append(log, text, strlen(text)));
}

/* ---- plain parts ---- */

struct line {
  size_t bytes;
  char text[LONGEST + 1];
};

/* (a line that is too long only grows in number) */
static void add(struct line *line, const char *format, ...) {
  if (line->bytes > LONGEST) return;
  va_list values;
  va_start(values, format);
  line->bytes += (size_t)vsnprintf(line->text + line->bytes, sizeof line->text - line->bytes, format, values);
  va_end(values);
}

/* One string of 1 to 255 characters that JSON takes as they are; else NULL. */
static const char *plain_text(SEXP x) {
  if (TYPEOF(x) != STRSXP || Rf_isObject(x) || XLENGTH(x) != 1 || STRING_ELT(x, 0) == NA_STRING) return NULL;
  const char *text = CHAR(STRING_ELT(x, 0)), *c = text;
  while (*c > 0x1f && *c < 0x7f && *c != '"' && *c != '\\') c++;
  return *c || c == text || c - text > 255 ? NULL : text;
}

/* `,"name":"text"`, nothing for NULL; whether it is plain. */
static int add_text(struct line *line, const char *name, SEXP x) {
  if (x == R_NilValue) return 1;
  const char *text = plain_text(x);
  if (text) add(line, ",\"%s\":\"%s\"", name, text);
  return text != NULL;
}

static int add_seconds(struct line *line, SEXP x) {
  if (x == R_NilValue) return 1;
  if (TYPEOF(x) != REALSXP || Rf_isObject(x) || XLENGTH(x) != 1) return 0;
  double seconds = REAL_ELT(x, 0);
  if (!(seconds >= 0 && seconds < 1e15)) return 0;
  add(line, ",\"seconds\":%.6f", seconds);
  return 1;
}

/* One finite number of a type as typeof() names it; zero only without a sign. */
static int plain_number(SEXP x, const char *type, double *value) {
  if (Rf_isObject(x)) return 0;
  if (TYPEOF(x) == REALSXP && XLENGTH(x) == 1 && !strcmp(type, "double")) {
    *value = REAL_ELT(x, 0);
    return isfinite(*value) && !(*value == 0 && signbit(*value));
  }
  if (TYPEOF(x) != INTSXP || XLENGTH(x) != 1 || strcmp(type, "integer")) return 0;
  *value = INTEGER_ELT(x, 0);
  return INTEGER_ELT(x, 0) != NA_INTEGER;
}

/* Metrics of the shape that R has looked at: a list of their names, types, and the JSON before them and before each. */
static int add_metrics(struct line *line, SEXP x, SEXP shape) {
  if (TYPEOF(x) != VECSXP || Rf_isObject(x)) return x == R_NilValue;
  if (!XLENGTH(x)) return 1;
  if (shape == R_NilValue) return 0;
  SEXP names = Rf_getAttrib(x, R_NamesSymbol), known = VECTOR_ELT(shape, 0), types = VECTOR_ELT(shape, 1);
  if (names == R_NilValue || XLENGTH(x) != XLENGTH(known)) return 0;
  add(line, "%s", CHAR(STRING_ELT(VECTOR_ELT(shape, 2), 0)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    double value;
    if (STRING_ELT(names, i) != STRING_ELT(known, i)) return 0;
    if (!plain_number(VECTOR_ELT(x, i), CHAR(STRING_ELT(types, i)), &value)) return 0;
    add(line, "%s%s%.17g", i ? "," : "", CHAR(STRING_ELT(VECTOR_ELT(shape, 3), i)), value);
  }
  add(line, "}");
  return 1;
}

static int is_status(const char *text) {
  return text && (!strcmp(text, "Completed") || !strcmp(text, "Failed") || !strcmp(text, "Canceled"));
}

/* Append a part whose fields are all plain: its number's successor. NULL if it was not written, for whatever reason. */
SEXP log_part(SEXP log, SEXP seq, SEXP key, SEXP status, SEXP seconds, SEXP digest, SEXP error, SEXP metrics,
              SEXP shape) {
  if (strcmp(localeconv()->decimal_point, ".") || !plain_text(key) || !is_status(plain_text(status))) return R_NilValue;
  struct line line;
  line.bytes = 0;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int number = Rf_asInteger(seq);
  add(&line, "{\"type\":\"part\",\"seq\":%d,\"time\":%lld.%06ld", number, (long long)now.tv_sec, now.tv_nsec / 1000);
  int plain = add_text(&line, "key", key) && add_text(&line, "status", status) && add_seconds(&line, seconds) &&
              add_text(&line, "digest", digest) && add_text(&line, "error", error) &&
              add_metrics(&line, metrics, shape);
  add(&line, "}\n");
  if (!plain || line.bytes > LONGEST || !append(log, line.text, line.bytes)) return R_NilValue;
  return Rf_ScalarInteger(number + 1);
}
