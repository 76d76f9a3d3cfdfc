"""The list of patients: a folder worked through, and what is done for each."""
