"""Jobs in containers: what a run whose image is there costs beside `docker run`; the memory of what supervises it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import docker
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters.engine import Engine
from espalier.base.paths import RunPaths
from espalier.base.records import read_record
from samples import Samples, seconds

IMAGE = "espalier-test-base:bookworm"
ROUNDS = 21
# The same for all: what `docker run` has where nothing is said.
NETWORK = "bridge"

work = sys.argv[1]
samples = Samples("containers.py")
experiment = Experiment(Workspace.create("containers", os.path.join(work, "containers")), "bench")
client = docker.from_env()


def ours(command: str = "true") -> Run:
    """From the call of submit to the end of the run."""
    environment = {"name": "bench", "docker": {"base_image": IMAGE}}
    config = ScriptRunConfig(command=command, environment=environment, docker={"network": NETWORK})
    run = experiment.submit(config)
    run.wait_for_completion()
    return run


def by_program() -> None:
    """What people type."""
    subprocess.run(["docker", "run", "--rm", "--network", NETWORK, image, "true"], check=True, stdin=subprocess.DEVNULL)


def by_package() -> None:
    """The docker package in a process that has it loaded."""
    client.containers.run(image, "true", remove=True, network_mode=NETWORK)


def by_hand() -> None:
    """The engine's calls alone, in a process that does nothing else: no way to run a container has fewer."""
    engine = Engine({})
    name = f"espalier-bench-{time.monotonic_ns()}"
    config = {"Image": image, "Cmd": ["true"], "HostConfig": {"NetworkMode": NETWORK, "Init": True}}
    container = engine.create(name, config)
    stream = engine.attach(container)
    engine.start(container)
    while stream.read() is not None:
        pass
    engine.wait(container).recv(65536)
    engine.inspect(container)
    engine.remove(container)


def memory() -> int:
    """Bytes that the supervisor of a container holds at most while a job prints 100 MB."""
    config = {"environment": {"name": "bench", "docker": {"base_image": IMAGE}}, "docker": {"network": "none"}}
    command = "yes 0123456789 | head -c 100000000; sleep 10"
    run = experiment.submit(ScriptRunConfig(command=command, **config))
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    while not log.exists() or log.stat().st_size < 100_000_000:
        time.sleep(0.02)
    supervisor = read_record(RunPaths(run.run_dir).processes)["job_pid"]
    held = Path(f"/proc/{supervisor}/status").read_text().splitlines()
    peak = 1024 * next(int(row.split()[1]) for row in held if row.startswith("VmHWM:"))
    run.cancel()
    return peak


ours()  # (its image is made, and everything is loaded)
image = client.images.get(IMAGE).id
for number in range(ROUNDS):
    samples.add("run", number, seconds(ours))
    samples.add("run.calls", number, seconds(by_hand))
    samples.add("run.program", number, seconds(by_program))
    samples.add("run.package", number, seconds(by_package))
for number in range(3):
    samples.add("memory", number, memory())
samples.write()
