"""How wide and deep the painter is. mflux's classes take any of this; what their code fixes is said here.

The text encoder needs 27 layers, because the transformer reads its hidden states 9, 18 and 27; the first few are
trained, the others pass everything on unchanged. The picture coder keeps FLUX.2's 32 latent channels, and its
GroupNorm needs multiples of 32 channels. Prompts are padded to 512 tokens that the transformer does not mask, so text
positions get no rotation: the first and last of `axes_dims_rope` are 0.
"""

from typing import Any

from starter_world.scenes import SIDE

TOKENS_ACROSS = SIDE // 16
PROMPT_TOKENS = 512

THINGS = ("first", "second", "third")
CORNERS = ("corner a", "corner b", "corner c", "corner d")
SLOTS = ("page", *THINGS, *CORNERS)
"""The tokens that end every prompt, where the text encoder writes what it understood: see `painter.code`."""

WORDS = 480
HIDDEN = 96
HEAD = 32
TEXT_LAYERS = 5
"""Layers of the text encoder that are trained."""
TEXT: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 27,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "intermediate_size": 96,
    "head_dim": HEAD,
}
TRANSFORMER: dict[str, Any] = {
    "in_channels": 128,
    "num_layers": 1,
    "num_single_layers": 6,
    "attention_head_dim": HEAD,
    "num_attention_heads": 5,
    "joint_attention_dim": 3 * HIDDEN,
    "axes_dims_rope": (0, 16, 16, 0),
    "mlp_ratio": 3.0,
}

CHANNELS = 12
"""Latent channels that are alive, of FLUX.2's 32."""
ENCODER_WIDTHS = (32, 32, 64, 64)
DECODER_WIDTHS = (32, 32, 64, 64)
"""Channels of the picture coder, from full resolution down to an eighth."""
