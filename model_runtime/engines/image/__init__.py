"""Image models on mflux: checkpoint layouts, model families, the prompt cache and the denoising loop."""
