"""The `senses` command: `main` declares the commands, each other module implements one or a part they share."""
