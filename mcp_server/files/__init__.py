"""Which files a client may read and write, and where results are kept. Decoding them is the runtime's business."""
