#!/usr/bin/env python3
"""Makes the small Hugging Face models of tests/oracles/hf/: random weights, inputs, logits, loss and every gradient.

    hf_models.py OUT_DIR [CASE ...]        needs torch, transformers, safetensors; made with torch 2.15.0, transformers 5.24.0
    hf_models.py --check HF_DIR [--batch inputs.safetensors --outputs outputs.safetensors]

A case is a directory with config.json and model.safetensors as save_pretrained writes them, inputs.safetensors (input_ids, labels)
and outputs.safetensors (logits, or prediction_logits and
seq_relationship_logits; loss; grad.NAME). fp32, eval mode, one thread, eager attention. Norms and biases are away from 1 and
0, so that one that is forgotten shows. --check loads a directory in the class its config.json names, refuses anything missing or
unexpected, and compares what it computes with `bessemer logits`'s outputs.
"""
import argparse, json, os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

VOCAB, BATCH, SEQ = 37, 2, 11
LLAMA = dict(vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, intermediate_size=20,
             max_position_embeddings=16, use_cache=False, bos_token_id=0, eos_token_id=0, pad_token_id=None)
rope = lambda theta, **more: {"rope_parameters": {"rope_type": "default", "rope_theta": theta} | more}
CASES = {
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=VOCAB, n_positions=16, n_embd=18, n_layer=2, n_head=2, n_inner=22, resid_pdrop=0,
                                                     embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=0, layer_norm_epsilon=3e-4, use_cache=False)),
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA, **rope(1234.5), rms_norm_eps=2e-4, tie_word_embeddings=False)),
    "llama-tied": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA | {"num_key_value_heads": 6, "head_dim": 4}, **rope(77777.0), rms_norm_eps=2e-5,
                                                             tie_word_embeddings=True)),
    "bert": lambda: hf.BertForPreTraining(hf.BertConfig(vocab_size=VOCAB, hidden_size=18, num_hidden_layers=2, num_attention_heads=2,
                                                        intermediate_size=22, max_position_embeddings=16, hidden_dropout_prob=0,
                                                        attention_probs_dropout_prob=0, layer_norm_eps=3e-4)),
    "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(vocab_size=VOCAB, hidden_size=18, num_hidden_layers=2, num_attention_heads=2,
                                                              intermediate_size=22, max_position_embeddings=18, hidden_dropout_prob=0, type_vocab_size=1,
                                                              attention_probs_dropout_prob=0, layer_norm_eps=3e-4, pad_token_id=1)),
    "llama-3": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA, attention_bias=True, rms_norm_eps=2e-4, **rope(
        500.0, rope_type="llama3", factor=8.0, low_freq_factor=0.5, high_freq_factor=2.0, original_max_position_embeddings=12))),
    "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**LLAMA | {"head_dim": 6}, **rope(5000.0), rms_norm_eps=2e-4, sliding_window=4)),
    "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**LLAMA, **rope(3000.0), rms_norm_eps=2e-4)),
    "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**LLAMA | {"head_dim": 6}, **rope(3000.0), rms_norm_eps=2e-4, attention_bias=True)),
}


@torch.no_grad()
def randomise(model, seed):
    g = torch.Generator().manual_seed(seed)
    draw = lambda p, std: torch.randn(p.shape, generator=g) * std
    for name, p in model.named_parameters():
        norm = p.dim() == 1 and ("norm" in name.lower() or "ln_" in name) and name.endswith("weight")
        std = 0.2 if p.dim() == 1 else 1.5 * p.shape[1] ** -0.5 if "emb" in name or "wte" in name or "wpe" in name else p.shape[-1] ** -0.5
        p.copy_(1 + draw(p, 0.25).clamp(-0.75, 0.75) if norm else draw(p, std))
    return g


def run(model, inputs):
    model.zero_grad(set_to_none=True)
    out = model(**inputs)
    out.loss.backward()
    mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).unsqueeze(-1)  # logits of padding are nobody's
    logits = {"logits": out.logits * mask} if "logits" in out else {"prediction_logits": out.prediction_logits * mask,
                                                                    "seq_relationship_logits": out.seq_relationship_logits}
    return logits | {"loss": out.loss} | {f"grad.{n}": p.grad for n, p in model.named_parameters()}


def make(name, directory):
    torch.manual_seed(0)
    model = CASES[name]().eval()
    model.set_attn_implementation("eager")
    g = randomise(model, sum(map(ord, name)))
    ids = torch.randint(0, VOCAB, (BATCH, SEQ), generator=g)
    labels = ids.clone()
    labels[torch.rand(BATCH, SEQ, generator=g) < 0.1] = -100
    inputs = {"input_ids": ids, "labels": labels}
    if name in ("bert", "roberta"):
        places = torch.arange(SEQ).expand(BATCH, SEQ)
        mask = (places < torch.tensor([[SEQ], [SEQ - 3]])).long()
        if name == "roberta":  # positions count from the first token that is not padding: rows may begin with it, too
            mask[0, :2] = 0
            ids[ids == model.config.pad_token_id] = 2
            ids[mask == 0] = labels[mask == 0] = model.config.pad_token_id
        labels[(torch.rand(BATCH, SEQ, generator=g) < 0.5) | (mask == 0)] = -100
        inputs |= {"attention_mask": mask}
    if name == "bert":
        inputs |= {"token_type_ids": (places >= 5).long() * mask, "next_sentence_label": torch.tensor([1, 0])}
    model.save_pretrained(directory)
    if os.path.exists(f"{directory}/generation_config.json"):
        os.remove(f"{directory}/generation_config.json")
    save_file(inputs, f"{directory}/inputs.safetensors")
    save_file({k: v.detach().clone().contiguous() for k, v in run(model, inputs).items()}, f"{directory}/outputs.safetensors")


def check(directory, batch, outputs):
    config = json.load(open(f"{directory}/config.json"))
    model, said = getattr(hf, config["architectures"][0]).from_pretrained(directory, attn_implementation="eager", output_loading_info=True)
    wrong = {k: v for k, v in said.items() if v}
    if wrong:
        sys.exit(f"{directory}: {wrong}")
    print(f"{directory}: {config['architectures'][0]}, nothing missing or unexpected")
    if not batch:
        return
    ours, worst = load_file(outputs), 0.0
    theirs = run(model.float().eval(), load_file(batch))
    # Softmax ignores a constant: gradients of key biases are rounding alone, unless something is between (RoPE, a norm).
    largest = max(v.abs().max() for k, v in theirs.items() if k.startswith("grad."))
    for key, value in theirs.items():
        if key not in ours:
            sys.exit(f"{outputs}: no {key}")
        difference = (ours[key] - value).abs().max().item() / max(value.abs().max().item(), 1e-7 * largest.item())
        if key in ("logits", "prediction_logits"):
            print(f"logits: {difference:.1e} of the largest, loss {ours['loss'].item():.6f} and {theirs['loss'].item():.6f}")
        if key.endswith("c_attn.bias"):  # its middle third, see above
            h = value.numel() // 3
            keep = torch.cat([torch.arange(h), torch.arange(2 * h, 3 * h)])
            difference = ((ours[key] - value)[keep].abs().max() / value.abs().max()).item()
        if key.endswith("key.bias"):  # likewise
            difference = ((ours[key] - value).abs().max() / theirs[key.replace("key", "query")].abs().max()).item()
        worst = max(worst, difference)
    print(f"worst of {len(theirs)} tensors: {worst:.1e} of its largest entry")
    sys.exit(worst > 1e-5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--batch")
    parser.add_argument("--outputs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    if args.check:
        return check(args.directory, args.batch, args.outputs)
    for name in args.cases or CASES:
        make(name, f"{args.directory}/{name}")


if __name__ == "__main__":
    main()
