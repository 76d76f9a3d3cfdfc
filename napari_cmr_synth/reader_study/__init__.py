"""Reading a blinded study."""
