"""What the daemon and its workers share: framing, codec, messages. Starts no process and runs no model."""
