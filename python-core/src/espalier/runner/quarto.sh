# Renders a Quarto document as a job: sh -c '. quarto.sh' sh report.qmd [options]. Inputs of the run are parameters where
# the document names them. What is rendered beside the document goes to the run's outputs.
document=$1
shift
folder=$(dirname "$document")
stem=$(basename "$document")
stem=${stem%.*}
count=$#
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  name=${word#--}
  variable=ESPALIER_INPUT_$(printf %s "$name" | tr 'a-z' 'A-Z' | tr -c 'A-Z0-9' _)
  eval "place=\${$variable-}"
  if [ "$name" != "$word" ] && [ "$count" -gt 0 ] && [ -n "$place" ] && [ "$1" = "$place" ]; then
    shift
    count=$((count - 1))
    if grep -q "^[ #|]*$name[ ]*[:=]" "$document"; then set -- "$@" -P "$name:$place"; fi
  else
    set -- "$@" "$word"
  fi
done
mark=$(mktemp) || exit 1
"${QUARTO_PATH:-quarto}" render "$document" "$@" || exit
for made in "$folder/$stem".* "$folder/${stem}_files"; do
  if [ "$made" != "$document" ] && [ "$made" != "./$document" ] && [ -e "$made" ] && ! [ "$made" -ot "$mark" ]; then
    mkdir -p "$ESPALIER_RUN_DIR/outputs" && cp -R "$made" "$ESPALIER_RUN_DIR/outputs/" && echo "Rendered outputs/$(basename "$made")"
  fi
done
rm -f "$mark"
