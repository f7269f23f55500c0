"""The history of the last day: what was answered, loaded and unloaded, and how long it took; no word of what was asked."""
