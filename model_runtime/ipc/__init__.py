"""All that the daemon and a worker share: framing, codec, messages. Nothing here starts a process or runs a model."""
