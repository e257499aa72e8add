"""Simulated rooms against what was asked of them: direct paths, reverberation times, and what a room costs.

    python benchmarks/simulation.py [--rooms 4] [--fs 16000] [--rt60_s 0.2,0.5]

Rooms as `espnet-jst simulate` draws them by default, two talkers. Delay: of the first sound at every microphone against
distance over the speed of sound, the largest difference in samples. RT60: T20 at every microphone of the other talker.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.rooms import LEAD, delays_s, respond
from espnet_jst.data.simulation.scenes import draw_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--fs", type=int, default=16_000)
    parser.add_argument("--rt60_s", default="0.2,0.5")
    args = parser.parse_args()
    low, _, high = args.rt60_s.partition(",")
    conf = SimulationConf(rt60_s=(float(low), float(high or low)))
    print("| room, m | reflections | RT60 asked | measured, mean | worst microphone | delay, samples | CPU, s |")
    print("|---|---|---|---|---|---|---|")
    for number in range(args.rooms):
        scene = draw_scene(conf, 2, np.random.default_rng(number))
        begun = time.process_time()
        made = respond(scene, args.fs)
        spent, expected = time.process_time() - begun, delays_s(scene) * args.fs
        late = max(
            abs(int(np.abs(response[: LEAD + int(delay) + 4]).argmax()) - LEAD - delay)
            for responses, delays in zip(made.rirs, expected, strict=True)
            for response, delay in zip(responses, delays, strict=True)
        )
        off = made.rt60_s[1] / scene.rt60_s - 1
        size = " x ".join(f"{side:.1f}" for side in scene.size)
        found = f"{scene.rt60_s:.3f} | {made.rt60_s[1].mean():.3f} | {off[np.abs(off).argmax()]:+.1%}"
        print(f"| {size} | {made.order} | {found} | {late:.2f} | {spent:.1f} |", flush=True)


if __name__ == "__main__":
    main()
