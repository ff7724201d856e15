"""In which registries an image is now: the record says where it was pushed, the registry says whether it still is."""

from typing import Any, Dict, Mapping, Optional

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.provision.docker.registries import Remote, Secrets, configured, digest_at


class Whereabouts:
    """Asks registries about images; one that doesn't answer is asked once.

    Args:
        paths: The workspace.
        secrets: The value of a secret.
    """

    def __init__(self, paths: WorkspacePaths, secrets: Secrets) -> None:
        self._remotes = {remote.address: remote for remote in configured(paths)}
        self._secrets = secrets
        self._silent: Dict[str, str] = {}

    def of(self, key: str, record: Mapping[str, Any]) -> Dict[str, Optional[bool]]:
        """Address of each registry that an image's record names -> whether it has the image.

        Args:
            key: The environment's key.
            record: The image's record in the workspace.

        Returns:
            None stands for a registry that can't be asked now.
        """
        return {
            address: self._has(address, key, str(digest)) for address, digest in record.get("registries", {}).items()
        }

    def _has(self, address: str, key: str, digest: str) -> Optional[bool]:
        if address in self._silent:
            return None
        try:
            remote = self._remotes.get(address) or Remote("workspace", address)
            return digest_at(remote, key, digest, self._secrets) is not None
        except EspalierError as error:
            self._silent[address] = error.message
            return None
