"""The painter starter: a small FLUX.2-klein that draws one to three coloured shapes in four steps."""
