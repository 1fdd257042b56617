"""Attack stories and background noise, shaped exactly as the real sensors write."""
