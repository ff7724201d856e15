#!/usr/bin/env bash
# Installs what building, testing and running need. Usage: tools/setup.sh VENV
# R and R packages come from Debian where apt exists and the user may install; otherwise the missing ones are named.
set -euo pipefail
venv=${1:?folder of the virtual environment}

packages=(r-base-dev r-recommended r-cran-cli r-cran-jsonlite r-cran-r6 r-cran-reticulate r-cran-testthat r-cran-knitr
  r-cran-rmarkdown r-cran-withr r-cran-callr r-cran-pkgload r-cran-roxygen2 pandoc git python3 python3-venv libpython3-dev)

missing_tools() {
  command -v Rscript >/dev/null || echo R
  command -v pandoc >/dev/null || echo pandoc
  command -v git >/dev/null || echo git
  find_python >/dev/null || echo "Python 3.9 or later, with venv"
  command -v Rscript >/dev/null || return 0
  Rscript --vanilla -e 'need <- c("cli", "jsonlite", "R6", "reticulate", "testthat", "knitr", "rmarkdown", "withr", "callr",
    "pkgload", "roxygen2", "MASS", "rpart", "survival")
    cat(need[!need %in% rownames(installed.packages())], sep = "\n")'
}

# A Python that can make virtual environments; 3.11 and older first, for older reticulates start no newer one.
find_python() {
  local candidate
  for candidate in python3.11 python3.10 python3.9 /usr/bin/python3 python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
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

python=$(find_python)
if ! "$venv/bin/python" -c '' 2>/dev/null; then
  echo "Making $venv with $python"
  "$python" -m venv "$venv"
fi
echo "Installing the core and its development tools into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e 'python-core[dev]' uv
