"""Which images are ours: each is signed, over all that it consists of, by a key of this user's or of a team's.

A label alone can be copied, and `docker commit` and `FROM` copy it unasked. The signature covers the layers and all
that decides what a container of the image does, so it holds for exactly the image that a build here has made.
"""

import contextlib
import hmac
import os
from typing import Any, Dict, List, Mapping, Optional

from espalier.adapters.docker_images import build_image
from espalier.base.canonical import digest
from espalier.base.errors import EspalierError
from espalier.provision.docker.archive import DOCKERFILE, recipe_context
from espalier.provision.docker.registries import key_of
from espalier.vault.encryption import make_key, read_key

LABEL = "espalier.signature"
# Names a file with the key of a team whose members use each other's images by a registry.
SHARED_KEY = "ESPALIER_IMAGE_KEY_FILE"
_OWN_KEY = "images"
_LEAST = 32
_CONFIG = (
    "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "OnBuild", "Shell", "StopSignal", "User", "Volumes",
    "WorkingDir",
)  # fmt: skip


def signed_image(image: Mapping[str, Any], platform: Optional[str] = None) -> str:
    """Sign an image that was built here just now.

    Args:
        image: What the engine knows of it; its label says for which key it was made.
        platform: Such as `linux/amd64`.

    Returns:
        The id of the signed image: the same layers and configuration, with one more label.

    Raises:
        EspalierError: `keyvault_locked` about the key; `docker_failed`, `docker_unavailable`.
    """
    key = _shared_key() or make_key(_OWN_KEY)
    text = f'FROM {image["Id"]}\nLABEL {LABEL}="{_signature(key, image)}"\n'
    return build_image(recipe_context(text, {}), DOCKERFILE, _silent, platform, network="none")


def is_ours(image: Mapping[str, Any], key: str) -> bool:
    """Whether an image was made for a key by this user, or by one with the team's key, and is as it was then.

    Args:
        image: What the engine knows of it.
        key: The key of an environment or a stage.
    """
    found = _labels(image).get(LABEL)
    if not found or key_of(dict(image)) != key:
        return False
    return any(hmac.compare_digest(_signature(one, image), found) for one in _keys())


def _signature(key: bytes, image: Mapping[str, Any]) -> str:
    config = image.get("Config") or {}
    labels = {name: value for name, value in _labels(image).items() if name != LABEL}
    signed = {
        "layers": (image.get("RootFS") or {}).get("Layers"), "labels": labels,
        "platform": [image.get("Os"), image.get("Architecture"), image.get("Variant")],
        "config": {name: config[name] for name in _CONFIG if config.get(name)},
    }  # fmt: skip
    return hmac.new(key, digest(signed).encode(), "sha256").hexdigest()


def _labels(image: Mapping[str, Any]) -> Dict[str, str]:
    return (image.get("Config") or {}).get("Labels") or {}


def _keys() -> List[bytes]:
    """The keys whose signatures count; the first signs."""
    shared = _shared_key()
    found = [shared] if shared else []
    with contextlib.suppress(EspalierError):  # (what is signed with a key that is lost is built again)
        found.append(read_key(_OWN_KEY))
    return found


def _shared_key() -> Optional[bytes]:
    path = os.environ.get(SHARED_KEY)
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            mode, key = os.fstat(file.fileno()).st_mode, file.read(4096).strip()
    except OSError as error:
        raise _refused(path, f"it can't be read: {error.strerror}") from error
    if mode & 0o007:
        raise _refused(path, "all users of this machine can open it")
    if len(key) < _LEAST:
        raise _refused(path, f"it holds fewer than {_LEAST} characters")
    return key


def _refused(path: str, why: str) -> EspalierError:
    hint = f"{SHARED_KEY} names a file with {_LEAST} or more random characters, readable by the team alone."
    return EspalierError("keyvault_locked", f"Can't use the key of images {path}: {why}.", hint, path=path)


def _silent(text: str) -> None:
    """No one reads it."""
