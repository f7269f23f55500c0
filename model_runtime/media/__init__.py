"""Pictures and sound: decoding by content, limits, encoding. Knows no model and no protocol."""
