"""The model's forward pass, in the way that is fastest for its architecture and device."""
