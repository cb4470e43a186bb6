"""The mechanism in pure torch: masks, layer, head, injection, audit."""
