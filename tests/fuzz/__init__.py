"""Random inputs against the parts that read what others wrote."""
