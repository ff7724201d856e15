#!/usr/bin/env bash
# Installs what building, testing and running need. Usage: tools/setup.sh VENV
# R and R packages come from Debian where apt exists and the user may install; otherwise the missing ones are named.
set -euo pipefail
venv=${1:?folder of the virtual environment}

r_packages=(cli jsonlite R6 reticulate testthat knitr rmarkdown withr callr pkgbuild pkgload roxygen2 MASS rpart
  survival bit64 data.table dplyr tibble future pkgdown ggplot2 jpeg)
# (r-base-dev brings the C compiler)
packages=(r-base-dev r-recommended r-cran-cli r-cran-jsonlite r-cran-r6 r-cran-reticulate r-cran-testthat r-cran-knitr
  r-cran-rmarkdown r-cran-withr r-cran-callr r-cran-pkgbuild r-cran-pkgload r-cran-roxygen2 r-cran-bit64 r-cran-data.table
  r-cran-dplyr r-cran-tibble r-cran-future r-cran-pkgdown r-cran-ggplot2 r-cran-jpeg pandoc git python3
  python3-venv libpython3-dev libssl-dev)

# One line each, nothing when all is there.
missing() {
  if command -v Rscript >/dev/null; then
    r_can_compile || echo "a C compiler and R's headers"
    missing_r_packages
  else
    echo "R 4.0 or later, with its headers and a C compiler"
    echo "the R packages ${r_packages[*]}"
  fi
  command -v pandoc >/dev/null || echo pandoc
  command -v git >/dev/null || echo git
  find_python >/dev/null || echo "Python 3.9 or later, with venv and its shared library"
}

r_can_compile() {
  local compiler headers
  read -r compiler _ <<<"$(R CMD config CC 2>/dev/null)"
  headers=$(Rscript --vanilla -e 'cat(R.home("include"))')
  command -v "${compiler:-none}" >/dev/null && [ -e "$headers/Rinternals.h" ]
}

missing_r_packages() {
  Rscript --vanilla -e '
    least <- c(reticulate = "1.28", testthat = "3.0.0")
    have <- function(name) {
      tryCatch(utils::packageVersion(name) >= max(least[name], "0", na.rm = TRUE), error = function(e) FALSE)
    }
    lacking <- Filter(Negate(have), commandArgs(TRUE))
    known <- lacking %in% names(least)
    lacking[known] <- sprintf("%s (%s or later)", lacking[known], least[lacking[known]])
    if (length(lacking)) writeLines(paste(c("the R packages", lacking), collapse = " "))' "${r_packages[@]}"
}

# A Python that can make virtual environments and that R can load; 3.11 and older first, for older reticulates start
# no newer one.
find_python() {
  local candidate
  for candidate in python3.11 python3.10 python3.9 /usr/bin/python3 python3; do
    if "$candidate" 2>/dev/null <<'PYTHON'
import ensurepip, os, sys, sysconfig, venv
get = sysconfig.get_config_var
names = [name for name in (get("INSTSONAME"), get("LDLIBRARY")) if name and not name.endswith(".a")]
folders = [folder for folder in (get("LIBDIR"), get("LIBPL"), get("PYTHONFRAMEWORKPREFIX")) if folder]
shared = any(os.path.exists(os.path.join(folder, name)) for folder in folders for name in names)
sys.exit(sys.version_info < (3, 9) or not shared)
PYTHON
    then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

install() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive) options=(-qq -o DPkg::Lock::Timeout=600)
  if [ "$(id -u)" != 0 ]; then
    { command -v sudo && sudo -n true; } >/dev/null 2>&1 || return 1
    as_root=(sudo -n "${as_root[@]}")
  fi
  command -v apt-get >/dev/null || return 1
  echo "Missing: ${lacking//$'\n'/, }; installing with apt-get"
  "${as_root[@]}" apt-get "${options[@]}" update || return 1
  "${as_root[@]}" apt-get "${options[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null
}

tell() {
  cat >&2 <<TEXT
Please install, by your system's means (R packages also by install.packages() in R):
$(sed 's/^/  - /' <<<"$1")
On Debian or Ubuntu that is, as root,
  apt-get install --no-install-recommends ${packages[*]}
Then run the same command again.
TEXT
}

lacking=$(missing)
if [ -n "$lacking" ]; then
  install || { tell "$lacking"; exit 1; }
  lacking=$(missing)
  [ -z "$lacking" ] || { tell "$lacking"; exit 1; }
fi

python=$(find_python)
if ! "$venv/bin/python" -c '' 2>/dev/null; then
  echo "Making $venv with $python"
  "$python" -m venv "$venv"
fi
echo "Installing the core and its development tools into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e 'python-core[dev]' uv \
  -r tests/bridge/requirements.txt
# The native scanner is no must: without it the core does the same in Python, more slowly.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check ./python-core/native >"$venv/native.log" 2>&1 ||
  echo "The native scanner was not built (it needs a C++ compiler and OpenSSL's headers); see $venv/native.log"
