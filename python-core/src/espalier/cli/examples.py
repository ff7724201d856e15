"""Examples in the help of commands. A test reads each of them as the command line does."""

from typing import Dict, Sequence

EXAMPLES: Dict[str, Sequence[str]] = {
    "run": ("run train.R -- --trees 200", "run train.py -e forest --tag stage=test --detach"),
    "job submit": ("job submit job.yml --set params.trees=500", "job submit job.yml -e forest --follow"),
    "runs list": (
        'runs list --filter "metrics.AUC > 0.85" --sort=-metrics.AUC -n 10',
        "runs list -e forest -o json --query '[].run_id'",
        "runs list --columns run_id,params.trees,metrics.AUC",
    ),
    "runs logs": ("runs logs latest -f", "runs logs forest_1764000000_ab12cd34 -n 20"),
    "runs show": ("runs show latest", "runs show latest --query status -o tsv"),
    "runs metrics": ("runs metrics latest",),
    "runs cancel": ("runs cancel latest",),
    "runs tag": ("runs tag latest stage=production",),
    "runs files": ("runs files latest --prefix outputs/",),
    "runs download": ("runs download latest outputs/model.rds --to models/ --overwrite",),
    "experiments runs": ("experiments runs forest -n 5",),
    "environments register": ("environments register environment.yml",),
    "images build": ("images build torch", "images build environment.yml --push"),
    "images prune": ("images prune --unused-days 30 --dry-run", "images prune --yes"),
    "secrets set": ("secrets set DB_PASSWORD", "secrets set DB_PASSWORD < password.txt"),
    "snapshots preview": ("snapshots preview . -o table",),
    "workspace create": ("workspace create main",),
    "workspace delete": ("workspace delete -w old --yes",),
    "host resources": ("host resources --cpus 4 --memory '16 GB'",),
    "completion": ("completion bash >> ~/.bashrc", "completion fish > ~/.config/fish/completions/espalier.fish"),
}
