"""Image and text hashing networks, and how they are trained. Nothing in here knows crossattack."""
