"""How far the scores can be believed on this very data."""
