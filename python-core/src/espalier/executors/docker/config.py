"""The engine's description of a job's container. Pure, but for a look at where links lead."""

import os
from typing import Any, Dict, List, Mapping, NamedTuple

from espalier.base.model.job import JobSpec
from espalier.base.paths import JOB_PART, RunPaths
from espalier.base.scratch_paths import ScratchPaths

# By these its container is found again, whatever became of whoever made it.
RUN_LABEL = "espalier.run"
WORKSPACE_LABEL = "espalier.workspace"
# Both streams of a job go to one log, in order; the engine would give them as two.
_IN_ORDER = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"]


class Order(NamedTuple):
    """What a runner asks the supervisor of its container for.

    Args:
        engine: The variables that tell where the engine is.
        command: What to execute in it.
        variables: The job's own, ours among them.
        mounts: Further files and folders of the host that it reads: path here -> path there.
        gpu_ids: The graphics processors it was given.
        user: `uid:gid`.
        scratch: The run's scratch folder, as its status has it.
        masked: Whether what it prints is masked on its way to the log.
    """

    engine: Dict[str, str]
    image: str
    command: List[str]
    variables: Dict[str, str]
    mounts: Dict[str, str]
    gpu_ids: List[str]
    user: str
    scratch: Dict[str, str]
    masked: bool = False


def container_name(run: RunPaths) -> str:
    """The one name that a run's container can have: two of a run there cannot be."""
    return "espalier-" + os.path.basename(run.root)


def given_paths(spec: JobSpec) -> List[str]:
    """The files and folders of this machine that a run's container is given because its submitter named them."""
    inputs = [str(item.path) for item in spec.inputs if not item.is_copied]
    return [*inputs, *spec.container.mounts]


def container_config(
    run: RunPaths, spec: JobSpec, order: Order, image: Mapping[str, Any], in_order: bool = True
) -> Dict[str, Any]:
    """The body of the engine's call that creates the container.

    Args:
        image: What the engine knows of its image.
        in_order: Have a shell in the container bring the job's two streams together.
    """
    docker = spec.container
    command = [*_IN_ORDER, *order.command] if in_order else order.command
    return {
        "Image": order.image,
        "Entrypoint": command[:4] if in_order else command[:1],
        "Cmd": command[4:] if in_order else command[1:],
        "Env": [f"{name}={value}" for name, value in _variables(spec, order, image).items()],
        "WorkingDir": _scratch(order).job,
        "User": docker.user or order.user,
        "Labels": {RUN_LABEL: os.path.basename(run.root), WORKSPACE_LABEL: spec.workspace_id},
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host_config(run, spec, order),
    }


def _host_config(run: RunPaths, spec: JobSpec, order: Order) -> Dict[str, Any]:
    docker, need = spec.container, spec.resources
    config: Dict[str, Any] = {
        "Init": docker.init,
        "NetworkMode": docker.network,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Mounts": _mounts(run, spec, order),
        # what its supervisor did not see, because it died, is read from there; of a job with secrets the engine keeps
        # nothing, for nobody would hide them in it
        "LogConfig": {"Type": "none" if order.masked else "json-file", "Config": {}},
    }
    if need.cpus:
        config["NanoCpus"] = min(need.cpus, os.cpu_count() or need.cpus) * 1_000_000_000
    if need.memory:
        config["Memory"] = config["MemorySwap"] = need.memory  # (no swap beside it)
    if docker.shm_size:
        config["ShmSize"] = docker.shm_size
    if order.gpu_ids:
        config["DeviceRequests"] = [{"DeviceIDs": order.gpu_ids, "Capabilities": [["gpu"]]}]
    return config


def _variables(spec: JobSpec, order: Order, image: Mapping[str, Any]) -> Dict[str, str]:
    need = spec.resources
    # the user has no entry in the image's list of users, so no home either; /tmp goes with the container
    found = {"HOME": "/tmp"}
    if need.cpus:  # a program that counts processors sees all of the host's
        found.update({"OMP_NUM_THREADS": str(need.cpus), "MC_CORES": str(need.cpus)})
    # (some engines give every container all graphics processors, unless told not to)
    found["NVIDIA_VISIBLE_DEVICES"] = ",".join(order.gpu_ids) or "void"
    if _uid(spec.container.user or order.user) != _uid(order.user):  # git refuses the repository of another user
        found.update(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0=_scratch(order).work)
    found.update(order.variables)
    found.update(_searched(spec, order.variables, image))
    if order.gpu_ids and all(gpu.isdecimal() for gpu in order.gpu_ids):
        found["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(len(order.gpu_ids))))  # they are numbered anew inside
    return found


def _searched(spec: JobSpec, ours: Mapping[str, str], image: Mapping[str, Any]) -> Dict[str, str]:
    """Where R and Python look for packages: where the image says, beside where we say, unless the user says it."""
    said = dict(line.partition("=")[::2] for line in (image.get("Config") or {}).get("Env") or [])
    order = {"R_LIBS": (said, ours), "PYTHONPATH": (ours, said)}
    return {
        name: os.pathsep.join(where[name] for where in places if where.get(name))
        for name, places in order.items()
        if name in said and name in ours and name not in spec.asked_variables
    }


def _mounts(run: RunPaths, spec: JobSpec, order: Order) -> List[Dict[str, Any]]:
    """What is made for it to see of the workspace, its part of its run's folder, its working copy and temporary files,
    the copies of its inputs; what else it reads, at its own path; nothing else."""
    runs, scratch = run.workspace.runs, _scratch(order)
    written = [*(os.path.join(run.root, name) for name in JOB_PART), scratch.work, scratch.temporary]
    mounts = [_bind(run.seen(os.path.basename(run.root)).workspace.runs, runs, True)]
    mounts += [_bind(folder, folder, False) for folder in written]
    return mounts + [_bind(os.path.realpath(here), there, True) for there, here in readable(run, spec, order).items()]


def readable(run: RunPaths, spec: JobSpec, order: Order) -> Dict[str, str]:
    """What a job's container reads beside its own: path there -> path here."""
    inputs = spec.inputs
    found = {item.path: item.path for item in inputs if not item.is_copied}
    if len(found) < len(inputs):  # of the others there are copies
        found[run.inputs] = run.inputs
    found.update({there: here for here, there in order.mounts.items()})
    return found


def _uid(user: str) -> str:
    return user.partition(":")[0]


def _scratch(order: Order) -> ScratchPaths:
    return ScratchPaths(order.scratch["path"], order.scratch["directory"])


def _bind(here: str, there: str, read_only: bool) -> Dict[str, Any]:
    return {"Type": "bind", "Source": here, "Target": there, "ReadOnly": read_only}
