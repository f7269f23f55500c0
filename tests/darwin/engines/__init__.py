"""What the engines do on a Mac with a GPU."""
