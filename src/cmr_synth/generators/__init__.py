"""What makes images: one folder per family behind one interface; the zoo of pretrained models."""
