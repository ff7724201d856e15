"""The rooms of the core."""

# From the ground up: each imports only from rooms below it, and from itself. A room with an `api.py` offers operations.
ROOMS = (
    "base", "adapters", "store", "snapshot", "environment", "vault", "lifecycle", "tracking", "provision", "executors",
    "queue", "keeper", "runner", "jobs", "workspace", "jobfile", "housekeeping", "api", "cli", "testing",
)  # fmt: skip
