#!/usr/bin/env bash
# Weak to strong (DiM's paper, spec dim.md 5.1): the denoiser of this folder goes on at 256x256, and another begins there from nothing, for as many steps. Paints with both and with the
# denoiser of this folder, upsampled without training, has the samples judged, and draws docs/images/weak-to-strong.jpg. What is there already is not made again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
count=${COUNT:-24} larger=${LARGER:-4}
runs=runs/weak-to-strong
source models/judging.sh

# NAME, MODEL, COUNT, options of the painter
judged() { paint_and_judge "$runs/$1" "$2" --count "$3" --steps 10 "${@:4}"; }

dotnet run models/emoji/prepare.cs -- --sizes 128,256
# More pictures than the steps see take long to encode.
awk "NR % 5 == 1" data/emoji/256.jsonl > data/emoji/256-fifth.jsonl
mural train dim models/emoji/dim-256.json
mural train dim models/emoji/dim-256-scratch.json
for folder in emoji-dim-256 emoji-dim-256-scratch; do cp models/emoji/model_index.json "runs/$folder/result/"; done
mkdir -p "$runs"
judged upsampled-256 models/emoji "$count" --factor 2
judged weak-to-strong-256 runs/emoji-dim-256/result "$count"
judged scratch-256 runs/emoji-dim-256-scratch/result "$count"
judged upsampled-384 models/emoji "$larger" --factor 3
judged weak-to-strong-512 runs/emoji-dim-256/result "$larger" --factor 2
judged weak-to-strong-768 runs/emoji-dim-256/result "$larger" --factor 3
report table "$runs"
report side-by-side "$runs"/{upsampled-256,weak-to-strong-256,scratch-256} --output docs/images/weak-to-strong.jpg
