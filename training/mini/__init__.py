# SPDX-License-Identifier: Apache-2.0
"""Training of Mini, the embedded model. Importing it first settles how many threads are used."""
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", os.environ.get("TRAINING_THREADS", "1"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
if "avx512bw" in pathlib.Path("/proc/cpuinfo").read_text():   # OpenBLAS may not know a new processor
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
