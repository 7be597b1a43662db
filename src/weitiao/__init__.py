"""weitiao (微调): from raw posts to a fine-tuned chat model, with every sample accounted for."""

__version__ = "0.1.0"
