"""Results for people and programs: one content, three faces; nothing is computed here."""
