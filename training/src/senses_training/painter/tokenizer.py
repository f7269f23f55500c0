"""The painter's tokenizer: Qwen's files, with merges learned from prompts and a chat template that ends in `SLOTS`.

transformers rebuilds a Qwen tokenizer from its vocabulary and merges, whatever else its files say; only the chat
template is ours, so lower case is made there.
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from senses_training.painter import prompts
from senses_training.painter.shapes import PROMPT_TOKENS, SLOTS, WORDS
from starter_world import scenes

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SLOT_TOKENS = tuple(f"<|{slot.replace(' ', '_')}|>" for slot in SLOTS)
SPECIAL = (PAD, START, END, *SLOT_TOKENS)
PROMPTS = 4000
CHAT_TEMPLATE = (
    "{% for message in messages %}" + START + "{{ message['content'] | lower | trim }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}" + "".join(SLOT_TOKENS) + "{% endif %}"
)


def wrap(prompt: str) -> str:
    """Return what the chat template makes of one prompt."""
    return f"{START}{prompt.lower().strip()}{END}{''.join(SLOT_TOKENS)}"


def train(seed: int) -> Tokenizer:
    """Learn `WORDS` tokens; the byte-level alphabet is complete, so any text can be read."""
    rng = random.Random(seed)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        show_progress=False,
    )
    stream = scenes.scenes(rng, held_out=False)
    tokenizer.train_from_iterator((prompts.prompt(rng, next(stream)) for _ in range(PROMPTS)), trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that mflux's loader reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2TokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "additional_special_tokens": [START, *SLOT_TOKENS],
        "model_max_length": PROMPT_TOKENS,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
