#!/usr/bin/env bash
# Makes the model face-avatar, from an empty folder FACES_WORK to the packed
# model, in about 35 minutes on two cores that have other work too.
# The training of the segments now has a seed. For the shipped model it had none.
# Therefore the scores will differ a little from those in README.md.
#
#     TF_I2I_DATA=data FACES_WORK=faces_out bash make.sh
#
# TF_I2I_DATA contains the data set `synthfaces`. The packed model replaces
# tf_i2i/models/face_avatar. The package must be installed with the extras
# `features`, `eval`, `faces` and `export`.
set -euo pipefail
TF_I2I_DATA=$(realpath "${TF_I2I_DATA:-data}")
FACES_WORK=$(realpath -m "${FACES_WORK:-runs/faces}")
export TF_I2I_DATA FACES_WORK
export TF_CPP_MIN_LOG_LEVEL=3
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(realpath ../../..)
export PYTHONPATH=$root
model=$root/tf_i2i/models/face_avatar

# Downloads 35 MB with the networks of the person mask and of the landmarks.
mediapipe=$FACES_WORK/mediapipe
python -m pip download --quiet --no-deps --only-binary=:all: \
  --python-version 3.11 --platform manylinux_2_17_x86_64 \
  --dest "$mediapipe" mediapipe==0.10.14
python -m zipfile -e "$mediapipe"/mediapipe-0.10.14-*.whl "$mediapipe"
networks=$mediapipe/mediapipe/modules

python regions.py \
  "$networks/selfie_segmentation/selfie_segmentation.tflite" \
  "$networks/face_landmark/face_landmark.tflite"    # 2 minutes
python yardstick.py baselines                       # 3 minutes: trains the attribute reader
python hair.py segments                             # 5 minutes, 10 GB of memory
python hair.py shapes                               # 1 minute
python texture.py                                   # .4 minutes (CPU)
python teach.py                                     # .3 minutes
python sprites.py parts                             # 2 minutes
python sprites.py train s3                          # 12 minutes
# Draws all options of all slots. codes.py names the options. If the drawings in
# options.png differ from these names, correct codes.py before the next step.
python sprites.py options s3                        # .2 minutes
python heads.py maps                                # 3 minutes
python heads.py fit s3 h14                          # 3 minutes
python ship.py s3 h14 "$model"                      # 1 minute
python whom.py "$model"                             # 1.5 minutes
