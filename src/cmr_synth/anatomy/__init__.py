"""What a heart is: labels, template hearts, plausibility and measurements."""
