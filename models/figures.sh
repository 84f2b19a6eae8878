#!/usr/bin/env bash
# What the judge says of samples of each model, of captions that were trained on and of held-out ones, at the trained size and larger: a table, and runs/figures/*.json. Draws
# models/emoji-unet/sheets/linfusion-2x.jpg, too.
# What is there already is not made again, unless it is of other weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count=${COUNT:-160} larger=${LARGER:-64} largest=${LARGEST:-12}
runs=runs/figures
source models/judging.sh

# NAME, MODEL, COUNT, options of the painter
judged() { paint_and_judge "$runs/$1" "$2" --count "$3" "${@:4}"; }

# NAME, COUNT, options of the choice
real() {
  report real --output "$runs/$1" --count "$2" "${@:3}"
  judge_samples "$runs/$1"
}

# NAME, LIST: held-out pictures through the autoencoder and back.
reconstructed() {
  report reconstruct models/emoji/vae --data "$2" --output "$runs/$1" --split test --count 1000
  REAL=$2 judge_samples "$runs/$1"
}

dotnet run models/emoji/prepare.cs -- --sizes 128,256
mkdir -p "$runs"
real real-train "$count"
real real-held-out "$count" --split test
judged emoji-train models/emoji "$count"
judged emoji-held-out models/emoji "$count" --split test
judged emoji-unet-train models/emoji-unet "$count"
judged emoji-unet-held-out models/emoji-unet "$count" --split test
judged emoji-unet-linfusion models/emoji-unet "$count" --linfusion models/emoji-unet-linfusion
reconstructed autoencoder-128 data/emoji/128.jsonl
reconstructed autoencoder-256 data/emoji/256.jsonl

# Larger pictures, compared with the largest real ones that all three styles have.
REAL=data/emoji/256.jsonl
real real-2x "$larger" --data "$REAL"
judged emoji-2x models/emoji "$larger" --factor 2
for parts in none raunet windows both; do
  judged "emoji-unet-2x-$parts" models/emoji-unet "$larger" --factor 2 --steps 10 --hidiffusion "$parts"
done
for parts in none both; do
  judged "emoji-unet-2x-linfusion-$parts" models/emoji-unet "$larger" --factor 2 --steps 10 --hidiffusion "$parts" --linfusion models/emoji-unet-linfusion
done
report side-by-side "$runs"/emoji-unet-2x-{none,both,linfusion-none,linfusion-both} --output models/emoji-unet/sheets/linfusion-2x.jpg
for parts in none both; do
  judged "emoji-unet-4x-$parts" models/emoji-unet "$largest" --factor 4 --steps 10 --hidiffusion "$parts"
done
report table "$runs"
