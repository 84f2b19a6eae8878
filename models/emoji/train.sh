#!/usr/bin/env bash
# Repeats the default model: pictures, autoencoder, denoiser, and the files of this folder. Takes hours; a run that stops goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mural() { dotnet run -c Release --project src/Mural.Cli -- "$@"; }

dotnet run models/emoji/prepare.cs -- --sizes 128
mural train vae models/emoji/vae.json
mural train dim models/emoji/dim.json
mural train dim models/emoji/dim-words.json
mural train judge models/emoji/judge.json

mkdir -p models/emoji/dim models/emoji/judge models/emoji/sheets
cp runs/emoji-dim-words/result/dim/* models/emoji/dim/
cp runs/emoji-judge/result/* models/emoji/judge/
mural convert runs/emoji-vae/result models/emoji/vae --precision f16 --force
cp runs/emoji-vae/loss.png models/emoji/sheets/loss-vae.png
cp runs/emoji-judge/loss.png models/emoji/sheets/loss-judge.png
cp runs/emoji-dim/loss.png models/emoji/sheets/loss-dim.png
cp runs/emoji-dim-words/loss.png models/emoji/sheets/loss-dim-words.png
dotnet run -c Release --project models/Report -- sheets models/emoji --output models/emoji/sheets
