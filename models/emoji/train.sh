#!/usr/bin/env bash
# Repeats the default model: pictures, autoencoder, denoiser, and the files of this folder. Takes hours; a run that stops goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mural() { dotnet run -c Release --project src/Mural.Cli -- "$@"; }

dotnet run models/emoji/prepare.cs -- --sizes 128
mural train vae models/emoji/vae.json
mural train dim models/emoji/dim.json
cp -r runs/emoji-dim/result/dim runs/emoji-dim/result/model_index.json models/emoji/
mural convert runs/emoji-dim/result/vae models/emoji/vae --precision f16
dotnet run models/emoji/report.cs
