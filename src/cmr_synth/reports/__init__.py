"""Results for people: contact sheets and short pages; nothing is computed here."""
