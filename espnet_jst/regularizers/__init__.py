"""What ties heads, levels and views of a batch together in training."""
