#!/usr/bin/env python3
"""Makes tests/oracles/generate/: small Hugging Face models with a tokenizer, and what `generate(do_sample=False)` says there.

    hf_generate.py OUT_DIR            needs torch, transformers, tokenizers; made with torch 2.15.0, transformers 5.24.0

A case is config.json, model.safetensors, tokenizer.json (a token for each printable ASCII character; in llama's and mistral's the
text begins with <|endoftext|>) and generated.json: for each prompt the 200 tokens and the text of greedy decoding, plain and with
a repetition penalty. Prompts are decoded one by one. No two likeliest tokens are nearer than 1e-3 in logits, so that rounding
decides nothing.
"""
import argparse, json, os

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from hf_models import LLAMA, randomise, rope

TOKENS, POSITIONS, PENALTY, END = 200, 256, 1.15, "<|endoftext|>"
PROMPTS = ["Once upon a time", "a", "The quick brown fox jumps over the lazy dog."]
VOCAB = [END] + ["\u0120" if c == 32 else chr(c) for c in range(32, 127)]
COMMON = LLAMA | {"vocab_size": len(VOCAB), "max_position_embeddings": POSITIONS, "use_cache": True}
CASES = {
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=len(VOCAB), n_positions=POSITIONS, n_embd=18, n_layer=2, n_head=2, n_inner=22,
                                                     bos_token_id=0, eos_token_id=0)),
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**COMMON, **rope(1234.5), tie_word_embeddings=False)),
    "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**COMMON | {"head_dim": 6}, **rope(5000.0), sliding_window=7)),
}


def tokenizer(name):
    t = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(VOCAB)}, merges=[]))
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.add_special_tokens([END])
    if name != "gpt2":
        t.post_processor = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    return t


@torch.no_grad()
def generate(model, ids, penalty):
    out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=TOKENS,
                         repetition_penalty=penalty, pad_token_id=0, output_scores=True, return_dict_in_generate=True)
    nearest = min((s[0].topk(2).values @ torch.tensor([1.0, -1.0])).item() for s in out.scores)
    tokens = out.sequences[0, len(ids):].tolist()
    assert len(tokens) == TOKENS and 0 not in tokens, "it ends early; choose another seed"
    assert nearest > 1e-3, f"two tokens are {nearest} apart; choose another seed"
    return tokens


def make(name, directory):
    for seed in range(1000):
        model = CASES[name]().eval()
        randomise(model, seed)
        model.get_output_embeddings().weight.data[0].zero_() if name != "gpt2" else None  # the end is not likely
        t, cases = tokenizer(name), []
        try:
            for prompt in PROMPTS:
                case = {"prompt": prompt}
                for key, penalty in (("greedy", 1.0), ("penalized", PENALTY)):
                    case[key] = generate(model, t.encode(prompt).ids, penalty)
                    case[f"{key}_text"] = t.decode(case[key])
                cases.append(case)
        except AssertionError:
            continue
        break
    model.save_pretrained(directory)
    t.save(f"{directory}/tokenizer.json")
    with open(f"{directory}/generated.json", "w") as f:
        json.dump({"repetition_penalty": PENALTY, "cases": cases}, f)
        f.write("\n")
    print(name, "seed", seed, cases[0]["greedy_text"][:40], cases[0]["penalized_text"][:60])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    for case in CASES:
        make(case, f"{arguments.directory}/{case}")
