#!/usr/bin/env bash
# What the judge says of samples of each model, of captions that were trained on and of held-out ones, at the trained size and larger: a table, and runs/figures/*.json.
# What is there already is not made again, unless it is of other weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count=${COUNT:-256}
runs=runs/figures
mural() { dotnet run -c Release --project src/Mural.Cli -- "$@"; }
report() { dotnet run -c Release --project models/Report -- "$@"; }

# NAME, MODEL, options of the painter
judged() {
  local samples=$runs/$1
  report paint "$2" --output "$samples" --count "$count" "${@:3}"
  [ "$samples.json" -nt "$samples/samples.json" ] && return
  mural judge models/emoji/judge --pictures "$samples" --real data/emoji/128.jsonl --json > "$samples.json.part"
  mv "$samples.json.part" "$samples.json"
}

mkdir -p "$runs"
real() {
  report real --output "$runs/$1" --count "$count" "${@:2}"
  mural judge models/emoji/judge --pictures "$runs/$1" --real data/emoji/128.jsonl --json > "$runs/$1.json"
}
real real-train
real real-held-out --split test
judged emoji-train models/emoji
judged emoji-held-out models/emoji --split test
judged emoji-2x models/emoji --factor 2
judged emoji-unet-train models/emoji-unet
judged emoji-unet-held-out models/emoji-unet --split test
judged emoji-unet-linfusion models/emoji-unet --linfusion models/emoji-unet-linfusion
for factor in 2 4; do
  for parts in none raunet windows both; do
    judged "emoji-unet-${factor}x-$parts" models/emoji-unet --factor "$factor" --hidiffusion "$parts"
  done
done
report table "$runs"
