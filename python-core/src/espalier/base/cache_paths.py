"""The names in espalier's folder of caches, of one user on one host. Pure, as `paths` is."""

import os

_RECORD = ".json"


def source_name(hex_digest: str) -> str:
    """The name in the folder of sources of a source package of R, by the digest of the file."""
    return hex_digest + ".tar.gz"


def index_file(cache: str, key: str) -> str:
    """A workspace's index in espalier's folder of caches."""
    return os.path.join(cache, "index", key + ".sqlite")


def fetched_inputs(cache: str) -> str:
    """Where espalier's folder of caches has inputs that were fetched; each is named by its SHA-256."""
    return os.path.join(cache, "inputs")


def is_fetched(name: str) -> bool:
    """Whether a file there is an input that was fetched."""
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


class CachePaths:
    """The names in espalier's folder of caches that have to do with environments; of one user on one host, for all
    workspaces.
    """

    def __init__(self, cache: str) -> None:
        self.private = os.path.join(cache, "environments")
        self.builds = os.path.join(cache, "builds")
        # Sources as fetched, by their digest; R packages as installed, by their key; what indexes said.
        self.sources = os.path.join(cache, "packages", "sources")
        self.r_packages = os.path.join(cache, "packages", "r")
        self.r_digests = os.path.join(cache, "packages", "r-digests")
        self.indexes = os.path.join(cache, "packages", "indexes")
        self.python = os.path.join(cache, "packages", "python")
        self.conda = os.path.join(cache, "packages", "conda")

    def private_environment(self, hex_key: str) -> str:
        return os.path.join(self.private, hex_key)

    def source(self, hex_digest: str) -> str:
        """A source package of R."""
        return os.path.join(self.sources, source_name(hex_digest))

    def source_by_md5(self, md5: str) -> str:
        """What tells a source's SHA-256 by its MD5."""
        return os.path.join(self.sources, "md5-" + md5)

    def source_lock(self, hex_url: str) -> str:
        """Held by the process that fetches a source; by the digest of its address, several of which share one."""
        return os.path.join(self.sources, "lock-" + hex_url[:2])

    def r_digest(self, hex_key: str) -> str:
        """What an R package that is kept as installed consists of."""
        return os.path.join(self.r_digests, hex_key + _RECORD)

    def index(self, hex_url: str) -> str:
        """The index of a repository as it was read last, by the digest of its address."""
        return os.path.join(self.indexes, hex_url + ".gz")

    def index_record(self, hex_url: str) -> str:
        """Which version of the index that is."""
        return os.path.join(self.indexes, hex_url + _RECORD)

    def authorities(self, hex_digest: str) -> str:
        """Certificate authorities, those of the machine and further ones, by the digest of the file."""
        return os.path.join(self.builds, f"authorities-{hex_digest[:16]}.pem")

    def build_lock(self, hex_key: str) -> str:
        """Held by the one process that builds for a key."""
        return os.path.join(self.builds, hex_key + ".lock")

    def build_log(self, hex_key: str) -> str:
        """What that process says meanwhile, for those who wait for it."""
        return os.path.join(self.builds, hex_key + ".log")

    def build_failure(self, hex_key: str) -> str:
        """Why the last build for a key failed, for those who waited for it."""
        return os.path.join(self.builds, hex_key + _RECORD)

    def image_used(self, hex_key: str) -> str:
        """An empty file: when any of this user's workspaces wanted an image last."""
        return os.path.join(self.builds, hex_key + ".used")

    def stage_record(self, hex_key: str) -> str:
        """What is known of a stage of an image that was built here."""
        return os.path.join(self.builds, f"stage-{hex_key}{_RECORD}")

    def image_python(self, hex_key: str) -> str:
        """uv's cache for images of a system stage, whose programs write into it, and into that of no other."""
        return os.path.join(self.python, "images", hex_key)


class PrivatePaths:
    """The names inside one private environment."""

    def __init__(self, root: str) -> None:
        self.root = root
        # Written last: without it the rest is nothing.
        self.record = os.path.join(root, "environment.json")
        self.library = os.path.join(root, "library")
        self.python = os.path.join(root, "python")
        self.python_bin = os.path.join(self.python, "bin")
        self.plan = os.path.join(root, "plan.dcf")
        self.requirements = os.path.join(root, "requirements.txt")
        # Read by R in place of the user's own, after the system's: that may name further libraries.
        self.renviron = os.path.join(root, "Renviron")
        # Never there: a place to point R at instead of the system's library.
        self.nowhere = os.path.join(root, "none")
