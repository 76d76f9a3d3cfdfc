"""The heart mask panel: masks made, painted, contoured, measured."""
