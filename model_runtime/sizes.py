"""Format sizes for people."""


def format_bytes(size_bytes: int) -> str:
    """Return a size in decimal units: "1.2 GB", and "34 MB" below a tenth of a gigabyte."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.0f} MB"
