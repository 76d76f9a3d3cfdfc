"""From k-space to pictures: acquisition, sampling, classical and learned reconstruction."""
