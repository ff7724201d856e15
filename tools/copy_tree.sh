#!/usr/bin/env bash
# A copy of this tree's own files, which neither changes the tree nor drags along what lies in it besides (a gigabyte of
# environments and images, which R CMD build would copy first and then leave out). Usage: tools/copy_tree.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?a folder, which is emptied}
rm -rf "$target" && mkdir -p "$target"
# (what git knows and what it would know; a file that was deleted is no error)
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read 2>/dev/null |
  tar --extract --directory="$target"
