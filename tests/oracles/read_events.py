"""Reads what tests/trainer/event_file_test.cpp wrote with TensorBoard's own reader; exit 0 where all is as expected."""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
tags = sorted(events.Tags()["scalars"])
assert tags == ["eval/loss", "train/loss"] or tags == ["train/loss"], tags
losses = {e.step: e.value for e in events.Scalars("train/loss")}
assert sorted(losses) == list(range(1, 202)), sorted(losses)[-5:]
assert losses[201] == 7.0
assert all(abs(losses[s] * s - 1) < 1e-6 for s in range(1, 201))
