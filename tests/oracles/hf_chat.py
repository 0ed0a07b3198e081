#!/usr/bin/env python3
"""What Hugging Face's AutoTokenizer makes of conversations by the chat_template.jinja of a directory.

    hf_chat.py HF_DIR CHATS.jsonl      for each line a line of JSON: ids of the whole, prompt (the text before the last answer, with its beginning)
"""
import json, os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer

t = AutoTokenizer.from_pretrained(sys.argv[1])
for line in open(sys.argv[2]):
    chat = json.loads(line)
    m = chat.get("messages") or [{"role": "user", "content": chat["prompt"]}, {"role": "assistant", "content": chat["completion"]}]
    print(json.dumps({"ids": t.apply_chat_template(m, tokenize=True, return_dict=True)["input_ids"],
                      "prompt": t.apply_chat_template(m[:-1], tokenize=False, add_generation_prompt=True)}))
