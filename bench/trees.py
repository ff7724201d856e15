"""Makes the folders that the snapshot benchmark reads: the same bytes for the same seed, on every machine.

Usage: trees.py FOLDER     (makes FOLDER/mixed and FOLDER/many)
"""

import os
import random
import sys
from typing import Iterator

SEED = 20261124
_IN_FOLDER = 20  # files of its own
_BELOW = 4  # folders directly below a folder
_TEXT = 4 << 20
_LARGE = 64 << 20


def folders(count: int) -> Iterator[str]:
    """Paths of `count` nested folders, level by level, the top first."""
    made = [""]
    while len(made) < count:
        above = made[(len(made) - 1) // _BELOW]
        made.append(os.path.join(above, f"part_{len(made):04d}"))
    yield from made


def make_tree(root: str, files: int, mean_size: int, large: int = 0) -> None:
    """Writes a folder.

    Args:
        root: The folder to make.
        files: How many small files; source-like text that compresses as such, no two alike.
        mean_size: Their mean size, bytes; most are smaller, few are much larger, none above 1 MB.
        large: How many files of 64 MB, which do not compress.
    """
    chance = random.Random(SEED)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz_", k=chance.randint(2, 9))) for _ in range(4000)]
    pool = " ".join(chance.choices(words, k=_TEXT // 5))
    for number, folder in enumerate(folders(-(-files // _IN_FOLDER))):
        os.makedirs(os.path.join(root, folder))
        for at in range(number * _IN_FOLDER, min(files, (number + 1) * _IN_FOLDER)):
            size = min(1 << 20, 64 + int(chance.expovariate(1 / mean_size)))
            begin = chance.randrange(len(pool) - size)
            with open(os.path.join(root, folder, f"file_{at:06d}.R"), "w", encoding="ascii") as file:
                file.write(f"# {at}\n{pool[begin : begin + size]}\n")
    for number in range(large):
        with open(os.path.join(root, f"weights_{number}.bin"), "wb") as binary:
            for _ in range(_LARGE >> 20):
                binary.write(chance.randbytes(1 << 20))


def main(folder: str) -> None:
    """Make both: 10,000 files and four large ones (about 370 MB), and 100,000 files (about 200 MB)."""
    make_tree(os.path.join(folder, "mixed"), 10_000, 11_000, large=4)
    make_tree(os.path.join(folder, "many"), 100_000, 2_000)


if __name__ == "__main__":
    main(sys.argv[1])
