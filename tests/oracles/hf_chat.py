#!/usr/bin/env python3
"""What Hugging Face's AutoTokenizer makes of a conversation in a directory that `bessemer export` wrote.

    hf_chat.py HF_DIR MESSAGES_JSON      one JSON object: ids, ends (generation_config's eos_token_id), prompt (text with the generation prompt)
"""
import json, os, sys

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer, GenerationConfig

directory, messages = sys.argv[1], json.loads(sys.argv[2])
t = AutoTokenizer.from_pretrained(directory)
ids = t.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
prompt = t.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
print(json.dumps({"ids": ids, "ends": GenerationConfig.from_pretrained(directory).eos_token_id, "prompt": prompt}))
