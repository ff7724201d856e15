#!/usr/bin/env bash
# House rules that no linter knows. Prints what breaks them; nothing when all is well.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
report() { [ -z "$2" ] || { printf '%s\n%s\n' "$1" "$2"; bad=1; }; }

report "Only R/bridge.R names reticulate::" "$(grep -lE '^[^#"]*reticulate::' R/*.R | grep -v '^R/bridge.R$' || true)"
report "R code signals classed conditions: no stop() with text, no setwd()" \
  "$(grep -nE '(^|[^_.a-z])(stop\("|setwd\()' R/*.R | grep -v '^R/event-log.R' || true)"  # there they are caught at once
report "The core never prints, never exits, and imports no R" \
  "$(grep -nE '(^|[^.\w])(print\(|sys\.exit\(|import rpy2)' -r python-core/src/espalier --include='*.py' \
     | grep -vE 'file=sys.stderr|traceback\.print' || true)"
report "Functions of R that are defined twice: the file that is read last wins" \
  "$(grep -hoE '^[.A-Za-z_][A-Za-z0-9._]* <- function' R/*.R | sort | uniq -d || true)"
report "Tabs in R or Python" "$(grep -lP '\t' R/*.R $(git ls-files '*.py') || true)"
report "Scripts that are not executable" "$(git ls-files -s configure cleanup .ci/run | grep -v '^100755' || true)"
python3 tools/prose.py || bad=1
exit $bad
