#!/usr/bin/env bash
# Makes the image that the tests build on: Debian 12 with R and Python, as no public registry need be reachable.
# Usage: base-image.sh [tar]     tar: only the file, which needs no engine
# The file is .build/services/base.tar, made once for each recipe; root or unprivileged user namespaces are needed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$here/../.." && pwd)/.build/services
image=espalier-test-base:bookworm
export PATH=$PATH:/usr/sbin:/sbin

# (MASS and rpart are what the demo trains with; none of what the package itself imports, but R6 and jsonlite)
packages=r-base-core,r-cran-jsonlite,r-cran-r6,r-cran-mass,r-cran-rpart,python3,python3-venv,gcc,make,libc6-dev,ca-certificates
certificates=/usr/local/share/ca-certificates
bundle=/etc/ssl/certs/ca-certificates.crt
options=(--variant=apt --include="$packages")
for folder in doc man locale info; do options+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
# Certificates of this network's own, where it has some
if compgen -G "$certificates/*.crt" >/dev/null; then
  # shellcheck disable=SC2016  # mmdebstrap's shell fills in $1
  options+=(--customize-hook="copy-in $certificates /usr/local/share" --customize-hook='chroot "$1" update-ca-certificates')
fi
recipe=$({ cat "${BASH_SOURCE[0]}"; cat "$certificates"/*.crt 2>/dev/null || true; } | sha256sum | cut -c 1-16)

say() { echo "base image: $*" >&2; }

mkdir -p "$build"
exec 9>"$build/base.lock"
flock 9

make_tar() {
  [ "$(cat "$build/base.recipe" 2>/dev/null)" = "$recipe" ] && [ -e "$build/base.tar" ] && return
  say "making base.tar, which takes a minute"
  rm -f "$build/base.recipe"
  mmdebstrap "${options[@]}" bookworm "$build/base.new.tar" >"$build/base.log" 2>&1 9>&- ||
    { tail -n 20 "$build/base.log" >&2; return 1; }
  mv "$build/base.new.tar" "$build/base.tar"
  echo "$recipe" >"$build/base.recipe"
}

present() {
  [ "$(docker image inspect --format '{{index .Config.Labels "espalier-test.recipe"}}' "$image" 2>/dev/null)" = "$recipe" ]
}

if [ "${1:-}" = tar ]; then make_tar; exit; fi
present && exit
make_tar
docker import --change "ENV LANG=C.UTF-8 PIP_CERT=$bundle SSL_CERT_FILE=$bundle" \
  --change "LABEL espalier-test.recipe=$recipe" "$build/base.tar" "$image" >/dev/null
say "$image"
