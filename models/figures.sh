#!/usr/bin/env bash
# What the judge says of samples of each model, of captions that were trained on and of held-out ones, at the trained size and larger: a table, and runs/figures/*.json.
# What is there already is not made again, unless it is of other weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count=${COUNT:-256}
runs=runs/figures
source models/judging.sh

# NAME, MODEL, options of the painter
judged() { paint_and_judge "$runs/$1" "$2" --count "$count" "${@:3}"; }

# NAME, options of the choice
real() {
  report real --output "$runs/$1" --count "$count" "${@:2}"
  judge_samples "$runs/$1"
}

mkdir -p "$runs"
real real-train
real real-held-out --split test
judged emoji-train models/emoji
judged emoji-held-out models/emoji --split test
judged emoji-2x models/emoji --factor 2
# Its weights come from models/emoji-unet/train.sh.
if [ -f models/emoji-unet/model_index.json ]; then
  judged emoji-unet-train models/emoji-unet
  judged emoji-unet-held-out models/emoji-unet --split test
  judged emoji-unet-linfusion models/emoji-unet --linfusion models/emoji-unet-linfusion
  for factor in 2 4; do
    for parts in none raunet windows both; do
      judged "emoji-unet-${factor}x-$parts" models/emoji-unet --factor "$factor" --hidiffusion "$parts"
    done
  done
fi
report table "$runs"
