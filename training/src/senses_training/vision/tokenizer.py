"""The starter's tokenizer: Qwen's layout and splitting rules, with merges learned from the world's own text.

The byte-level alphabet is complete, so any text goes in and comes out unchanged; words of the world are one token each.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
END, START, STOP, VISION_START, VISION_END, VISION_PAD, IMAGE, VIDEO = range(len(SPECIAL))
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
COMMON_ENGLISH = """
The quick brown fox jumps over the lazy dog. A user asks a question and the assistant gives an answer in a few words.
There are many things to see in the world, and most of them are not as simple as a circle or a square. It is what it is.
You can look at this page, click the button, open the menu, read the title, close the window, and write some code.
This function returns a list of items; if the file does not exist, it raises an error with a message that says why.
Please check whether the text on the screen is correct, which part should be changed, and how it would look after that.
I have made a chart with two lines and three bars. They would like to know about their new house, work, time and people.
Who was there when we came here? Because she had been there before, he could not have said where that other one went.
image picture photo screenshot drawing figure text number digit page design layout app website view file data tool model
system user assistant name value type content true false null http https www com
"""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn at most `vocabulary` tokens from `texts` and common English."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *COMMON_ENGLISH.splitlines() * 20], trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer and chat template as Qwen2.5-VL repositories do."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
        "eos_token": SPECIAL[STOP],
        "pad_token": SPECIAL[END],
        "bos_token": None,
        "unk_token": None,
        "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}, indent=2) + "\n")
