#!/usr/bin/env bash
# Repeats the text-to-image UNet and its linear attention. Takes hours; a run that stops goes on where it was. The autoencoder is that of models/emoji.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mural() { dotnet run -c Release --project src/Mural.Cli -- "$@"; }
report() { dotnet run -c Release --project models/Report -- "$@"; }

dotnet run models/emoji/prepare.cs -- --sizes 128
mural train unet models/emoji-unet/unet-64.json
mural train unet models/emoji-unet/unet.json
mural train unet models/emoji-unet/unet-64-second.json
mural train unet models/emoji-unet/unet-second.json
cp -r runs/emoji-unet-second/result/. models/emoji-unet/
mural distill linfusion models/emoji-unet/linfusion.json
mkdir -p models/emoji-unet-linfusion models/emoji-unet/sheets
cp -r runs/emoji-linfusion/result/. models/emoji-unet-linfusion/
cp runs/emoji-unet-64/loss.png models/emoji-unet/sheets/loss-unet-64.png
cp runs/emoji-unet/loss.png models/emoji-unet/sheets/loss-unet.png
cp runs/emoji-unet-64-second/loss.png models/emoji-unet/sheets/loss-unet-64-second.png
cp runs/emoji-unet-second/loss.png models/emoji-unet/sheets/loss-unet-second.png
cp "$(ls runs/emoji-linfusion/sheets/*.png | tail -n 1)" models/emoji-unet/sheets/linfusion.png
cp runs/emoji-linfusion/loss.png models/emoji-unet/sheets/loss-linfusion.png
report sheets models/emoji-unet --output models/emoji-unet/sheets
