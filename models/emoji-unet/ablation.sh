#!/usr/bin/env bash
# Distils each mixer of the LinFusion paper from the same UNet with the same small budget and seed, paints with it at the trained size and at twice that, and has the
# samples judged; prints the table and draws docs/images/ablation.png and ablation-2x.jpg. What is there already is not made again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
count=${COUNT:-64}
runs=runs/emoji-ablation
source models/judging.sh

# NAME, options of the painter
judged() {
  for factor in 1 2; do
    paint_and_judge "$runs/$1-${factor}x" models/emoji-unet --count "$count" --factor "$factor" --steps 10 "${@:2}"
  done
}

dotnet run models/emoji/prepare.cs -- --sizes 128
mkdir -p "$runs/settings"
judged teacher
for mixer in linfusion unnormalized_linear_attention causal_linear_attention gated_linear_attention bidirectional_mamba mamba2; do
  sed "s/MIXER/$mixer/" models/emoji-unet/ablation.json > "$runs/settings/$mixer.json"
  mural distill linfusion "$runs/settings/$mixer.json"
  judged "$mixer" --linfusion "$runs/settings/$mixer-run/result"
done
report ablation "$runs" --output docs/images
