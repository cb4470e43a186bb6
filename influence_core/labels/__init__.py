"""How likely each given label is wrong, and which label is right."""
