"""Compare eviction policies with each other and with the optimum; nothing of this runs in the product."""
