"""Text networks, one file each."""
