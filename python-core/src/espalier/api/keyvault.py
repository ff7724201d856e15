"""The keyvault of a workspace: secrets by name."""

from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence

from espalier.base.arguments import classed
from espalier.base.operation import operation
from espalier.base.types import Frame
from espalier.workspace.handle import WorkspaceHandle

if TYPE_CHECKING:
    from espalier.vault.store import Vault


@classed
class Keyvault(WorkspaceHandle):
    """The secrets of a workspace, kept encrypted in a file of the workspace, with the key elsewhere. Jobs get those
    that are attached to them.
    """

    NOUN = "secrets"

    @property
    def workspace_path(self) -> str:
        """Folder of the workspace it belongs to."""
        return self._paths.root

    @operation("PUT /secrets", long=True, command="set")
    def set_secrets(self, secrets: Mapping[str, str]) -> None:
        """Set secrets, or other values of some; all of them or none.

        Args:
            secrets: Name to text of at least 4 characters, which shorter ones could not be hidden by in logs, and of
                at most 64 KB.

        Raises:
            EspalierError: `bad_name`, `bad_argument`, `keyvault_locked`, `damaged`, `workspace_read_only`.
        """
        self._vault().set(secrets)

    def set_secret(self, name: str, value: str) -> None:
        """Keep one secret.

        Args:
            name: Its name.
            value: The text.
        """
        self.set_secrets({name: value})

    @operation("POST /secrets/values", long=True, command="get")
    def get_secrets(self, names: Sequence[str]) -> Mapping[str, Optional[str]]:
        """Get secrets by name; None for those there are not.

        Args:
            names: The names.

        Raises:
            EspalierError: `bad_name`, `keyvault_locked`, `damaged`.
        """
        return self._vault().get(names)

    def get_secret(self, name: str) -> Optional[str]:
        """One secret; None if there is none of that name.

        Args:
            name: Its name.
        """
        return self.get_secrets([name])[name]

    @operation("GET /secrets", command="list")
    def list_secrets(self) -> Frame:
        """List the names of secrets, and when each was set: columns `name` and `set_at`.

        Raises:
            EspalierError: `damaged`.
        """
        found = self._vault().names()
        return Frame({"name": list(found), "set_at": list(found.values())}, {"name": "string", "set_at": "string"})

    @operation("DELETE /secrets", long=True, command="delete")
    def delete_secrets(self, names: Sequence[str]) -> List[str]:
        """Delete secrets.

        Args:
            names: The names.

        Returns:
            The names of those there were.

        Raises:
            EspalierError: `bad_name`, `keyvault_locked`, `damaged`, `workspace_read_only`.
        """
        return self._vault().delete(names)

    @operation("GET /secrets/files", command="files")
    def get_details(self) -> Any:
        """Show the files that hold secrets: `file` has the names and the encrypted values, `key` is the file without
        which these cannot be read. Back up both."""
        return self._vault().where()

    def _vault(self) -> "Vault":
        from espalier.vault.store import Vault

        return Vault(self._paths)
