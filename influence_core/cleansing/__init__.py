"""What harms a whole split, and what happens when it goes."""
