"""The panel that sets pictures side by side: vendors in a grid, seeds in a gallery."""
