#!/usr/bin/env python3
"""Makes tests/oracles/chat/: conversations and what Hugging Face's apply_chat_template makes of them.

    chat_ids.py OUT_DIR        needs transformers, tokenizers; made with transformers 5.24.0, tokenizers 0.23.3

Two tokenizers, trained here on a few lines: `bytes.json`, byte-level BPE as GPT-2's, and `metaspace.json`, BPE with byte fallback as
Llama 2's. `chats.jsonl` holds the conversations; `expected.json` by tokenizer and template, for each of them, input_ids and assistant_masks.
The templates are the published ones with {% generation %} put around an answer and the token that ends it.
"""
import json, os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
LINES = ["system\nYou are a helpful assistant that answers in few words.\n", "user\nWhat is the height of the tower, in metres?\n",
         "assistant\nThe tower is three hundred metres high.\n\n", "tool\n{\"height\": 300}\n", "  indented\n\n\n   more  spaces\n\n"] * 4
CHATS = [
    {"messages": [{"role": "user", "content": "What is the height?"}, {"role": "assistant", "content": "Three hundred metres."}]},
    {"messages": [{"role": "system", "content": "You are helpful.\n"}, {"role": "user", "content": "  in metres? \n"},
                  {"role": "assistant", "content": "\n\n high \n"}, {"role": "user", "content": ""},
                  {"role": "assistant", "content": "The tower\n\nis   three\t."}]},
    {"messages": [{"role": "assistant", "content": " The tower"}, {"role": "tool", "content": "{\"height\": 300}"},
                  {"role": "assistant", "content": "\u00a0\u2003Gr\u00f6\u00dfe \U0001f600\U0001f600 \u65e5\u672c\x1f"}]},
    {"prompt": "What is the height of the tower?", "completion": " three hundred"},
    {"prompt": "You are a help", "completion": "ful assistant\n"},
    {"prompt": "", "completion": "height"},
]
CHATML = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"""
LLAMA3 = """{% for m in messages %}{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] | trim + '<|eot_id|>' }}{% endgeneration %}{% else %}{{ m['content'] | trim + '<|eot_id|>' }}{% endif %}{% endfor %}"""
PLAIN = """{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + eos_token }}{% endgeneration %}{% else %}{{ m['content'] + end_of_prompt }}{% endif %}{% endfor %}"""


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def metaspace():
    t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    # The lines one word at a time: merges do not cross spaces, as SentencePiece's.
    words = (w for line in LINES for w in line.split())
    t.train_from_iterator(words, trainers.BpeTrainer(vocab_size=420, show_progress=False, special_tokens=["<unk>"] + [f"<0x{b:02X}>" for b in range(256)]))
    return t


def main(out):
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/chats.jsonl", "w") as f:
        f.writelines(json.dumps(chat) + "\n" for chat in CHATS)
    expected = {}
    for name, make in {"bytes": byte_level, "metaspace": metaspace}.items():
        t = make()
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
        t.save(f"{out}/{name}.json", pretty=False)
        hf = PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|begin_of_text|>", eos_token="<|endoftext|>")
        for template, text in {"chatml": CHATML, "llama3": LLAMA3, "plain": PLAIN}.items():
            rows = []
            for chat in CHATS:
                messages = chat.get("messages") or [{"role": "user", "content": chat["prompt"]}, {"role": "assistant", "content": chat["completion"]}]
                got = hf.apply_chat_template(messages, chat_template=text, tokenize=True, return_dict=True, return_assistant_tokens_mask=True,
                                             end_of_prompt="\n" if "messages" in chat else "")
                rows.append({"ids": got["input_ids"], "mask": got["assistant_masks"]})
            expected.setdefault(name, {})[template] = rows
    with open(f"{out}/expected.json", "w") as f:
        json.dump(expected, f, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
