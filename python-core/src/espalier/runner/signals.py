"""The signals that wake whoever watches a job."""

import signal

# Asked from outside of espalier to stop: by an administrator, or the machine shutting down.
STOPPERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# (SIGUSR1 says that there is a request to look at)
WAKERS = (signal.SIGCHLD, signal.SIGUSR1, *STOPPERS)


def block_signals() -> None:
    """Call before the job starts, so that its end cannot be missed; `watch` takes them one by one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKERS)
