#!/usr/bin/env bash
# Installs what building, testing and running need. Usage: tools/setup.sh VENV
# R and R packages come from Debian where apt exists and the user may install; otherwise the missing ones are named.
set -euo pipefail
venv=${1:?folder of the virtual environment}

packages=(r-base-dev r-recommended r-cran-cli r-cran-jsonlite r-cran-r6 r-cran-reticulate r-cran-testthat r-cran-knitr
  r-cran-rmarkdown r-cran-withr r-cran-callr r-cran-pkgload r-cran-roxygen2 pandoc git python3-venv libpython3-dev)

missing_tools() {
  command -v Rscript >/dev/null || echo R
  command -v pandoc >/dev/null || echo pandoc
  command -v git >/dev/null || echo git
  command -v Rscript >/dev/null || return 0
  Rscript --vanilla -e 'need <- c("cli", "jsonlite", "R6", "reticulate", "testthat", "knitr", "rmarkdown", "withr", "callr",
    "pkgload", "roxygen2", "MASS", "rpart", "survival")
    cat(need[!need %in% rownames(installed.packages())], sep = "\n")'
}

install_missing() {
  local missing=$1 sudo=
  echo "Missing: $(echo $missing)"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null && sudo=sudo || { tell "$missing"; exit 1; }
  fi
  command -v apt-get >/dev/null || { tell "$missing"; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get -qq -o DPkg::Lock::Timeout=600 update
  $sudo apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${packages[@]}" >/dev/null
  missing=$(missing_tools)
  [ -z "$missing" ] || { tell "$missing"; exit 1; }
}

tell() {
  cat >&2 <<TEXT
Please install, by your system's means (for R packages: install.packages() in R):
$(echo "$1" | sed 's/^/  - /')
On Debian or Ubuntu that is
  apt-get install --no-install-recommends ${packages[*]}
TEXT
}

missing=$(missing_tools)
[ -z "$missing" ] || install_missing "$missing"

python=
for candidate in python3.11 python3.10 python3.9 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
[ -n "$python" ] || { tell "Python 3.9 or later"; exit 1; }
if ! "$venv/bin/python" -c '' 2>/dev/null; then
  echo "Making $venv with $python"
  "$python" -m venv "$venv"
fi
echo "Installing the core and its development tools into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e 'python-core[dev]' uv
# the package's private Python environment, as its users get it
