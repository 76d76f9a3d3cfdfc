"""Models and families under one protocol: fidelity, adherence, privacy and cost in one table."""
