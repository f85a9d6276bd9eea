# SPDX-License-Identifier: Apache-2.0
"""The mean of what two phases left: the structure of one and the sharpness of the other."""
import argparse

from mini.common import load_checkpoint, pathlib, save_checkpoint, torch  # noqa: F401


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--phases", nargs=2, default=["clips", "rollout"])
    args = parser.parse_args()
    first, second = (load_checkpoint(args.out / f"{phase}.pt") for phase in args.phases)
    mean = {key: 0.5 * first["average"][key] + 0.5 * value for key, value in second["model"].items()}
    save_checkpoint(args.out / "diffusion.pt", model=mean, average=dict(mean), step=20,
                    optimiser=second["optimiser"])


if __name__ == "__main__":
    main()
