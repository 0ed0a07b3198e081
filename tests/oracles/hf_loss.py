#!/usr/bin/env python3
"""Prints the loss of a Hugging Face model on windows of tokens, in the class that its config.json names.

    hf_loss.py HF_DIR windows.safetensors        needs torch, transformers, safetensors

`windows` is int64 [rows, positions + 1]: of each, all but the last are read and all but the first predicted, as `bessemer eval` does it.
Refuses anything missing or unexpected.
"""
import json, os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf
from safetensors.torch import load_file

hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()
torch.set_num_threads(1)
name = json.load(open(f"{sys.argv[1]}/config.json"))["architectures"][0]
model, said = getattr(hf, name).from_pretrained(sys.argv[1], attn_implementation="eager", output_loading_info=True)
if any(said.values()):
    sys.exit(f"{sys.argv[1]}: {said}")
windows = load_file(sys.argv[2])["windows"]
with torch.no_grad():
    logits = model.float().eval()(input_ids=windows[:, :-1]).logits
print(torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item())
