"""The vision starter: a small Qwen2.5-VL trained from nothing on pictures of `starter_world.grammar`."""
