"""Picture networks, one file each."""
