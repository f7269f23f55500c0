"""The `senses` command: `main` names the commands, each other module does the work of one."""
