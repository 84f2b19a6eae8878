# Sourced by the scripts that paint samples and have them judged, in the repository's folder.
mural() { dotnet run -c Release --project src/Mural.Cli -- "$@"; }
report() { dotnet run -c Release --project models/Report -- "$@"; }

# The real pictures that samples are compared with; REAL=LIST in front of one of the functions below names others.
REAL=data/emoji/128.jsonl

# FOLDER: what the judge says of the samples in it goes to FOLDER.json, unless it is there and younger than they and the judge.
judge_samples() {
  [ "$1.json" -nt "$1/samples.json" ] && [ "$1.json" -nt models/emoji/judge/model.safetensors ] && return
  mural judge models/emoji/judge --pictures "$1" --real "$REAL" --json > "$1.json.part"
  mv "$1.json.part" "$1.json"
}

# SAMPLES, MODEL, options of the painter: paints into that folder and has it judged.
paint_and_judge() {
  report paint "$2" --output "$1" "${@:3}"
  judge_samples "$1"
}
