"""Write `smollm2-135m.json`: the greedy tokens that transformers writes on the CPU in float32, from the same folder."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.real_models.references import write_reference
from tests.real_models.selection import ANSWER_TOKENS, PROMPTS

FOLDER = Path(".models/smollm2-135m")


def main() -> None:
    """Answer every prompt alone."""
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    answers = {}
    for prompt in PROMPTS:
        chat = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            (whole,) = model.generate(**asked, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        tokens = whole[asked["input_ids"].shape[1] :].tolist()
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        answers[prompt] = {"prompt_tokens": asked["input_ids"].shape[1], "tokens": tokens, "text": text}
    write_reference("smollm2-135m", ("transformers", "torch"), {"answers": answers})


if __name__ == "__main__":
    main()
