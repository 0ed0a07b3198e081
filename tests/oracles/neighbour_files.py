#!/usr/bin/env python3
"""Files of other programs as their own libraries write them (numpy, h5py), for tests/data/neighbours.

    neighbour_files.py OUT        default: tests/data/neighbours/golden; needs numpy and h5py
"""
import os, sys
import h5py, numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "data", "neighbours", "golden")


def shifted(documents, length, variable):
    """A sample of the Cerebras Model Zoo: documents one behind the other, input ids without the last, labels without the first."""
    ids = [t for d in documents for t in d]
    mask = [m for d in documents for m in [1] * (len(d) - 1) + [0]][:-1]
    left = [n for d in documents for n in range(len(d) - 1, -1, -1)]
    left = left[:-len(documents[-1])] + list(range(len(documents[-1]) - 2, -1, -1))
    position = [n for d in documents for n in range(len(d))][:-1]
    planes = [ids[:-1], mask, ids[1:]] + ([left, position] if variable else [])
    return [plane + [0] * (length - len(plane)) for plane in planes]


def main():
    os.makedirs(OUT, exist_ok=True)
    at = lambda name: os.path.join(OUT, name)
    np.save(at("flat.npy"), np.array([5, 0, 65535], np.uint16))
    np.save(at("rows.npy"), np.array([[1, 2, 3], [4, 5, 6]], np.int64))

    with h5py.File(at("cerebras_corpus.h5"), "w") as f:
        f.create_dataset("data", data=np.array([5, 6, 9, 7, 9], np.uint16))
    with h5py.File(at("cerebras_samples.h5"), "w") as f:
        samples = [shifted([[1, 2, 3, 9]], 5, False), shifted([[4, 5, 6, 7, 8, 9]], 5, False)]
        f.create_dataset("data", data=np.array(samples, np.int32), chunks=(1, 3, 5), compression="gzip")
        f.attrs["n_examples"] = 2
    with h5py.File(at("cerebras_vsl.h5"), "w") as f:
        samples = [shifted([[1, 2, 9], [3, 9], [4, 5, 9]], 9, True), shifted([[6, 7, 8, 9]], 9, True)]
        f.create_dataset("data", data=np.array(samples, np.int32), chunks=(1, 5, 9), compression="gzip")
        f.attrs["n_examples"] = 2

    with h5py.File(at("hollow.h5"), "w") as f:  # says it has 2^40 tokens and stores none
        f.create_dataset("data", shape=(2**40,), dtype=np.uint16, chunks=(2**20,), compression="gzip")

    with h5py.File(at("nvidia_bert.h5"), "w") as f:  # [CLS] 1, [SEP] 2, [MASK] 3
        gz = dict(compression="gzip")
        f.create_dataset("input_ids", data=np.array([[1, 3, 11, 2, 12, 2, 0, 0], [1, 10, 2, 3, 3, 15, 16, 2]], np.int32), dtype="i4", **gz)
        f.create_dataset("input_mask", data=np.array([[1] * 6 + [0] * 2, [1] * 8]), dtype="i1", **gz)
        f.create_dataset("segment_ids", data=np.array([[0] * 4 + [1] * 2 + [0] * 2, [0] * 3 + [1] * 5]), dtype="i1", **gz)
        f.create_dataset("masked_lm_positions", data=np.array([[1, 0, 0], [3, 4, 6]]), dtype="i4", **gz)
        f.create_dataset("masked_lm_ids", data=np.array([[10, 0, 0], [13, 14, 16]]), dtype="i4", **gz)
        f.create_dataset("next_sentence_labels", data=np.array([0, 1]), dtype="i1", **gz)


main()
