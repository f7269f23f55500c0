"""What the product does on macOS, taken here by faking what Apple's kernel and libraries answer."""
