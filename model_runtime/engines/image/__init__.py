"""Image models on mflux: checkpoint layouts, families, prompts, the picture that grows step by step."""
