/* Signals that Python, when it starts inside R, has the whole session ignore: for itself it wants an error in their
 * place. But what is ignored stays so in every program that the session starts: `yes | head -1` would complain of a
 * broken pipe. Caught by a function that does nothing they give the same error, and are the default in programs. */
#include <signal.h>

#include "road.h"

#ifdef _WIN32

SEXP signals_ignored(void) { return Rf_allocVector(LGLSXP, 0); }
SEXP signals_catch(SEXP before) { return before; }

#else

static const int signals[] = {SIGPIPE, SIGXFSZ};
#define COUNT ((int)(sizeof signals / sizeof *signals))

static void do_nothing(int number) { (void)number; }

static int is_ignored(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

/* Which of them are ignored now. */
SEXP signals_ignored(void) {
  SEXP found = Rf_allocVector(LGLSXP, COUNT);
  for (int i = 0; i < COUNT; i++) LOGICAL(found)[i] = is_ignored(signals[i]);
  return found;
}

/* Catch those that are ignored now, and were not before. */
SEXP signals_catch(SEXP before) {
  for (int i = 0; i < COUNT; i++) {
    if (LOGICAL(before)[i] || !is_ignored(signals[i])) continue;
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(signals[i], &action, NULL);
  }
  return before;
}

#endif
